import type { ErrorCode, ParleyError } from '../../base/errors.ts';
import { OauthRefusal } from '../../core/accounts/index.ts';
import type { Agent } from '../../core/agent/index.ts';
import type { Dialect } from '../shared/index.ts';

/** Where the status differs from the table's: 401 speaks of the caller's own credential, and 400 of the request. */
const statuses: Partial<Record<ErrorCode, number>> = { validation_failed: 400, no_api_key: 503, invalid_api_key: 502 };

/** First segments behind the version, by which addresses of older versions are told from those of other dialects. */
const segments = ['stats', 'capabilities', 'p2p', 'ai', 'tasks', 'blockchain', 'health', 'analytics', 'auth', 'config', 'performance', 'database', 'debug', 'management'];

/** As the published document prints them; Strict-Transport-Security counts for browsers only over TLS. */
const printedHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1; mode=block',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'content-security-policy': "default-src 'self'",
} as const;

/** The release of the document's API that is served. */
export const agentVersion = '4.1.0';

type Features = Pick<Agent, 'features'>;

/** `{success: false, error: {code, message, details}}`, with the document's headers. */
export function ultimateDialect(agent: Features): Dialect {
  return {
    name: 'ultimate',
    prefixes: ['/api/ai', '/api/v3', '/api/v4', '/api/v5', '/api/auth/token', '/device', ...segments.map((segment) => `/api/v1/${segment}`)],
    status: (error) => statuses[error.code] ?? error.status,
    headers: () => ({ ...printedHeaders, 'x-agent-version': agentVersion, 'x-features-enabled': agent.features().join(',') }),
    errorBody,
  };
}

/** What stands in answers and in streams alike. */
export function errorBody(error: ParleyError): { success: false; error: { code: ErrorCode; message: string; details: Record<string, unknown> } } {
  return { success: false, error: { code: error.code, message: error.message, details: detailsOf(error) } };
}

function detailsOf({ issues, retryAfterMs }: ParleyError): Record<string, unknown> {
  return {
    ...(issues.length === 0 ? {} : { fields: issues.map(({ path, message, kind }) => ({ field: path.slice(1).join('.'), message, kind })) }),
    ...(retryAfterMs === undefined ? {} : { retry_after_seconds: Math.max(1, Math.ceil(retryAfterMs / 1000)) }),
  };
}

/** What OAuth calls the errors that are not its own (RFC 6749, section 5.2). */
const oauthNames: Partial<Record<ErrorCode, string>> = { rate_limited: 'slow_down', internal: 'server_error', storage_unavailable: 'temporarily_unavailable', shutting_down: 'temporarily_unavailable' };

/** `{error, error_description}`: the addresses that OAuth's own clients talk to. */
export function oauthDialect(agent: Features): Dialect {
  return {
    ...ultimateDialect(agent),
    name: 'oauth',
    prefixes: [],
    status: (error) => (error.code === 'validation_failed' ? 400 : error.status),
    errorBody: (error) => ({ error: error instanceof OauthRefusal ? error.oauthError : (oauthNames[error.code] ?? 'invalid_request'), error_description: error.message }),
  };
}
