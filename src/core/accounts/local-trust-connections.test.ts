import { spawn } from 'node:child_process';
import { createServer, request as sendRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createLocalTrust, type LocalTrustVerdict, type UserIds } from './local-trust.ts';
import { createOriginRules } from './origins.ts';
import { createPeerLookup } from './peer-owner.ts';
import { defaultSettings } from './testing.ts';

const onLinux = process.platform === 'linux';
const nobody = 65_534;
const kernel = createPeerLookup();

const trusted = { trusted: true };
const refusedFor = (reason: RegExp) => ({ trusted: false, reason: expect.stringMatching(reason) });

describe('local trust over real connections', () => {
  const open: { close(): unknown }[] = [];
  afterEach(() => {
    for (const server of open.splice(0)) server.close();
  });

  /** A server that answers what it thinks of each request. */
  async function startJudge(host = '127.0.0.1', userIds?: UserIds): Promise<number> {
    const trust = createLocalTrust(defaultSettings, createOriginRules(defaultSettings), userIds);
    const server = createServer(async (request, response) => {
      response.end(JSON.stringify(await trust.verify({ headers: request.headers, method: request.method!, socket: request.socket })));
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
    const port = await startJudge('127.0.0.1', { ...kernel, own: process.geteuid!() + 1 });
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
});
