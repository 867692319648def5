import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { apiKeyPrefix, type ApiKeys } from './api-keys.ts';
import { cookieOf, csrfCookieName, csrfHeaderName, sessionCookieName } from './cookies.ts';
import type { CredentialCache, KnownCredential } from './credential-cache.ts';
import { internalTokenPrefix, type InternalTokens } from './internal-tokens.ts';
import type { LocalTrust } from './local-trust.ts';
import type { OriginRules } from './origins.ts';
import type { SessionUse } from './session-use.ts';
import type { Sessions } from './sessions.ts';
import { equalTexts } from './tokens.ts';
import type { Accounts, AuthenticationPolicy, Viewer } from './types.ts';

interface AuthenticationParts {
  cache: CredentialCache;
  sessions: Sessions;
  apiKeys: ApiKeys;
  sessionUse: Pick<SessionUse, 'note'>;
  internalTokens: InternalTokens;
  localTrust: LocalTrust;
  origins: OriginRules;
  clock: Clock;
  /** Who a request acts for under local trust. */
  ownerViewer: () => Promise<Viewer>;
}

/** What the OpenAI clients send where no key is needed; they refuse to send none. */
const noKey = 'local';
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);
const maxCredentialLength = 4096;
const bearerForm = /^bearer +(\S+)$/i;

/**
 * Who sent a request: the Authorization header says it, else the token of the query string, else the cookie, else
 * local trust. The first that is there decides: one that is not valid is refused, whatever else the request carries.
 */
export function createAuthenticate(parts: AuthenticationParts): Accounts['authenticate'] {
  const { localTrust, origins } = parts;
  const known = async (text: string): Promise<KnownCredential> => {
    const credential = await resolve(parts, text);
    if (!credential) throw new ParleyError('unauthorized');
    return credential;
  };
  const byHeader = async (text: string): Promise<Viewer> => {
    const credential = await known(text);
    if (credential.kind === 'api-key') parts.apiKeys.noteUse(credential);
    else parts.sessionUse.note(credential.credentialId);
    return credential.viewer;
  };
  const byInternalToken = async (text: string): Promise<Viewer> => {
    const viewer = await parts.internalTokens.use(text);
    if (!viewer) throw new ParleyError('unauthorized');
    return viewer;
  };
  const byCookie = async (text: string, headers: IncomingHttpHeaders, method: string, csrf: AuthenticationPolicy['csrf']): Promise<Viewer> => {
    if (!origins.allowedWithCookie(headers)) throw new ParleyError('origin_refused');
    const credential = await known(text);
    // An API key is no cookie.
    if (!credential.cookieViewer || credential.csrfToken === null) throw new ParleyError('unauthorized');
    const isOwnPage = csrf === 'same-origin' && origins.isSameOrigin(headers);
    if (!safeMethods.has(method) && !isOwnPage && !carriesCsrfToken(headers, credential.csrfToken)) throw new ParleyError('csrf_failed');
    parts.sessionUse.note(credential.credentialId);
    return credential.cookieViewer;
  };

  return async ({ headers, method, queryToken, socket }, policy) => {
    const bearer = bearerOf(headers);
    if (bearer?.startsWith(internalTokenPrefix)) return byInternalToken(bearer);
    if (bearer !== null) return byHeader(bearer);
    if (queryToken !== null && queryToken !== undefined) return byHeader(queryToken);
    if (policy.cookie) {
      const session = cookieOf(headers, sessionCookieName);
      if (typeof session === 'string') return byCookie(session, headers, method, policy.csrf);
      if (session !== null) throw new ParleyError('unauthorized');
    }
    if (policy.localTrust && (await localTrust.verify({ headers, method, socket })).trusted) return parts.ownerViewer();
    return null;
  };
}

/** The credential of the Authorization header; null when there is none or it says that there is none. */
function bearerOf(headers: IncomingHttpHeaders): string | null {
  const header = headers.authorization;
  if (header === undefined) return null;
  const bearer = bearerForm.exec(header)?.[1];
  if (bearer === undefined) throw new ParleyError('unauthorized');
  return bearer === noKey ? null : bearer;
}

async function resolve({ cache, sessions, apiKeys, clock }: AuthenticationParts, text: string): Promise<KnownCredential | null> {
  if (text.length > maxCredentialLength) return null;
  const digest = hash('sha256', text, 'base64url');
  const cached = cache.get(digest);
  if (cached) return cached.expiresAt === null || cached.expiresAt > clock.now() ? cached : null;
  const { generation } = cache;
  const credential = text.startsWith(apiKeyPrefix) ? await apiKeys.load(text) : await sessions.load(text);
  if (credential) cache.add(digest, credential, generation);
  return credential;
}

/** Double submit, bound to the token: the header repeats the cookie, and both are what belongs to this token. */
function carriesCsrfToken(headers: IncomingHttpHeaders, expected: string): boolean {
  const header = headers[csrfHeaderName];
  const cookie = cookieOf(headers, csrfCookieName);
  return typeof header === 'string' && typeof cookie === 'string' && equalTexts(header, expected) && equalTexts(cookie, expected);
}
