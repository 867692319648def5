import { describe, expect, it } from 'vitest';
import { createOriginRules } from './origins.ts';
import { defaultSettings } from './testing.ts';

const allowed = (origin: string | undefined, host: string | undefined, settings: Partial<typeof defaultSettings> = {}) =>
  createOriginRules({ ...defaultSettings, ...settings }).allowedWithCookie({ origin, host });

describe('a page may use the session cookie', () => {
  it('when the browser names none: then no other page sent the request', () => {
    expect(allowed(undefined, 'localhost:8080')).toBe(true);
  });

  it('on this machine, from any port of it', () => {
    expect(allowed('http://localhost:8080', 'localhost:8080')).toBe(true);
    expect(allowed('http://localhost:5173', '127.0.0.1:8080')).toBe(true);
    expect(allowed('http://[::1]:8080', '[::1]:8080')).toBe(true);
  });

  it('from the address that the server is reached at', () => {
    const open = { host: '0.0.0.0' };
    expect(allowed('http://192.168.1.5:8080', '192.168.1.5:8080', open)).toBe(true);
    expect(allowed('https://chat.example', 'chat.example', open)).toBe(true);
    expect(allowed('http://chat.example', 'chat.example:80', open)).toBe(true);
    expect(allowed('https://chat.example', 'Chat.Example:443', open)).toBe(true);
  });

  it('from PUBLIC_URL and ALLOWED_ORIGINS, whatever Host says', () => {
    const settings = { publicUrl: 'https://chat.example/', allowedOrigins: ['https://pages.example'] };
    expect(allowed('https://chat.example', '127.0.0.1:8080', settings)).toBe(true);
    expect(allowed('https://pages.example', 'chat.example', settings)).toBe(true);
    expect(allowed('http://chat.example', '127.0.0.1:8080', settings)).toBe(false);
  });
});

describe('a page may not', () => {
  it('from elsewhere', () => {
    for (const origin of ['https://evil.example', 'null', '', 'http://localhost.evil.example', 'file://', 'http://chat.example:8081', 'http://chat.example.evil.example']) {
      expect(allowed(origin, 'chat.example:8080', { host: '0.0.0.0' }), origin).toBe(false);
      expect(allowed(origin, 'localhost:8080'), origin).toBe(false);
    }
  });

  it('of this machine, when the server is elsewhere', () => {
    expect(allowed('http://localhost:3000', 'chat.example', { host: '0.0.0.0' })).toBe(false);
  });

  it('under a name that was bent to this machine (DNS rebinding), although Origin and Host agree', () => {
    expect(allowed('http://evil.example:8080', 'evil.example:8080')).toBe(false);
  });

  it('without a Host header that can be read', () => {
    for (const host of [undefined, '', 'a b', 'x@y']) expect(allowed('http://chat.example', host, { host: '0.0.0.0' })).toBe(false);
  });
});
