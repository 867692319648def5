import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createLocalTrust, type LocalTrustVerdict, type UserIds } from './local-trust.ts';
import { createOriginRules } from './origins.ts';
import type { AccountSettings } from './settings.ts';
import { defaultSettings } from './testing.ts';
import type { Credentials } from './types.ts';

/** Our own user in the tests that do not ask the kernel. */
const self = 1000;

/** A system that says this of every peer. */
const system = (ofPeer: () => number | null): UserIds => ({ ofPeer, ofPeerLater: async () => ofPeer(), own: self });

/** What a browser or a program on this machine sends to http://localhost:8080. */
function localRequest(headers: IncomingHttpHeaders = {}, rest: Partial<Credentials> = {}): Credentials {
  return {
    headers: { host: 'localhost:8080', ...headers }, method: 'GET',
    socket: { remoteAddress: '127.0.0.1', remotePort: 40_000, localAddress: '127.0.0.1', localPort: 8080 }, ...rest,
  };
}

/** Judges a request as if its socket belonged to this user id (by default our own), without asking the kernel. */
function judge(credentials: Credentials, settings: Partial<AccountSettings> = {}, userId: number | null = self): LocalTrustVerdict {
  const all = { ...defaultSettings, ...settings };
  return createLocalTrust(all, createOriginRules(all), system(() => userId)).check(credentials);
}

const trusted = { trusted: true };
const refusedFor = (reason: RegExp) => ({ trusted: false, reason: expect.stringMatching(reason) });

