import type { IncomingMessage } from 'node:http';

/** Whether the client reached us over TLS: only a trusted proxy can say so, because this server itself speaks HTTP. */
export function isSecure(request: IncomingMessage, trustProxy: boolean): boolean {
  return trustProxy && request.headers['x-forwarded-proto'] === 'https';
}
