import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createLog } from '../../base/observability/index.ts';
import { startTestServer, type TestServer, type TestUser } from '../testing.ts';

const lines: string[] = [];
const log = createLog('debug', { write: (line: string) => lines.push(line) > 0 } as unknown as NodeJS.WritableStream);

let server: TestServer;
let ann: TestUser;
beforeAll(async () => {
  server = await startTestServer({ log });
  ann = await server.user('ann');
});
afterAll(() => server.stop());

/** Sends bytes as they are and gives back everything the server says until it closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(text));
    let answer = '';
    socket.on('data', (data) => (answer += data.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('Errors of the server', () => {
  it('take the form of the dialect that the path belongs to', async () => {
    for (const [path, body] of [
      ['/v1/nowhere', { error: { message: expect.stringContaining('GET /v1/nowhere'), type: 'invalid_request_error', param: null, code: 'unknown_url' } }],
      ['/api/v1/chat/nowhere', { detail: 'Not found' }],
      ['/api/nowhere', { detail: 'Not found' }],
      ['/nowhere', { detail: 'Not found' }],
    ] as const) {
      const answer = await server.request('GET', path);
      expect([path, answer.status, answer.json]).toEqual([path, 404, body]);
      expect(answer.headers.get('x-error-code')).toBe('not_found');
    }
  });

  it('say 405 with the methods there are', async () => {
    const answer = await server.request('PUT', '/api/v1/chat/chats', { body: {} });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, GET, HEAD']);
  });

  it.each([
    ['broken JSON', '{"title": ', 'application/json', 400],
    ['no JSON object', '"text"', 'application/json', 422],
    ['nothing', '', 'application/json', 422],
    ['JSON nested too deeply', '['.repeat(100_000), 'application/json', 400],
    ['brackets in a string only', JSON.stringify({ title: '['.repeat(150) }), 'application/json', 200],
    ['a repeated key', '{"title":"one","title":"two"}', 'application/json', 200],
    ['keys that would change prototypes', '{"title":"x","__proto__":{"admin":true},"constructor":{"prototype":{}}}', 'application/json', 200],
    ['a form', 'title=x', 'application/x-www-form-urlencoded', 415],
    ['plain text', 'title', 'text/plain', 415],
    ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0x22, 0x74, 0x69, 0x74, 0x6c, 0x65, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d), 'application/json', 200],
    ['more than a megabyte', `{"title":"${'x'.repeat(1_100_000)}"}`, 'application/json', 413],
  ])('a body with %s', async (_name, body, type, status) => {
    const answer = await server.request('POST', '/api/v1/chat/chats', { as: ann, raw: body, headers: { 'content-type': type } });
    expect([answer.status, answer.text.length < 500]).toEqual([status, true]);
    if ([400, 413, 415].includes(status)) expect(answer.json).toEqual({ detail: expect.any(String) });
  });

  it('do not tell what a valid body looks like to who is not known', async () => {
    const answer = await server.request('POST', '/api/v1/chat/chats', { raw: '{', headers: { 'content-type': 'application/json' } });
    expect([answer.status, answer.json]).toEqual([401, { detail: 'Invalid or expired access token' }]);
  });

  it('hide what went wrong inside, and log it with the id of the request', async () => {
    const { list } = server.models;
    server.models.list = () => Promise.reject(new Error('secret detail'));
    try {
      const answer = await server.request('GET', '/v1/models', { headers: { 'x-request-id': 'trace-1' } });
      expect([answer.status, answer.headers.get('x-request-id')]).toEqual([500, 'trace-1']);
      expect(answer.text).not.toContain('secret');
      expect(lines.some((line) => line.includes('trace-1') && line.includes('secret detail'))).toBe(true);
    } finally {
      server.models.list = list;
    }
  });

  it.each([
    ['an absolute target', 'GET http://elsewhere.example/v1/models HTTP/1.1\r\nHost: localhost\r\n', 'The request target must begin with \\"/\\".'],
    ['no path', 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n', 'The request target must begin with \\"/\\".'],
    ['two hosts', 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\nhost: elsewhere.example\r\n', 'The request has more than one Host header.'],
  ])('refuse %s, before local trust can believe it', async (_name, head, sentence) => {
    const answer = await raw(server.port, `${head}Connection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain(sentence);
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    if (head.startsWith('GET')) expect(await raw(server.port, `${head.replace('/v1/models', '/api/v1/chat/chats/x/ws')}${upgrade}\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  });

  it('answer what is no HTTP at all', async () => {
    expect(await raw(server.port, 'hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400 Bad Request/);
    expect(await raw(server.port, `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
    expect(await raw(server.port, 'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe('Every answer', () => {
  it('carries an id and headers that make it inert', async () => {
    const { headers } = await server.request('GET', '/health');
    expect(headers.get('x-request-id')).toMatch(/^[\w-]{8}-\d+$/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    const injected = await server.request('GET', '/health', { headers: { 'x-request-id': 'a b<script>' } });
    expect(injected.headers.get('x-request-id')).toMatch(/^[\w-]{8}-\d+$/);
  });

  it('is logged without the query, where tokens may stand', async () => {
    await server.request('GET', '/health?token=very-secret');
    expect(lines.some((line) => line.includes('"path":"/health"'))).toBe(true);
    expect(lines.join('')).not.toContain('very-secret');
  });

  it('may be read by pages of this machine, and by no foreign one', async () => {
    const own = await server.request('GET', '/health', { headers: { origin: 'http://localhost:3000' } });
    expect(own.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
    const foreign = await server.request('GET', '/health', { headers: { origin: 'https://elsewhere.example' } });
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
    const preflight = (origin: string) => server.request('OPTIONS', '/v1/chat/completions', { headers: { origin, 'access-control-request-method': 'POST' } });
    expect((await preflight('http://localhost:3000')).status).toBe(204);
    expect((await preflight('https://elsewhere.example')).status).toBe(403);
  });
});

describe('Addresses of the server itself', () => {
  it('/health says how it is, as documented', async () => {
    const { status, json } = await server.request('GET', '/health');
    expect([status, json]).toEqual([200, { status: 'healthy', timestamp: expect.stringMatching(/Z$/), version: '0.0.0-test', uptime_seconds: expect.any(Number), database: 'up', redis: 'off' }]);
  });

  it('/metrics is for administrators and for this machine', async () => {
    const local = await server.request('GET', '/metrics');
    expect(local.status).toBe(200);
    expect(local.text).toMatch(/parley_http_requests_total\{dialect="server",route="\/health",status="200"\} \d+/);
    const user = await server.user('bob');
    expect((await server.request('GET', '/metrics', { as: user })).status).toBe(403);
    expect((await server.request('GET', '/metrics', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status).toBe(401);
  });

  it('/docs describes the routes there are, without asking another host', async () => {
    const page = await server.request('GET', '/docs');
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(page.text).not.toMatch(/https?:\/\//);
    for (const path of ['/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js', '/docs/start.js']) expect((await server.request('GET', path)).status).toBe(200);
    const { json } = await server.request('GET', '/docs/json');
    expect(json.openapi).toBe('3.1.0');
    expect(Object.keys(json.paths)).toEqual(expect.arrayContaining(['/v1/chat/completions', '/api/v1/chat/chats/{chat_id}', '/api/auth/register', '/api/chat/send', '/api/chat/stream', '/stats', '/health']));
    expect(Object.keys(json.paths)).not.toContain('/api/memory/save');
    expect(json.paths['/api/v1/chat/chats'].post.requestBody.content['application/json'].schema).toMatchObject({
      required: ['title'], properties: { title: { type: 'string', minLength: 1, maxLength: 200 }, temperature: { anyOf: [{ type: 'number', minimum: 0, maximum: 1 }, { type: 'null' }] } },
    });
  });

  it('says that the page is not built, where it is not', async () => {
    const page = await server.request('GET', '/', { headers: { accept: 'text/html' } });
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('has not been built yet')]);
  });

  it('takes upgrades only where a socket is served', async () => {
    const status = (path: string) => new Promise((resolve) => new WebSocket(`ws://127.0.0.1:${server.port}${path}`).on('error', (error) => resolve(error.message)));
    expect(await status('/nowhere')).toContain('404');
    expect(await status('/api/voice/stream/ann')).toContain('501');
  });

  it('answers a request that offers HTTP/2 as an ordinary one', async () => {
    const answer = await raw(server.port, 'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 200 OK/);
  });
});

describe('The built page', () => {
  it('is served with its own policy, hashed files for ever, and answers its inner addresses', async () => {
    const webDir = await mkdtemp(join(tmpdir(), 'parley-web-'));
    await mkdir(join(webDir, 'assets'));
    await writeFile(join(webDir, 'index.html'), '<!doctype html><title>Parley</title>');
    await writeFile(join(webDir, 'assets', 'app-1a2b.js'), 'export {};');
    const small = await startTestServer({ webDir });
    try {
      const accept = { accept: 'text/html' };
      for (const path of ['/', '/chats/1', '/settings']) {
        const page = await small.request('GET', path, { headers: accept });
        expect([path, page.status, page.text]).toEqual([path, 200, '<!doctype html><title>Parley</title>']);
        expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
        expect(page.headers.get('cache-control')).toBe('no-cache');
      }
      const asset = await small.request('GET', '/assets/app-1a2b.js');
      expect([asset.status, asset.headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
      for (const path of ['/assets/gone.js', '/api/gone', '/v1/gone']) expect((await small.request('GET', path, { headers: accept })).status).toBe(404);
      expect((await small.request('GET', '/chats/1')).status).toBe(404);
      expect((await raw(small.port, 'GET /assets/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'))).toMatch(/^HTTP\/1.1 404/);
    } finally {
      await small.stop();
      await rm(webDir, { recursive: true });
    }
  });
});

describe('Ports', () => {
  it('serves the same on all of them', async () => {
    const small = await startTestServer({ settings: { ALSO_LISTEN: '0,0' } });
    try {
      const addresses = small.http.addresses();
      expect(addresses).toHaveLength(3);
      for (const { port } of addresses) expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    } finally {
      await small.stop();
    }
  });

  it('says which port is taken and how to choose another', async () => {
    await expect(startTestServer({ settings: { PORT: String(server.port) } })).rejects.toThrow(`Port ${server.port} on 127.0.0.1 is taken by another program. Stop that one, or choose another port: PORT=`);
  });

  it('refuses what is new while the server stops', async () => {
    const small = await startTestServer();
    await small.http.listener.stop!();
    await expect(fetch(`${small.url}/health`)).rejects.toThrow();
    await small.stop();
  });
});
