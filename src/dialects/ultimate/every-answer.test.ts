import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';
import { ultimateDialect } from './errors.ts';

/** A proxy header: local trust does not hold for who sends it. */
const remote = { 'x-forwarded-for': '192.0.2.1' };
const ownPage = 'http://localhost:5173';
const versioned = /^\/api\/(v1|v3|v4)\//;

/** What is left out is checked by name: what names the parts that work, and the page's own policy, which is tighter. */
const headers = {
  'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'x-xss-protection': '1; mode=block', 'strict-transport-security': 'max-age=31536000; includeSubDomains', 'x-agent-version': '4.1.0',
};

interface Route {
  method: string;
  path: string;
}

/** One answer, as far as its headers and the form of its error go. */
interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/** Every registered route of this dialect, read off the tree that the framework prints: each line says what it adds to the one above it. */
function routesOf(server: TestServer): Route[] {
  const { prefixes } = ultimateDialect({ features: () => [] });
  const above: string[] = [];
  return server.http.app.printRoutes({ commonPrefix: false }).split('\n').flatMap((line) => {
    const [, indent, part, methods] = /^([ │]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
    if (indent === undefined || part === undefined) return [];
    const depth = indent.length / 4;
    const path = (above[depth - 1] ?? '') + part;
    above.splice(depth, Infinity, path);
    if (!prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))) return [];
    return (methods ?? '').split(', ').filter(Boolean).map((method) => ({ method, path }));
  });
}

const addressOf = (path: string): string => path.replaceAll(/:\w+/g, 'some-id');
const isOauth = (path: string): boolean => /\/auth\/oauth\/(authorize|token|revoke)$/.test(path);

/** Asks and lets go as soon as the beginning is there: some answers are streams. */
async function send(server: TestServer, { method, path }: Route, more: Record<string, string> = {}, body?: string): Promise<Answer> {
  const response = await fetch(server.url + addressOf(path), { method, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...more }, ...(body === undefined ? {} : { body }), redirect: 'manual', signal: AbortSignal.timeout(10_000) });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  const text = isStream ? '' : await response.text();
  if (isStream) await response.body?.cancel();
  return { status: response.status, headers: response.headers, text };
}

function expectHeaders(what: string, answer: Answer): void {
  const found = Object.fromEntries(Object.keys(headers).map((name) => [name, answer.headers.get(name)]));
  expect([what, found]).toEqual([what, headers]);
  expect([what, answer.headers.get('x-features-enabled')]).toEqual([what, 'chat']);
  const isPage = what.split(' ')[1] === '/device' && (answer.headers.get('content-type') ?? '').includes('text/html');
  expect([what, answer.headers.get('content-security-policy')]).toEqual([what, isPage ? expect.stringMatching(/^default-src 'none'/) : "default-src 'self'"]);
}

/** Errors have one form, but for what OAuth's own clients talk to. @param names the codes that fit */
function expectError({ method, path }: Route, answer: Answer, ...names: string[]): void {
  const what = `${method} ${path} ${answer.status}`;
  expectHeaders(what, answer);
  expect([what, names]).toEqual([what, expect.arrayContaining([answer.headers.get('x-error-code')])]);
  if (method === 'HEAD' || path === '/device') return;
  const json: Json = JSON.parse(answer.text);
  const form = isOauth(path) && !['method_not_allowed', 'origin_refused'].includes(answer.headers.get('x-error-code')!) ? { error: expect.any(String), error_description: expect.any(String) } : { success: false, error: { code: answer.headers.get('x-error-code'), message: expect.any(String), details: expect.any(Object) } };
  expect([what, json]).toEqual([what, form]);
}

