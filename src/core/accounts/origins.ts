import type { IncomingHttpHeaders } from 'node:http';
import { hostNameOf, isLoopbackBind, isLoopbackName } from './loopback.ts';
import type { AccountSettings } from './settings.ts';

/** Which pages may talk to this server with what the browser adds by itself: the session cookie or local trust. */
export interface OriginRules {
  /** For the session cookie, sign-in and registration. No Origin at all is allowed: then it is no foreign page. */
  allowedWithCookie(headers: IncomingHttpHeaders): boolean;
  /**
   * Whether a page of this server's own origin sent the request, or no browser did: what `Sec-Fetch-Site` says, else whether
   * `Origin` is the host that was asked. Every browser sends one of them with requests that change something.
   */
  isSameOrigin(headers: IncomingHttpHeaders): boolean;
  /** For local trust: only pages of this machine and those of ALLOWED_ORIGINS. */
  allowedWithLocalTrust(headers: IncomingHttpHeaders): boolean;
}

/** @throws {Error} when ALLOWED_ORIGINS or PUBLIC_URL holds what is no origin. */
export function createOriginRules(settings: Pick<AccountSettings, 'host' | 'allowedOrigins' | 'publicUrl'>): OriginRules {
  const listed = new Set(settings.allowedOrigins.map((origin) => originOf(origin, 'ALLOWED_ORIGINS')));
  const known = new Set(listed);
  const ownOrigin = settings.publicUrl ? originOf(settings.publicUrl, 'PUBLIC_URL') : null;
  if (ownOrigin) known.add(ownOrigin);
  const onLoopback = isLoopbackBind(settings.host);

  return {
    allowedWithCookie({ origin, host }) {
      if (origin === undefined) return true;
      const url = parseOrigin(origin);
      if (!url) return false;
      if (known.has(url.origin)) return true;
      const name = host === undefined ? null : hostNameOf(host);
      if (name === null) return false;
      if (isLoopbackName(name)) return isLoopbackName(url.hostname);
      // A server that only this machine reaches is never called by another name, unless by a page that bent a name
      // to 127.0.0.1 (DNS rebinding) or a proxy, which PUBLIC_URL then names.
      return !onLoopback && url.host === URL.parse(`${url.protocol}//${host}`)?.host;
    },
    isSameOrigin({ origin, host, 'sec-fetch-site': site }) {
      if (site !== undefined) return site === 'same-origin';
      if (origin === undefined) return true;
      const url = parseOrigin(origin);
      if (!url) return false;
      return url.origin === ownOrigin || (host !== undefined && url.host === URL.parse(`${url.protocol}//${host}`)?.host);
    },
    allowedWithLocalTrust({ origin }) {
      if (origin === undefined) return true;
      const url = parseOrigin(origin);
      return url !== null && (isLoopbackName(url.hostname) || listed.has(url.origin));
    },
  };
}

/** The origin as a URL; null for `null` and for everything that is not scheme, host and port of a web page. */
function parseOrigin(text: string): URL | null {
  const url = text.length > 300 ? null : URL.parse(text);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  return url.origin === text.toLowerCase() ? url : null;
}

function originOf(text: string, setting: string): string {
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Error(`${setting} must hold addresses such as https://chat.example.com, not "${text}".`);
  }
  return url.origin;
}
