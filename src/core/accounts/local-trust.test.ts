import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, request as sendRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createLocalTrust, type LocalTrustVerdict, type UserIds } from './local-trust.ts';
import { createOriginRules } from './origins.ts';
import { peerUserId } from './peer-owner.ts';
import type { AccountSettings } from './settings.ts';
import { defaultSettings } from './testing.ts';
import type { Credentials, PeerSocket } from './types.ts';

const onLinux = process.platform === 'linux';
/** Our own user in the tests that do not ask the kernel. */
const self = 1000;
const nobody = 65_534;

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
  return createLocalTrust(all, createOriginRules(all), { ofPeer: () => userId, own: self }).check(credentials);
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

  it('is looked up once for each connection', () => {
    let lookups = 0;
    const ofPeer = () => {
      lookups += 1;
      return self;
    };
    const trust = createLocalTrust(defaultSettings, createOriginRules(defaultSettings), { ofPeer, own: self });
    const connection = localRequest();
    for (let count = 0; count < 5; count += 1) trust.check(connection);
    expect(lookups).toBe(1);
    trust.check(localRequest());
    expect(lookups).toBe(2);
  });

  it('is not asked for where the system does not tell', () => {
    expect(createLocalTrust(defaultSettings, createOriginRules(defaultSettings), null).check(localRequest())).toEqual(trusted);
  });
});