describe('Every answer of every route', () => {
  let server: TestServer;
  let limited: TestServer;
  let owner: TestUser;
  let routes: Route[];
  const most = 2000;

  beforeAll(async () => {
    [server, limited] = await Promise.all([startTestServer({ settings: { MAX_CONTENT_LENGTH: String(most) } }), startTestServer({ settings: { LIMIT_REQUESTS_PER_MINUTE: '1', LIMIT_OAUTH_PER_MINUTE: '1' } })]);
    owner = await server.user('owner');
    routes = routesOf(server);
  });
  afterAll(async () => {
    await server.stop();
    await limited.stop();
  });

  it('is found', () => {
    expect(routes.length).toBeGreaterThan(80);
    for (const path of ['/api/ai/chat', '/api/v4/capabilities', '/api/v1/capabilities', '/api/v4/auth/oauth/token', '/api/v5/preview/edge/deployment', '/api/auth/token', '/device']) expect(routes.map((route) => route.path)).toContain(path);
  });

  it('is served under v3 and v1 as under v4', async () => {
    const named = (version: string): string[] => routes.filter(({ path }) => path.startsWith(`/api/${version}/`)).map(({ method, path }) => `${method} ${path.replace(versioned, '')}`).toSorted();
    expect(named('v4').length).toBeGreaterThan(20);
    for (const version of ['v3', 'v1']) expect(named(version)).toEqual(named('v4'));
    // The same route, not another of the same name: alike for a stranger, and alike for who looks around.
    for (const route of routes.filter(({ path }) => path.startsWith('/api/v4/'))) {
      for (const version of ['v3', 'v1']) {
        const older = { ...route, path: route.path.replace('/v4/', `/${version}/`) };
        const [now, before] = [await send(server, route, remote), await send(server, older, remote)];
        expect([older, before.status, before.headers.get('x-error-code')]).toEqual([older, now.status, now.headers.get('x-error-code')]);
      }
    }
  });

  it('has the headers and the form, for strangers and for pages that may or may not read it', async () => {
    await Promise.all(routes.map(async (route) => {
      const { method, path } = route;
      const stranger = await send(server, route, { ...remote, origin: ownPage });
      // OAuth's addresses take anybody, and want to know more; the page asks to sign in.
      if (isOauth(path)) expectError(route, stranger, 'validation_failed', 'invalid_request');
      else if (path === '/device' && method !== 'POST') expectHeaders(`${method} ${path}`, stranger);
      else expectError(route, stranger, 'unauthorized', 'not_implemented');
      expect([method, path, stranger.headers.get('access-control-allow-origin'), stranger.headers.get('vary')]).toEqual([method, path, ownPage, 'Origin']);
      const foreign = await send(server, route, { ...remote, origin: 'https://elsewhere.example' });
      expect([method, path, foreign.headers.get('access-control-allow-origin')]).toEqual([method, path, null]);
    }));
  });

  it('has them for what is no JSON, too large, of another type, and for methods that there are not', async () => {
    await Promise.all([...new Set(routes.map((route) => route.path))].map(async (path) => {
      const absent = { method: 'PUT', path };
      if (!routes.some((route) => route.path === path && route.method === 'PUT')) expectError(absent, await send(server, absent, remote), 'method_not_allowed');
      const options = await send(server, { method: 'OPTIONS', path }, remote);
      expectError({ method: 'OPTIONS', path }, options, 'method_not_allowed');
      const preflight = { 'access-control-request-method': 'GET' };
      const allowed = await send(server, { method: 'OPTIONS', path }, { ...preflight, origin: ownPage });
      expect([path, allowed.status]).toEqual([path, 204]);
      expectHeaders(`OPTIONS ${path}`, allowed);
      expectError({ method: 'OPTIONS', path }, await send(server, { method: 'OPTIONS', path }, { ...preflight, origin: 'https://elsewhere.example' }), 'origin_refused');
    }));
    await Promise.all(routes.filter(({ method }) => method === 'POST').map(async (route) => {
      expectError(route, await send(server, route, owner.headers, '{'), 'invalid_json', 'invalid_request', 'not_implemented');
      expectError(route, await send(server, route, owner.headers, JSON.stringify('x'.repeat(most))), 'too_large', 'not_implemented');
      expectError(route, await send(server, route, { ...owner.headers, 'content-type': 'application/x-of-another-type' }, 'x'), 'unsupported_media_type', 'not_implemented');
    }));
  });

  it('has them for what is looked at, and HEAD has them as well', async () => {
    const ben = await server.user('ben');
    for (const route of routes.filter(({ method }) => method === 'GET')) {
      const [shown, head] = [await send(server, route, ben.headers), await send(server, { ...route, method: 'HEAD' }, ben.headers)];
      if (shown.status === 200) expectHeaders(`GET ${route.path}`, shown);
      else expectError(route, shown, 'not_found', 'forbidden', 'not_implemented', 'validation_failed');
      const hasHead = routes.some(({ method, path }) => method === 'HEAD' && path === route.path);
      expect([route.path, head.status, head.text]).toEqual([route.path, hasHead ? shown.status : 405, '']);
      expectHeaders(`HEAD ${route.path}`, head);
    }
  });

  it('has them for what is not there, and for addresses that are none', async () => {
    for (const path of ['/api/ai/nothing', '/api/v4/nothing', '/api/v3/nothing', '/api/v1/ai/nothing', '/api/v5/nothing', `/api/ai/conversations/${'x'.repeat(600)}`, '/api/v4/%']) {
      expectError({ method: 'GET', path }, await send(server, { method: 'GET', path }), 'not_found', 'invalid_request');
    }
  });

  it('has them for too many requests, and says when to come back', async () => {
    const ann = await limited.user('ann');
    await send(limited, { method: 'GET', path: '/api/v4/capabilities' }, ann.headers);
    const oauth = (path: string) => send(limited, { method: 'POST', path }, remote, JSON.stringify({ client_id: 'nobody', scope: path.endsWith('authorize') ? ['chat'] : 'chat', token: 'x', grant_type: 'refresh_token', refresh_token: 'x' }));
    for (const route of routes.filter(({ path }) => path !== '/device')) {
      const body = route.method === 'POST' ? '{}' : undefined;
      // One request may pass at OAuth's addresses as well.
      if (isOauth(route.path)) await oauth(route.path);
      const answer = isOauth(route.path) ? await oauth(route.path) : await send(limited, route, ann.headers, body);
      expectError(route, answer, 'rate_limited', 'not_implemented');
      if (answer.status === 429) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  });

  it('has them for faults of the server, which tell nothing of what is inside', async () => {
    const { resolve } = server.models;
    server.models.resolve = async () => {
      throw new Error('a secret of the inside');
    };
    const route = { method: 'POST', path: '/api/ai/chat' };
    const answer = await send(server, route, owner.headers, JSON.stringify({ input: 'Hello' }));
    server.models.resolve = resolve;
    expect(answer.status).toBe(500);
    expectError(route, answer, 'internal');
    expect(answer.text).not.toContain('secret');
  });
});
