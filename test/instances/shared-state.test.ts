import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../src/base/observability/index.ts';
import { startOwnRedis, type OwnRedis } from '../../src/base/redis/testing.ts';
import { readConfig } from '../../src/config.ts';
import type { Viewer } from '../../src/core/accounts/index.ts';
import { openSocket, sendRequest, type TestResponse, type TestSocket } from '../../src/dialects/testing.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { createDatabase, type FreshDatabase } from './database.ts';

/** One instance in this process, on a machine of its own as far as folders go. */
interface Instance {
  parts: Parts;
  url: string;
  port: number;
  request(method: string, path: string, options?: Parameters<typeof sendRequest>[3]): Promise<TestResponse>;
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe.skipIf(!process.env['DATABASE_URL_TEST'] || !process.env['REDIS_URL_TEST'])('what must hold over all instances', () => {
  let database: FreshDatabase;
  let redis: OwnRedis;
  let folder: string;
  let [one, two]: Instance[] = [];
  const running: Parts[] = [];
  let owner: { token: string; userId: string };

  async function start(name: string, settings: Record<string, string> = {}): Promise<Instance> {
    const config = readConfig({
      PORT: '0', DATA_DIR: join(folder, name), SECRETS_FILE: join(folder, 'secrets.json'), DATABASE_URL: database.url, REDIS_URL: redis.url, OLLAMA_URLS: 'off',
      DRAIN_SECONDS: '0', REGISTRATION: 'open', LIMIT_LOGINS_PER_MINUTE: '12', LIMIT_SOCKETS_PER_ADDRESS: '5', ...settings,
    });
    const parts = createParts(config, { log: silentLog(), webDir: join(folder, 'no-page') });
    await parts.start();
    running.push(parts);
    const { port } = parts.http.addresses()[0]!;
    const url = `http://127.0.0.1:${port}`;
    return { parts, url, port, request: (method, path, options) => sendRequest(url, method, path, options) };
  }

  async function register(instance: Instance, username: string, code?: string): Promise<{ token: string; userId: string; status: number }> {
    const body = { username, password: `${username}-secret-1`, email: `${username}@example.com`, name: username, ...(code === undefined ? {} : { code }) };
    const { status, json } = await instance.request('POST', '/api/auth/register', { body });
    if (status !== 201) return { token: '', userId: '', status };
    const session = await instance.request('GET', '/api/auth/session', bearer(json.access_token));
    return { token: json.access_token, userId: session.json.user.id, status };
  }

  const statusOf = async (instance: Instance, token: string): Promise<number> => (await instance.request('GET', '/api/v1/chat/chats', bearer(token))).status;
  /** The account without counting a sign-in: made by the operator. */
  async function person(username: string): Promise<{ userId: string; key: string; keyId: string }> {
    const user = await one!.parts.accounts.createUser({ username, password: `${username}-secret-1`, email: null, name: null, role: 'user' } as Parameters<Parts['accounts']['createUser']>[0]);
    const { id, key } = await one!.parts.accounts.createApiKey(user.id, 'program');
    return { userId: user.id, key, keyId: id };
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-shared-'));
    [database, redis] = [await createDatabase(), await startOwnRedis()];
    [one, two] = [await start('one'), await start('two')];
  }, 60_000);
  afterAll(async () => {
    for (const parts of running) await parts.stop();
    await database.close();
    await redis.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('the set-up code: that of one is taken by the other, once', async () => {
    const code = one!.parts.accounts.setupCode()!;
    expect(two!.parts.accounts.setupCode()).toBe(code);
    expect((await register(two!, 'eve', 'AAAA-AAAA-AAAA-AAAA')).status).toBe(403);
    owner = await register(two!, 'ada', code);
    expect((await two!.parts.accounts.owner()).id).toBe(owner.userId);
    // The code makes nobody an owner any more: here it is a registration like any other.
    const late = await register(one!, 'mallory', code);
    expect((await one!.parts.accounts.user(late.userId))?.role ?? 'user').toBe('user');
  });

  test('a sign-in, and its end', async () => {
    expect([await statusOf(one!, owner.token), await statusOf(two!, owner.token)]).toEqual([200, 200]);
    const again = (await two!.request('POST', '/api/auth/login', { body: { username: 'ada', password: 'ada-secret-1' } })).json.access_token as string;
    expect(await statusOf(one!, again)).toBe(200);
    await two!.request('POST', '/api/auth/logout', bearer(again));
    await vi.waitFor(async () => expect(await statusOf(one!, again)).toBe(401), { timeout: 2000 });
  });

  test('revoked keys, disabled users and roles: at once, though the other one knows them by heart', async () => {
    const bob = await person('bob');
    expect([await statusOf(one!, bob.key), await statusOf(two!, bob.key)]).toEqual([200, 200]);
    await one!.parts.accounts.revokeApiKey(bob.userId, bob.keyId);
    await vi.waitFor(async () => expect(await statusOf(two!, bob.key)).toBe(401), { timeout: 2000 });

    const carol = await person('carol');
    expect(await statusOf(two!, carol.key)).toBe(200);
    await one!.parts.accounts.setDisabled(carol.userId, true);
    await vi.waitFor(async () => expect(await statusOf(two!, carol.key)).toBe(401), { timeout: 2000 });
    await one!.parts.accounts.setDisabled(carol.userId, false);
    await vi.waitFor(async () => expect(await statusOf(two!, carol.key)).toBe(200), { timeout: 2000 });

    const viewerAt = async (instance: Instance): Promise<Viewer | null> =>
      instance.parts.accounts.authenticate({ headers: { authorization: `Bearer ${carol.key}`, host: 'x' }, method: 'GET', socket: { remoteAddress: '192.0.2.1' } as never }, { localTrust: false, cookie: false });
    expect((await viewerAt(two!))?.role).toBe('user');
    await one!.parts.accounts.setRole(carol.userId, 'admin');
    await vi.waitFor(async () => expect((await viewerAt(two!))?.role).toBe('admin'), { timeout: 2000 });
  });

  test('an open socket ends when its key is revoked at another instance', async () => {
    const dora = await person('dora');
    const chat = (await one!.request('POST', '/api/v1/chat/chats', { ...bearer(dora.key), body: { title: 'chat', ai_model: 'builtin/parley' } })).json.id as string;
    const socket = await openSocket({ port: two!.port }, `/api/v1/chat/chats/${chat}/ws?token=${dora.key}`);
    await socket.next('welcome');
    await one!.parts.accounts.revokeApiKey(dora.userId, dora.keyId);
    expect((await socket.closed).code).toBe(4401);
  });

  test('keys for model services', async () => {
    const frank = await person('frank');
    await one!.parts.accounts.setProviderKey(frank.userId, 'openai', 'sk-of-frank-123456');
    expect(await two!.parts.accounts.providerKey(frank.userId, 'openai')).toBe('sk-of-frank-123456');
    await two!.parts.accounts.setProviderKey(frank.userId, 'openai', 'sk-another-123456');
    expect(await one!.parts.accounts.providerKey(frank.userId, 'openai')).toBe('sk-another-123456');
    await one!.parts.accounts.removeProviderKey(frank.userId, 'openai');
    expect(await two!.parts.accounts.providerKey(frank.userId, 'openai')).toBeNull();
  });

  test('a rotation of the secrets', async () => {
    const grace = await person('grace');
    await one!.parts.accounts.setProviderKey(grace.userId, 'openai', 'sk-of-grace-123456');
    await one!.parts.accounts.rotateSecrets();
    const { id } = one!.parts.secrets.signingKeys().current;
    await vi.waitFor(() => expect(two!.parts.secrets.signingKeys().current.id).toBe(id), { timeout: 2000 });
    expect(await two!.parts.accounts.providerKey(grace.userId, 'openai')).toBe('sk-of-grace-123456');
    expect(await statusOf(two!, owner.token)).toBe(200);
  });

  test('the sockets of an address', async () => {
    const hans = await person('hans');
    const chat = (await one!.request('POST', '/api/v1/chat/chats', { ...bearer(hans.key), body: { title: 'chat', ai_model: 'builtin/parley' } })).json.id as string;
    const path = `/api/v1/chat/chats/${chat}/ws?token=${hans.key}`;
    const sockets: TestSocket[] = [];
    const open = async (instance: Instance): Promise<TestSocket> => {
      const socket = await openSocket({ port: instance.port }, path);
      await socket.next('welcome');
      return socket;
    };
    for (const instance of [one!, two!, one!, two!, one!]) sockets.push(await open(instance));
    await expect(open(two!)).rejects.toThrow(/closed with 4429/);
    sockets[0]!.close();
    await sockets[0]!.closed;
    // The first instance tells Redis of the free place a moment later.
    sockets.push(await vi.waitFor(() => open(two!), { timeout: 5000, interval: 50 }));
    for (const socket of sockets) socket.close();
    await Promise.all(sockets.map(({ closed }) => closed));
  });

  test('a download of a model, which is done by the machine that was asked and seen by all', async () => {
    const file = createServer((_request, response) => void response.writeHead(404).end());
    await new Promise<void>((resolve) => file.listen(0, '127.0.0.1', resolve));
    const source = `http://127.0.0.1:${(file.address() as AddressInfo).port}/small.gguf`;
    const pull = await one!.parts.modelStore.pull(source, { userId: owner.userId });
    expect((await two!.parts.modelStore.pulls()).map(({ id }) => id)).toContain(pull.id);
    const ended = await two!.parts.modelStore.wait(pull.id);
    expect(ended.state).toBe('failed');
    expect(existsSync(join(folder, 'one', 'machine-id'))).toBe(true);
    const job = await two!.parts.jobs.get(pull.id);
    expect(job!.kind).toMatch(/^model-pull@/);
    expect((await one!.parts.jobs.get((await two!.parts.modelStore.pull(source, { userId: null })).id))!.kind).not.toBe(job!.kind);
    file.close();
  });

  test('attempts to sign in', async () => {
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 14; attempt += 1) {
      const instance = attempt % 2 === 0 ? one! : two!;
      statuses.push((await instance.request('POST', '/api/auth/login', { body: { username: 'ada', password: 'wrong' } })).status);
    }
    // Three of the twelve were used above, by whoever registered and signed in.
    expect(statuses.filter((status) => status !== 429).length).toBeLessThan(12);
    expect(statuses.at(-1)).toBe(429);
    expect(statuses.at(-2)).toBe(429);
  });

  test('a third one with other secrets, or without Redis, does not start', async () => {
    await expect(start('three', { SECRETS_FILE: join(folder, 'three', 'secrets.json') })).rejects.toThrow(/not those of this database/);
    await expect(start('three', { REDIS_URL: '' })).rejects.toThrow(/Another Parley uses this PostgreSQL database/);
    expect(() => readConfig({ REDIS_URL: redis.url })).toThrow(/DATABASE_URL is not set/);
  }, 20_000);

  test('Redis away is degraded and no more: what was asked is answered, and it recovers by itself', async () => {
    expect((await one!.request('GET', '/health')).json).toMatchObject({ status: 'healthy', database: 'up', redis: 'up' });
    await redis.stop();
    await vi.waitFor(async () => expect((await one!.request('GET', '/health')).json).toMatchObject({ status: 'degraded', database: 'up', redis: 'down' }), { timeout: 5000 });
    const ivan = await person('ivan');
    expect([await statusOf(one!, ivan.key), await statusOf(two!, ivan.key)]).toEqual([200, 200]);
    // Nobody hears the hint; the rows say it all the same.
    await one!.parts.accounts.revokeApiKey(ivan.userId, ivan.keyId);
    await vi.waitFor(async () => expect(await statusOf(two!, ivan.key)).toBe(401), { timeout: 12_000, interval: 200 });
    await redis.start();
    await vi.waitFor(async () => expect((await two!.request('GET', '/health')).json).toMatchObject({ status: 'healthy', redis: 'up' }), { timeout: 8000, interval: 100 });
    const figures = await two!.parts.metrics.registry.metrics();
    expect(figures).toMatch(/parley_redis_connected 1/);
    expect(figures).toMatch(/parley_redis_reconnects_total 1/);
    expect(figures).toMatch(/parley_bus_received_total [1-9]/);
  }, 40_000);
});
