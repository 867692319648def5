import type { IncomingHttpHeaders } from 'node:http';
import type { SignIn } from './types.ts';

/** Holds the token. HttpOnly: no script reads it. */
export const sessionCookieName = 'parley_session';
/** Holds the CSRF token, which the page copies into the header `csrfHeaderName`. */
export const csrfCookieName = 'parley_csrf';
export const csrfHeaderName = 'x-csrf-token';

/** A Cookie header longer than this is not looked at; Node takes 16 KB of headers in all. */
const maxHeaderLength = 16_384;

/**
 * The values of the Set-Cookie headers that sign a browser in.
 * @param publicUrl the setting PUBLIC_URL: with https the cookies are Secure
 */
export function sessionCookies(signIn: Pick<SignIn, 'token' | 'csrfToken' | 'expiresAt'>, publicUrl: string | null): [string, string] {
  const expires = `Expires=${new Date(signIn.expiresAt).toUTCString()}`;
  const common = attributes(publicUrl);
  return [
    `${sessionCookieName}=${signIn.token}; ${expires}; HttpOnly; ${common}`,
    `${csrfCookieName}=${signIn.csrfToken}; ${expires}; ${common}`,
  ];
}

/** The values of the Set-Cookie headers that sign a browser out. */
export function clearedSessionCookies(publicUrl: string | null): [string, string] {
  const common = attributes(publicUrl);
  return [`${sessionCookieName}=; Max-Age=0; HttpOnly; ${common}`, `${csrfCookieName}=; Max-Age=0; ${common}`];
}

function attributes(publicUrl: string | null): string {
  const secure = publicUrl !== null && URL.parse(publicUrl)?.protocol === 'https:';
  return `Path=/; SameSite=Strict${secure ? '; Secure' : ''}`;
}

/**
 * The value of a cookie; null when it is not there or empty; `ambiguous` when it is there twice, because then another
 * page of the same site may have planted one.
 */
export function cookieOf(headers: IncomingHttpHeaders, name: string): string | null | { ambiguous: true } {
  const header = headers.cookie;
  if (header === undefined || header.length > maxHeaderLength || !header.includes(name)) return null;
  const values = header.split(';').map((part) => part.trim()).filter((part) => part.startsWith(`${name}=`)).map((part) => part.slice(name.length + 1));
  if (values.length > 1) return { ambiguous: true };
  return values[0] || null;
}
