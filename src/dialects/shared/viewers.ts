import type { FastifyReply, FastifyRequest } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import type { Limit, Limiter, LimitVerdict } from '../../base/limits/index.ts';
import type { Metrics } from '../../base/observability/index.ts';
import { mayAdminister, type Accounts, type AuthenticationPolicy, type Credentials, type Scope, type Viewer } from '../../core/accounts/index.ts';
import type { DialectParts } from './types.ts';
import type { Upgrade } from './upgrades.ts';

/** What `authenticate` looks at, of one HTTP request. */
export function credentialsOf(request: FastifyRequest, queryToken: string | null = null): Credentials {
  return { headers: request.headers, method: request.method, queryToken, socket: request.raw.socket };
}

/**
 * Who sent a request.
 * @throws {ParleyError} `unauthorized` when nobody is proven and local trust does not hold, and what `authenticate` throws
 */
export async function viewerOf(accounts: Accounts, request: FastifyRequest, policy: AuthenticationPolicy, queryToken: string | null = null): Promise<Viewer> {
  const viewer = await accounts.authenticate(credentialsOf(request, queryToken), policy);
  if (!viewer) throw new ParleyError('unauthorized');
  return viewer;
}

/** The token of an address; null when it has none. Several are none that could be true. */
export function queryTokenOf(request: FastifyRequest): string | null {
  const token = (request.query as Record<string, unknown>)['token'];
  return token === undefined ? null : typeof token === 'string' ? token : '';
}

/** By token, API key or cookie: never by being on this machine. */
const provenPolicy: AuthenticationPolicy = { localTrust: false, cookie: true };

/**
 * What is revoked while a socket or stream opens, before it is watched, is told to nobody: so its credential is looked at
 * once more when it is watched. It is known by heart by then, unless it was revoked.
 * @throws {ParleyError} `unauthorized`
 */
export async function requireStillValid(accounts: Accounts, credentials: Credentials, opened: Viewer): Promise<void> {
  const viewer = await accounts.authenticate(credentials, provenPolicy);
  if (viewer?.userId !== opened.userId || viewer.role !== opened.role) throw new ParleyError('unauthorized');
}

/** The same for a socket, when it is watched; thrown out of `open` it closes the socket. */
export async function requireStillValidSocket(accounts: Accounts, { request, query }: Upgrade, opened: Viewer): Promise<void> {
  await requireStillValid(accounts, { headers: request.headers, method: 'GET', queryToken: query.get('token'), socket: request.socket }, opened);
}

/**
 * Who opens a socket: by header, `?token=` or cookie. Counted like a request.
 * @throws {ParleyError} `unauthorized`, `origin_refused` (a cookie from a foreign page), `forbidden`, `rate_limited`
 */
export async function viewerOfUpgrade(parts: Pick<DialectParts, 'accounts' | 'limiter' | 'metrics' | 'settings'>, { request, query }: Upgrade): Promise<Viewer> {
  const { accounts, settings } = parts;
  const viewer = await accounts.authenticate({ headers: request.headers, method: 'GET', queryToken: query.get('token'), socket: request.socket }, provenPolicy);
  if (!viewer) throw new ParleyError('unauthorized');
  if (viewer.via === 'cookie' && !accounts.originAllowed(request.headers)) throw new ParleyError('origin_refused');
  requireScope(viewer, 'read');
  await takeFrom(parts, { name: 'requests', count: settings.limits.requestsPerMinute, windowMs: 60_000 }, viewer.userId);
  return viewer;
}

/** The viewer that the hook below has found. */
export function viewerFrom(request: FastifyRequest): Viewer {
  if (!request.viewer) throw new ParleyError('unauthorized');
  return request.viewer;
}

