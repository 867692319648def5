import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSocket, openSocketIo, sendRequest, type Json, type TestResponse } from '../../src/dialects/testing.ts';
import { createDatabase, type FreshDatabase } from './database.ts';
import { openInstances, register, type Instance, type Instances, type Person } from './instances.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const client = 'mobile_app_123';

describe.skipIf(!runs)('Programs with access to several servers', () => {
  let database: FreshDatabase;
  let instances: Instances;
  let here: Instance;
  let there: Instance;
  let ann: Person;

  beforeAll(async () => {
    database = await createDatabase();
    instances = await openInstances({ databaseUrl: database.url, redisUrl: process.env['REDIS_URL_TEST']!, count: 2 });
    [here, there] = instances.all as [Instance, Instance];
    const owner = await register(here, 'owner');
    ann = await register(there, 'ann');
    const added = await ask(there, 'POST', '/api/v4/auth/oauth/clients', { client_id: client, name: 'Mobile', scope: ['chat', 'monitoring'] }, owner.token);
    expect(added.status).toBe(201);
  });
  afterAll(async () => {
    await instances?.close();
    await database?.close();
  });

  const ask = (at: Instance, method: string, path: string, body?: unknown, token?: string): Promise<TestResponse> =>
    sendRequest(at.address, method, path, { ...(body === undefined ? {} : { body }), ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }) });
  const oauth = (at: Instance, fields: Record<string, string>): Promise<TestResponse> => ask(at, 'POST', '/api/v4/auth/oauth/token', { client_id: client, ...fields });
  const begin = async (at: Instance): Promise<Json> => (await ask(at, 'POST', '/api/v4/auth/oauth/authorize', { client_id: client, scope: ['chat', 'monitoring'] })).json;
  const sees = async (at: Instance, token: string): Promise<number> => (await ask(at, 'GET', '/api/v4/capabilities', undefined, token)).status;

  /** A person decides on the page of an instance. */
  async function approve(at: Instance, userCode: string): Promise<string> {
    const login = await ask(at, 'POST', '/api/auth/login', { username: 'ann', password: 'password of ann' });
    const cookie = login.headers.getSetCookie().map((header) => header.split(';')[0]).join('; ');
    const page = await sendRequest(at.address, 'GET', `/device?user_code=${userCode}`, { headers: { cookie } });
    const [, approval] = /name="approval_token" value="([^"]+)"/.exec(page.text)!;
    const raw = new URLSearchParams({ user_code: userCode, approval_token: approval!, decision: 'approve' }).toString();
    return (await sendRequest(at.address, 'POST', '/device', { raw, headers: { cookie, 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded' } })).text;
  }

  /** Asked for on one instance, given on the other, fetched on the first. */
  async function granted(): Promise<{ access_token: string; refresh_token: string }> {
    const asked = await begin(here);
    expect(await approve(there, asked.user_code)).toContain('Access given');
    const { status, json } = await oauth(here, { grant_type: deviceGrant, device_code: asked.device_code });
    expect([status, json.scope]).toEqual([200, 'chat monitoring']);
    expect((await oauth(there, { grant_type: deviceGrant, device_code: asked.device_code })).json.error).toBe('invalid_grant');
    return json;
  }

  /** A socket of either framing on each instance; what resolves when all of them are gone. */
  async function open(token: string): Promise<{ gone: Promise<unknown> }> {
    const port = (at: Instance): { port: number } => ({ port: Number(new URL(at.address).port) });
    const [one, two] = [await openSocketIo(port(here), { auth: { token } }), await openSocket(port(there), '/socket.io/', { authorization: `Bearer ${token}` })];
    await Promise.all([one.greeting, two.next('connected')]);
    return { gone: Promise.all([one.gone, two.closed]) };
  }

  test('one waits for all of them, and is told to slow down by all of them', async () => {
    const asked = await begin(here);
    const poll = async (at: Instance): Promise<string> => (await oauth(at, { grant_type: deviceGrant, device_code: asked.device_code })).json.error;
    expect([await poll(here), await poll(there)]).toEqual(['authorization_pending', 'slow_down']);
  });

  test('access that was asked for on one and given on the other is good on both, once', async () => {
    const tokens = await granted();
    expect([await sees(here, tokens.access_token), await sees(there, tokens.access_token)]).toEqual([200, 200]);
  });

  test('a refresh token that comes a second time, elsewhere, ends everything of its grant, open sockets too', async () => {
    const tokens = await granted();
    const refreshed = (await oauth(there, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })).json;
    expect(await sees(here, refreshed.access_token)).toBe(200);
    const sockets = await open(refreshed.access_token);
    expect((await oauth(here, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })).json.error).toBe('invalid_grant');
    await sockets.gone;
    for (const at of [here, there]) for (const token of [tokens.access_token, refreshed.access_token]) await expect.poll(() => sees(at, token)).toBe(401);
    expect((await oauth(there, { grant_type: 'refresh_token', refresh_token: refreshed.refresh_token })).json.error).toBe('invalid_grant');
  });

  test('what a person takes back on one, or the program gives back, is refused on the other, and its sockets are closed', async () => {
    for (const end of [
      async () => {
        const { grants } = (await ask(there, 'GET', '/api/v4/auth/oauth/grants', undefined, ann.token)).json;
        for (const { id } of grants) expect((await ask(there, 'DELETE', `/api/v4/auth/oauth/grants/${id}`, undefined, ann.token)).status).toBe(200);
      },
      async (tokens: { refresh_token: string }) => void expect((await ask(there, 'POST', '/api/v4/auth/oauth/revoke', { client_id: client, token: tokens.refresh_token })).status).toBe(200),
    ]) {
      const tokens = await granted();
      const sockets = await open(tokens.access_token);
      await end(tokens);
      await sockets.gone;
      for (const at of [here, there]) await expect.poll(() => sees(at, tokens.access_token)).toBe(401);
    }
  });

  test('a token ends with the sign-in that it was made with, on all of them', async () => {
    const login = (await ask(here, 'POST', '/api/auth/login', { username: 'ann', password: 'password of ann' })).json.access_token;
    const { token } = (await ask(here, 'POST', '/api/auth/token', { agent_id: 'agent-123', permissions: ['read', 'chat'] }, login)).json;
    expect([await sees(here, token), await sees(there, token)]).toEqual([200, 200]);
    const sockets = await open(token);
    expect((await ask(there, 'POST', '/api/auth/logout', undefined, login)).status).toBe(200);
    await sockets.gone;
    for (const at of [here, there]) await expect.poll(() => sees(at, token)).toBe(401);
  });
});
