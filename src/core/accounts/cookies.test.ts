import { describe, expect, it } from 'vitest';
import { clearedSessionCookies, cookieOf, sessionCookies } from './cookies.ts';

const signIn = { token: 'a.b.c', csrfToken: 'xyz', expiresAt: Date.UTC(2030, 0, 2) };

describe('the cookies of a session', () => {
  it('hide the token from scripts, show the CSRF token to them, and never go to other sites', () => {
    expect(sessionCookies(signIn, null)).toEqual([
      'parley_session=a.b.c; Expires=Wed, 02 Jan 2030 00:00:00 GMT; HttpOnly; Path=/; SameSite=Strict',
      'parley_csrf=xyz; Expires=Wed, 02 Jan 2030 00:00:00 GMT; Path=/; SameSite=Strict',
    ]);
  });

  it('are Secure when people reach the server by https', () => {
    for (const cookie of [...sessionCookies(signIn, 'https://chat.example'), ...clearedSessionCookies('https://chat.example')]) expect(cookie).toMatch(/; Secure$/);
    for (const cookie of sessionCookies(signIn, 'http://chat.example')) expect(cookie).not.toContain('Secure');
  });

  it('are cleared by empty ones that have ended', () => {
    expect(clearedSessionCookies(null)).toEqual(['parley_session=; Max-Age=0; HttpOnly; Path=/; SameSite=Strict', 'parley_csrf=; Max-Age=0; Path=/; SameSite=Strict']);
  });
});

describe('reading a cookie', () => {
  it.each([
    ['parley_session=a.b.c', 'a.b.c'],
    ['theme=dark; parley_session=a.b.c; parley_csrf=xyz', 'a.b.c'],
    ['other_parley_session=1;parley_session=a.b.c', 'a.b.c'],
    ['parley_session=a=b', 'a=b'],
    ['parley_session=', null],
    ['parley_session', null],
    ['parley_session2=1', null],
    ['', null],
  ])('%s', (header, value) => {
    expect(cookieOf({ cookie: header }, 'parley_session')).toBe(value);
  });

  it('tells when there are two of the name, because somebody may have planted one', () => {
    expect(cookieOf({ cookie: 'parley_session=a; parley_session=b' }, 'parley_session')).toEqual({ ambiguous: true });
  });

  it('is nothing without a header, or with a huge one', () => {
    expect(cookieOf({}, 'parley_session')).toBeNull();
    expect(cookieOf({ cookie: `${'x'.repeat(20_000)}; parley_session=a` }, 'parley_session')).toBeNull();
  });
});