describe('a request of this machine', () => {
  it('is trusted when every condition holds', () => {
    expect(judge(localRequest())).toEqual(trusted);
    expect(judge(localRequest({ origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' }, { method: 'POST' }))).toEqual(trusted);
  });
});

describe('the settings', () => {
  it.each(['127.0.0.1', '127.3.2.1', '::1', 'localhost', '::ffff:127.0.0.1'])('may bind the server to %s', (host) => {
    expect(judge(localRequest(), { host })).toEqual(trusted);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'chat.example', '', 'localhost.example'])('may not bind it to "%s"', (host) => {
    expect(judge(localRequest(), { host })).toEqual(refusedFor(/not only to loopback/));
  });

  it.each([
    [{ localTrust: false }, /LOCAL_TRUST/],
    [{ redisUrl: 'redis://127.0.0.1' }, /REDIS_URL/],
    [{ publicUrl: 'https://chat.example' }, /PUBLIC_URL/],
    [{ trustProxy: true }, /TRUST_PROXY/],
  ])('switch it off: %o', (settings, reason) => {
    expect(judge(localRequest(), settings)).toEqual(refusedFor(reason));
  });
});

describe('the addresses of the connection', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '::FFFF:127.0.0.1'])('may come from %s', (remoteAddress) => {
    expect(judge(localRequest({}, { socket: { ...localRequest().socket, remoteAddress } }))).toEqual(trusted);
  });

  it.each(['192.0.2.7', '10.0.0.1', '::', '0.0.0.0', 'fe80::1', '::ffff:192.0.2.7', '::127.0.0.1', '1270.0.0.1', '', undefined])('may not come from %s', (remoteAddress) => {
    expect(judge(localRequest({}, { socket: { ...localRequest().socket, remoteAddress } }))).toEqual(refusedFor(/another machine/));
  });

  it('may not arrive on an address of the network, whatever HOST says', () => {
    expect(judge(localRequest({}, { socket: { ...localRequest().socket, localAddress: '192.0.2.1' } }))).toEqual(refusedFor(/did not arrive on a loopback/));
    expect(judge(localRequest({}, { socket: { remoteAddress: '127.0.0.1' } }))).toEqual(refusedFor(/did not arrive on a loopback/));
  });
});

describe('the process at the other end', () => {
  it('is of the same user', () => {
    expect(judge(localRequest(), {}, self)).toEqual(trusted);
  });

  it('is not of another user, nor unknown', () => {
    expect(judge(localRequest(), {}, self + 1)).toEqual(refusedFor(/another user/));
    expect(judge(localRequest(), {}, 0)).toEqual(refusedFor(/another user/));
    expect(judge(localRequest(), {}, null)).toEqual(refusedFor(/another user/));
  });

  it('is looked up once for each connection', async () => {
    let lookups = 0;
    const trust = createLocalTrust(defaultSettings, createOriginRules(defaultSettings), system(() => {
      lookups += 1;
      return self;
    }));
    const connection = localRequest();
    for (let count = 0; count < 5; count += 1) {
      expect(trust.check(connection)).toEqual(trusted);
      expect(await trust.verify(connection)).toEqual(trusted);
    }
    expect(lookups).toBe(1);
    await trust.verify(localRequest());
    expect(lookups).toBe(2);
  });

  it('is not looked up for a request that is refused anyway', async () => {
    const trust = createLocalTrust(defaultSettings, createOriginRules(defaultSettings), system(() => {
      throw new Error('looked up');
    }));
    expect(trust.check(localRequest({ host: 'evil.example' }))).toEqual(refusedFor(/Host/));
    expect(await trust.verify(localRequest({ host: 'evil.example' }))).toEqual(refusedFor(/Host/));
  });

  it('is not asked for where the system does not tell', async () => {
    expect(createLocalTrust(defaultSettings, createOriginRules(defaultSettings), null).check(localRequest())).toEqual(trusted);
    expect(await createLocalTrust(defaultSettings, createOriginRules(defaultSettings), null).verify(localRequest())).toEqual(trusted);
  });
});

describe('the Host header', () => {
  it.each([
    'localhost', 'localhost:8080', 'LOCALHOST:1', 'localhost.', '127.0.0.1', '127.0.0.1:8080', '127.1.2.3:80', '[::1]', '[::1]:8080',
    '[0:0:0:0:0:0:0:1]:8080', '[::ffff:127.0.0.1]:8080', 'parley.localhost:8080', 'a.b.localhost',
  ])('may be %s', (host) => {
    expect(judge(localRequest({ host }))).toEqual(trusted);
  });

  it.each([
    'evil.example', 'evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example', 'notlocalhost', '127.0.0.1.nip.io', '0.0.0.0:8080', '0:8080', '[::]:8080',
    '192.168.1.5:8080', '128.0.0.1', '[::2]', '[::ffff:8.8.8.8]', '[::ffff:7f]', 'localhost@evil.example', 'evil.example/localhost', 'localhost, evil.example', 'localhost:8080:9',
    'localhost localhost', '', ':8080', '[::1', `${'a'.repeat(300)}.localhost`,
  ])('may not be "%s" (DNS rebinding)', (host) => {
    expect(judge(localRequest({ host }))).toEqual(refusedFor(/Host header/));
  });

  it('may not be missing', () => {
    expect(judge(localRequest({ host: undefined }))).toEqual(refusedFor(/Host header/));
  });
});

describe('the Origin header', () => {
  it.each(['http://localhost:8080', 'http://localhost:5173', 'https://localhost', 'http://127.0.0.1:3000', 'http://[::1]:3000', 'http://app.localhost:3000', undefined])('may be %s', (origin) => {
    expect(judge(localRequest({ origin }, { method: 'POST' }))).toEqual(trusted);
  });

  it.each([
    'null', '', 'https://evil.example', 'http://localhost.evil.example', 'http://evil.example:8080', 'file://', 'chrome-extension://abcdef', 'http://localhost:8080/path',
    'http://evil.example@localhost:8080', 'http://localhost:8080, https://evil.example', 'localhost', `http://${'a'.repeat(400)}.localhost`,
  ])('may not be "%s"', (origin) => {
    expect(judge(localRequest({ origin }, { method: 'POST' }))).toEqual(refusedFor(/Origin/));
  });

  it('may be one of ALLOWED_ORIGINS', () => {
    const settings = { allowedOrigins: ['https://pages.example/'] };
    expect(judge(localRequest({ origin: 'https://pages.example' }), settings)).toEqual(trusted);
    expect(judge(localRequest({ origin: 'http://pages.example' }), settings)).toEqual(refusedFor(/Origin/));
    expect(judge(localRequest({ origin: 'null' }), settings)).toEqual(refusedFor(/Origin/));
  });

  it('is refused at start when ALLOWED_ORIGINS holds what is no origin', () => {
    for (const origin of ['*', 'null', 'pages.example', 'ftp://pages.example']) {
      expect(() => createOriginRules({ ...defaultSettings, allowedOrigins: [origin] })).toThrow(/ALLOWED_ORIGINS/);
    }
  });
});

describe('the Sec-Fetch-Site header', () => {
  it.each(['same-origin', 'same-site', undefined])('may be %s', (site) => {
    expect(judge(localRequest({ 'sec-fetch-site': site }, { method: 'POST' }))).toEqual(trusted);
  });

  it.each(['cross-site', '', 'SAME-ORIGIN', 'same-origin, cross-site'])('may not be "%s"', (site) => {
    expect(judge(localRequest({ 'sec-fetch-site': site }))).toEqual(refusedFor(/Sec-Fetch-Site/));
  });

  it('may be none, an address that somebody typed, for looking only', () => {
    expect(judge(localRequest({ 'sec-fetch-site': 'none' }))).toEqual(trusted);
    expect(judge(localRequest({ 'sec-fetch-site': 'none' }, { method: 'HEAD' }))).toEqual(trusted);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      expect(judge(localRequest({ 'sec-fetch-site': 'none' }, { method }))).toEqual(refusedFor(/Sec-Fetch-Site/));
    }
  });
});

describe('a forwarding header', () => {
  it.each([
    'forwarded', 'via', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-anything', 'x-real-ip', 'x-client-ip', 'x-cluster-client-ip',
    'true-client-ip', 'cf-connecting-ip', 'cf-ray', 'fly-client-ip', 'x-original-host', 'x-envoy-external-address', 'x-amzn-trace-id', 'tailscale-user-login',
  ])('refuses: %s', (name) => {
    expect(judge(localRequest({ [name]: '127.0.0.1' }))).toEqual(refusedFor(new RegExp(name)));
    expect(judge(localRequest({ [name]: '' }))).toEqual(refusedFor(new RegExp(name)));
  });
});
