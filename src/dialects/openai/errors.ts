import { errorTable, ParleyError, type ErrorCode, type FieldIssue } from '../../base/errors.ts';
import type { FastifyReply } from 'fastify';
import type { Limit, LimitVerdict } from '../../base/limits/index.ts';
import type { Dialect } from '../shared/index.ts';

/** OpenAI's `type` and `code` for our codes; what is missing is told by the status alone. */
const forms: Partial<Record<ErrorCode, { type?: string; code?: string; parameter?: string }>> = {
  unauthorized: { code: 'invalid_api_key' },
  invalid_api_key: { code: 'invalid_api_key' },
  model_not_found: { code: 'model_not_found', parameter: 'model' },
  context_overflow: { code: 'context_length_exceeded', parameter: 'messages' },
  rate_limited: { type: 'requests', code: 'rate_limit_exceeded' },
  queue_full: { type: 'requests', code: 'rate_limit_exceeded' },
  quota_exceeded: { type: 'insufficient_quota', code: 'insufficient_quota' },
  // What clients do not ask again for: they take other codes of 429 for a rate limit of seconds.
  budget_exceeded: { type: 'insufficient_quota', code: 'insufficient_quota' },
  not_found: { code: undefined },
  invalid_request: { code: undefined },
};

const kinds: Record<string, string> = { missing: 'missing_required_parameter', wrong_type: 'invalid_type' };

/** The dialect of OpenAI's clients: error form and status codes. */
export const openaiDialect: Dialect = {
  name: 'openai',
  prefixes: ['/v1'],
  status: (error) => (error.code === 'validation_failed' ? 400 : error.status),
  errorBody: (error, { method, path }) => ({ error: errorObject(error, `${method} ${path}`) }),
};

/** What stands in `error`, in answers and in streams alike. */
export function errorObject(error: ParleyError, target = ''): { message: string; type: string; param: string | null; code: string | null } {
  if (error.code === 'validation_failed') return validationError(error);
  const form = forms[error.code];
  const unknownUrl = error.code === 'not_found' && error.message === errorTable.not_found.sentence;
  return {
    message: unknownUrl ? `Unknown request URL: ${target}. See /docs for what this server offers.` : error.message,
    type: form?.type ?? (error.status >= 500 ? 'server_error' : 'invalid_request_error'),
    param: error.parameter ?? form?.parameter ?? null,
    code: unknownUrl ? 'unknown_url' : form ? (form.code ?? null) : error.code,
  };
}

function validationError(error: ParleyError): ReturnType<typeof errorObject> {
  const issue = error.issues[0];
  const param = issue ? parameterName(issue) : null;
  const message = issue ? `Invalid value for '${param ?? 'body'}': ${issue.message}.` : error.message;
  return { message, type: 'invalid_request_error', param, code: issue ? (kinds[issue.kind] ?? 'invalid_value') : null };
}

/** `messages[0].content`, as OpenAI names the place. */
function parameterName(issue: FieldIssue): string | null {
  const keys = issue.path.slice(1);
  if (keys.length === 0) return null;
  return keys.map((key, at) => (typeof key === 'number' ? `[${key}]` : at === 0 ? key : `.${key}`)).join('');
}

/** For what the API documents and this server, or a model, does not do. */
export function unsupported(parameter: string, message: string): ParleyError {
  return new ParleyError('unsupported_value', { message, parameter });
}

/** For fields that do not go together, or are missing where others need them. */
export function invalid(parameter: string, message: string): ParleyError {
  return new ParleyError('invalid_request', { message, parameter });
}

/** OpenAI's headers of a limit. When it is whole again is known only once it is used up: then it says when the next request fits. */
export function describeLimit(reply: FastifyReply, limit: Limit, verdict: LimitVerdict): void {
  if (limit.count === Infinity) return;
  reply.header('x-ratelimit-limit-requests', String(limit.count));
  reply.header('x-ratelimit-remaining-requests', String(verdict.remaining));
  if (!verdict.allowed) reply.header('x-ratelimit-reset-requests', `${Math.ceil(verdict.retryAfterMs) / 1000}s`);
}