/** Who gets into the routes of a dialect. */
export interface Guard {
  policy: AuthenticationPolicy;
  /** Whether the token may stand in the address as `?token=`, for clients that cannot set headers (EventSource). Default false. */
  queryToken?: boolean;
  /** Counts every request of a viewer. */
  limit: Limit;
  /** The scope that a credential needs for this request; null for none. */
  scope(request: FastifyRequest): Scope | null;
  /** Tells the client how it stands with the limit, on every answer; for dialects whose form has headers for that. */
  describe?(reply: FastifyReply, limit: Limit, verdict: LimitVerdict): void;
}

/** Who may ask, in two hooks of a scope. */
export interface ViewerHooks {
  /**
   * Runs before the body is read: finds the viewer, looks at the scopes, then counts the request against the limit of the
   * dialect. Who is not known costs no parsing, and learns nothing of what a valid body would look like.
   */
  onRequest(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  /** Runs when the body is there, which may take long: looks at the credential once more if any has ended meanwhile. */
  preValidation(request: FastifyRequest): Promise<void>;
  stop(): void;
}

/** The hooks of one scope; `stop` ends what they listen to. */
export function requireViewer(parts: { accounts: Accounts; limiter: Limiter; metrics: Metrics }, { policy, queryToken, limit, scope, describe }: Guard): ViewerHooks {
  let ended = 0;
  const stop = parts.accounts.onRevoked(() => {
    ended += 1;
  });
  const find = (request: FastifyRequest): Promise<Viewer> => viewerOf(parts.accounts, request, policy, queryToken ? queryTokenOf(request) : null);
  const findAgain = async (request: FastifyRequest, opened: Viewer): Promise<void> => {
    const viewer = await find(request);
    if (viewer.userId !== opened.userId || viewer.role !== opened.role) throw new ParleyError('unauthorized');
  };
  return {
    async onRequest(request, reply) {
      request.endedBefore = ended;
      const viewer = await find(request);
      requireScope(viewer, scope(request));
      request.viewer = viewer;
      // A part of a call that was counted when it came.
      if (viewer.via === 'call-back') return;
      const verdict = await parts.limiter.take(limit, viewer.userId);
      describe?.(reply, limit, verdict);
      refuseBeyond(parts, limit, verdict);
    },
    async preValidation(request) {
      const { viewer } = request;
      // A call back is good for one look only, and lives for a moment.
      if (request.endedBefore === ended || !viewer || viewer.via === 'call-back') return;
      await findAgain(request, viewer);
    },
    stop,
  };
}

/** Reading needs the scope `read`, everything else `write`. */
export function scopeByMethod(request: { method: string }): Scope {
  return request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'write';
}

/** @throws {ParleyError} `forbidden` for a credential that was made for less */
export function requireScope(viewer: Viewer, scope: Scope | null): void {
  if (scope !== null && !viewer.scopes.includes(scope)) throw new ParleyError('forbidden', { message: `This credential has not the scope "${scope}".` });
}

/**
 * Counts events against a limit, all of them or none.
 * @throws {ParleyError} `rate_limited` with the time after which they fit again, `invalid_request` for more than ever fit
 */
export async function takeFrom(parts: { limiter: Limiter; metrics: Metrics }, limit: Limit, subject: string, events = 1): Promise<void> {
  if (events > 1 && events > limit.count) throw new ParleyError('invalid_request', { message: `At most ${limit.count} calls are allowed in ${limit.windowMs / 1000} seconds: ${events} at once never are.` });
  refuseBeyond(parts, limit, await parts.limiter.take(limit, subject, events));
}

function refuseBeyond(parts: { metrics: Metrics }, limit: Limit, verdict: LimitVerdict): void {
  if (verdict.allowed) return;
  parts.metrics.limited.inc({ limit: limit.name });
  throw new ParleyError('rate_limited', { retryAfterMs: verdict.retryAfterMs });
}

/** @throws {ParleyError} `forbidden` for anyone but the owner and administrators */
export function requireAdmin(viewer: Viewer): void {
  if (!mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only an administrator may do this.' });
}
