import type { FastifyReply, FastifyRequest } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import type { Limit, Limiter } from '../../base/limits.ts';
import type { Metrics } from '../../base/observability/index.ts';
import { mayAdminister, type Accounts, type AuthenticationPolicy, type Credentials, type Viewer } from '../../core/accounts/index.ts';

/** What `authenticate` looks at, of one HTTP request. */
export function credentialsOf(request: FastifyRequest): Credentials {
  return { headers: request.headers, method: request.method, socket: request.raw.socket };
}

/**
 * Who sent a request.
 * @throws {ParleyError} `unauthorized` when nobody is proven and local trust does not hold, and what `authenticate` throws
 */
export async function viewerOf(accounts: Accounts, request: FastifyRequest, policy: AuthenticationPolicy): Promise<Viewer> {
  const viewer = await accounts.authenticate(credentialsOf(request), policy);
  if (!viewer) throw new ParleyError('unauthorized');
  return viewer;
}

/** The viewer that the hook below has found. */
export function viewerFrom(request: FastifyRequest): Viewer {
  if (!request.viewer) throw new ParleyError('unauthorized');
  return request.viewer;
}

/**
 * A hook that runs before the body is read: finds the viewer, then counts the request against the limit of the
 * dialect. Who is not known costs no parsing, and learns nothing of what a valid body would look like.
 */
export function requireViewer(parts: { accounts: Accounts; limiter: Limiter; metrics: Metrics }, policy: AuthenticationPolicy, limit: Limit) {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    request.viewer = await viewerOf(parts.accounts, request, policy);
    await takeFrom(parts, limit, request.viewer.userId);
  };
}

/**
 * Counts one event against a limit.
 * @throws {ParleyError} `rate_limited` with the time after which it fits again
 */
export async function takeFrom(parts: { limiter: Limiter; metrics: Metrics }, limit: Limit, subject: string): Promise<void> {
  const verdict = await parts.limiter.take(limit, subject);
  if (verdict.allowed) return;
  parts.metrics.limited.inc({ limit: limit.name });
  throw new ParleyError('rate_limited', { retryAfterMs: verdict.retryAfterMs });
}

/** @throws {ParleyError} `forbidden` for anyone but the owner and administrators */
export function requireAdmin(viewer: Viewer): void {
  if (!mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only an administrator may do this.' });
}
