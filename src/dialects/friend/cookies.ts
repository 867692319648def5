import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomToken } from '../../base/ids.ts';
import type { SignIn } from '../../core/accounts/index.ts';
import { isSecure, type DialectParts } from '../shared/index.ts';

const sessionCookie = 'parley_session';
const csrfCookie = 'parley_csrf';

/**
 * Signs this browser in. Scripts cannot read the session; the second cookie they can read, to repeat its value in
 * `X-CSRF-Token`: a page of another origin cannot.
 */
export function setSessionCookies(parts: DialectParts, request: FastifyRequest, reply: FastifyReply, signIn: SignIn): void {
  const shared = {
    path: '/',
    sameSite: 'strict',
    secure: isSecure(request.raw, parts.settings.trustProxy),
    maxAge: Math.max(0, Math.floor((signIn.expiresAt - parts.clock.now()) / 1000)),
  } as const;
  reply.setCookie(sessionCookie, signIn.token, { ...shared, httpOnly: true });
  reply.setCookie(csrfCookie, randomToken(), { ...shared, httpOnly: false });
}

export function clearSessionCookies(reply: FastifyReply): void {
  reply.clearCookie(sessionCookie, { path: '/' });
  reply.clearCookie(csrfCookie, { path: '/' });
}
