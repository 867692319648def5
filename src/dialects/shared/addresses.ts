import type { IncomingMessage } from 'node:http';

/** Whether the client reached us over TLS: only a trusted proxy can say so, because this server itself speaks HTTP. */
export function isSecure(request: IncomingMessage, trustProxy: boolean): boolean {
  return trustProxy && request.headers['x-forwarded-proto'] === 'https';
}

/**
 * Why a request could mean one server to us and another to whoever passed it on; null when it could not. Answered
 * before anything is believed that the Host header says.
 */
export function ambiguity({ url, rawHeaders }: Pick<IncomingMessage, 'url' | 'rawHeaders'>): string | null {
  if (!url?.startsWith('/')) return 'The request target must begin with "/".';
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host') hosts += 1;
  return hosts > 1 ? 'The request has more than one Host header.' : null;
}