describe("the kernel's socket tables", () => {
  const socket = { remoteAddress: '127.0.0.1', remotePort: 0xca70, localAddress: '127.0.0.1', localPort: 0xa15f };
  const row = (userId: number, inode: number) =>
    `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n` +
    `   2: 0100007F:A15F 0100007F:CA70 01 00000000:00000000 00:00000000 00000000     0        0 17430 1 00000000a2280b9a 20 0 0 10 -1\n` +
    `   3: 0100007F:CA70 0100007F:A15F 01 00000000:00000000 00:00000000 00000000 ${userId}        0 ${inode} 2 0000000005bebd66 20 0 0 10 -1\n`;
  const table = (text: string) => (path: string) => (path === '/proc/net/tcp' ? text : '');

  it.runIf(onLinux)("name the user at the peer's end, not at ours", () => {
    expect(peerUserId(socket, table(row(1000, 17429)))).toBe(1000);
  });

  it.runIf(onLinux)('show closed sockets as those of root on older kernels; they are not believed', () => {
    expect(peerUserId(socket, table(row(0, 0)))).toBeNull();
  });

  it.runIf(onLinux)('may hold an IPv4 connection of the client under IPv6', () => {
    const line = ' 0: 0000000000000000FFFF00000100007F:CA70 0000000000000000FFFF00000100007F:A15F 01 0:0 0:0 0 1000 0 17429 2';
    expect(peerUserId(socket, (path) => (path === '/proc/net/tcp6' ? line : ''))).toBe(1000);
    const version6 = ' 0: 00000000000000000000000001000000:CA70 00000000000000000000000001000000:A15F 01 0:0 0:0 0 1000 0 17429 2';
    expect(peerUserId({ ...socket, remoteAddress: '::1', localAddress: '::1' }, (path) => (path === '/proc/net/tcp6' ? version6 : ''))).toBe(1000);
  });

  it('that cannot be read, are cut or lack the connection name nobody', () => {
    for (const text of ['', row(1000, 5).slice(0, 250), row(1000, 5).replace('CA70 0100007F:A15F', 'CA71 0100007F:A15F').replace('7F:CA70', '7F:CA71')]) {
      expect(peerUserId(socket, table(text))).toBeNull();
    }
    expect(peerUserId({}, table(row(1000, 5)))).toBeNull();
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

describe('with real connections', () => {
  const open: { close(): unknown }[] = [];
  afterEach(() => {
    for (const server of open.splice(0)) server.close();
  });

  /** A server that answers what it thinks of each request. */
  async function startJudge(host = '127.0.0.1', userIds?: UserIds): Promise<number> {
    const trust = createLocalTrust(defaultSettings, createOriginRules(defaultSettings), userIds);
    const server = createServer((request, response) => {
      response.end(JSON.stringify(trust.check({ headers: request.headers, method: request.method!, socket: request.socket })));
    });
    return listen(server, host);
  }

  async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return (server.address() as AddressInfo).port;
  }

  function ask(port: number, headers: Record<string, string> = {}, host = '127.0.0.1', method = 'GET'): Promise<LocalTrustVerdict> {
    return new Promise((resolve, reject) => {
      const request = sendRequest({ port, host, headers, method, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve(JSON.parse(text) as LocalTrustVerdict));
      });
      request.on('error', reject);
      request.end();
    });
  }

  /** Asks from a process of another user. */
  async function askAs(userId: number, port: number): Promise<LocalTrustVerdict> {
    const script = `fetch('http://127.0.0.1:${port}').then((answer) => answer.text()).then((text) => process.stdout.write(text));`;
    const child = spawn(process.execPath, ['-e', script], { uid: userId, gid: userId, cwd: '/', env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    for await (const chunk of child.stdout) text += String(chunk);
    return JSON.parse(text) as LocalTrustVerdict;
  }

  it('trusts a program of the same user over IPv4', async () => {
    expect(await ask(await startJudge())).toEqual(trusted);
  });

  it('trusts it over IPv6', async () => {
    expect(await ask(await startJudge('::1'), {}, '::1')).toEqual(trusted);
  });

  it('trusts it over IPv4 on a socket that takes both (IPv4-mapped address)', async () => {
    const port = await startJudge('::');
    expect(await ask(port, {}, '127.0.0.1')).toEqual(trusted);
    expect(await ask(port, {}, '::ffff:127.0.0.1')).toEqual(trusted);
  });

  it('refuses a page that bent its name to 127.0.0.1 (DNS rebinding)', async () => {
    const port = await startJudge();
    expect(await ask(port, { host: `evil.example:${port}` })).toEqual(refusedFor(/Host/));
  });

  it.skipIf(!onLinux)('refuses a process whose user is not the one that the server runs as', async () => {
    const port = await startJudge('127.0.0.1', { ofPeer: peerUserId, own: process.geteuid!() + 1 });
    expect(await ask(port)).toEqual(refusedFor(/another user/));
  });

  // Only root can become somebody else; for everybody else the test before this one has to do.
  if (onLinux && process.geteuid!() === 0) {
    it('refuses a process of another user of this machine', async () => {
      const port = await startJudge();
      expect(await askAs(nobody, port)).toEqual(refusedFor(/another user/));
      expect(await askAs(0, port)).toEqual(trusted);
    });
  }

  it.skipIf(!onLinux)('refuses a socket that its process has closed already, because nobody holds it any more', async () => {
    const server = createTcpServer({ allowHalfOpen: true });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const script = `const socket = require('node:net').connect(${port}, '127.0.0.1', () => socket.end('GET / HTTP/1.1\\r\\n\\r\\n', () => process.exit()));`;
    const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    const gone = new Promise((resolve) => child.on('exit', resolve));
    const socket = await new Promise<Socket>((resolve) => server.on('connection', resolve));
    await gone;

    const port16 = socket.remotePort!.toString(16).toUpperCase().padStart(4, '0');
    const row = readFileSync('/proc/net/tcp', 'latin1').split('\n').find((line) => line.includes(`: 0100007F:${port16} `));
    expect(row!.trim().split(/\s+/)[9]).toBe('0');
    expect(peerUserId(socket)).toBeNull();
    socket.destroy();
  });

  it.skipIf(!onLinux)('knows the owner of both ends of a connection of its own', async () => {
    const server = createTcpServer();
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [socket] = await Promise.all([
      new Promise<Socket>((resolve) => server.on('connection', resolve)), new Promise((resolve) => client.on('connect', resolve)),
    ]);
    expect(peerUserId(socket)).toBe(process.geteuid!());
    expect(peerUserId(client)).toBe(process.geteuid!());
    expect(peerUserId({ ...ends(client), remotePort: 1 })).toBeNull();
    client.destroy();
    socket.destroy();
  });

  describe('behind a reverse proxy that adds no header', () => {
    /** Passes everything on; `host` replaces the Host header, as some proxies do by default. */
    async function startProxy(target: number, host: string | null): Promise<number> {
      return listen(createServer((request, response) => {
        const headers = { ...request.headers, ...(host === null ? {} : { host }) };
        const onward = sendRequest({ port: target, host: '127.0.0.1', headers, method: request.method, path: request.url, agent: false }, (answer) => {
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        });
        request.pipe(onward);
      }));
    }

    it('refuses what came for another name', async () => {
      const proxy = await startProxy(await startJudge(), null);
      expect(await ask(proxy, { host: 'chat.example' })).toEqual(refusedFor(/Host/));
    });

    it('refuses what a page of another name changes, also when the proxy rewrites Host', async () => {
      const proxy = await startProxy(await startJudge(), 'localhost');
      expect(await ask(proxy, { host: 'chat.example', origin: 'https://chat.example', 'sec-fetch-site': 'same-origin' }, '127.0.0.1', 'POST')).toEqual(refusedFor(/Origin/));
    });

    it('cannot tell a proxy of the same user that rewrites Host, when the client sends no Origin: hence LOCAL_TRUST=off behind any proxy', async () => {
      const target = await startJudge();
      const proxy = await startProxy(target, `127.0.0.1:${target}`);
      expect(await ask(proxy, { host: 'chat.example' })).toEqual(trusted);
    });
  });

  function ends({ remoteAddress, remotePort, localAddress, localPort }: Socket): PeerSocket {
    return { remoteAddress, remotePort, localAddress, localPort };
  }
});
