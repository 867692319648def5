import type { IncomingMessage } from 'node:http';

/**
 * The address a request comes from. Behind a trusted proxy it is the last entry of X-Forwarded-For, the one that proxy
 * wrote itself; earlier entries come from the client and prove nothing.
 */
export function addressOf(request: IncomingMessage, trustProxy: boolean): string {
  const forwarded = request.headers['x-forwarded-for'];
  if (trustProxy && forwarded !== undefined) {
    const last = (Array.isArray(forwarded) ? forwarded.join(',') : forwarded).split(',').at(-1)?.trim();
    if (last) return last;
  }
  return request.socket.remoteAddress ?? 'unknown';
}

/** Whether the client reached us over TLS: only a trusted proxy can say so, because this server itself speaks HTTP. */
export function isSecure(request: IncomingMessage, trustProxy: boolean): boolean {
  return trustProxy && request.headers['x-forwarded-proto'] === 'https';
}
