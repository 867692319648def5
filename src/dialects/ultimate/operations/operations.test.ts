import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../../../base/observability/index.ts';
import { openStorage } from '../../../base/storage/index.ts';
import { operations as routes } from '../../../../test/bad-input/operations-table.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../../testing.ts';

let server: TestServer;
let owner: TestUser;
let ben: TestUser;
let lines: Json[] = [];
let written = '';

beforeAll(async () => {
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      written += chunk.toString();
      lines.push(JSON.parse(chunk.toString()));
      done();
    },
  });
  server = await startTestServer({ log: createLog('info', destination) });
  server.models.answerWith(['It', ' is', ' so.']);
  owner = await server.user('owner');
  ben = await server.user('ben');
});
afterAll(() => server.stop());

const ask = async (method: string, path: string, body?: unknown, as = owner): Promise<Json> => {
  const answer = await server.request(method, path, { as, body });
  expect([method, path, answer.status, answer.text.slice(0, 200)]).toEqual([method, path, answer.status < 300 ? answer.status : 0, expect.any(String)]);
  return answer.json;
};
const debug = (wish: Json): Promise<Json> => ask('POST', '/api/v4/config/debug', wish);
const work = async (name: string): Promise<Json> => {
  const { job } = await ask('POST', '/api/v4/database/jobs', { work: name });
  await server.parts.jobs.wait(job.id);
  return (await ask('GET', `/api/v4/database/jobs/${job.id}`)).job;
};

describe('Only administrators', () => {
  test.each(Object.keys(routes))('%s', async (route) => {
    const [method, path] = [route.split(' ')[0]!, routes[route]!.path({} as never)];
    const { body } = routes[route]!;
    const bodyOf = method === 'GET' || method === 'DELETE' ? undefined : (body ?? {});
    const narrow = await server.request('POST', '/api/auth/token', { as: owner, body: { agent_id: 'x', permissions: ['read', 'write', 'chat', 'p2p'] } });
    const cookie = (await server.request('POST', '/api/auth/session', { as: owner })).headers.get('set-cookie');
    for (const [who, headers, status] of [
      ['a user', ben.headers, 403],
      ['an administrator whose token has not the permission', { authorization: `Bearer ${narrow.json.token}` }, 403],
      ['nobody', { 'x-forwarded-for': '192.0.2.1' }, 401],
      ['a page of another origin on this machine’s trust', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, 401],
      ...(cookie ? [['a page of another origin with the cookie', { cookie: cookie.split(';')[0]!, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, 403] as const] : []),
    ] as const) {
      const answer = await server.request(method, path, { headers: headers as Record<string, string>, body: bodyOf });
      expect([who, answer.status, answer.json?.success]).toEqual([who, method === 'GET' && who.includes('cookie') ? expect.any(Number) : expect.toSatisfy((given: number) => given === status || (who.includes('origin') && given === 403)), false]);
    }
  });
});

describe('Debug mode', () => {
  test('writes lines of the named components and of no other, as long as it is on', async () => {
    const chat = (): Promise<Json> => ask('POST', '/api/ai/chat', { input: 'Hello?', backend_model: 'scripted/one' });
    const componentsOf = (): string[] => [...new Set(lines.filter(({ level }) => level === 'debug' || level === 'trace').map(({ component }) => component as string))].sort();
    lines = [];
    await chat();
    expect(componentsOf()).toEqual([]);
    await debug({ debug_level: 'verbose', components: ['chat'] });
    lines = [];
    await chat();
    expect(componentsOf()).toEqual(['chat']);
    const { settings } = await debug({ debug_level: 'debug', components: ['http'] });
    expect([settings.levels.http, settings.levels.chat]).toEqual(['debug', 'info']);
    lines = [];
    await chat();
    expect(componentsOf()).toEqual(['http']);
    await debug({ debug_level: 'off' });
    lines = [];
    await chat();
    expect(componentsOf()).toEqual([]);
  });

  test('ends by itself', async () => {
    const { settings } = await debug({ debug_level: 'verbose', components: ['ai'], trace_requests: true, duration_seconds: 1 });
    expect(Date.parse(settings.ends_at) - Date.now()).toBeLessThan(1100);
    await expect.poll(async () => (await ask('GET', '/api/v4/config/debug')).settings, { timeout: 5000 }).toMatchObject({ debug_level: 'off', trace_requests: false, levels: expect.objectContaining({ ai: 'info' }) });
  });

  test('leaves no secret in a line or a trace: not of headers, bodies, addresses, answers or keys', async () => {
    await debug({ debug_level: 'verbose', log_performance: true, trace_requests: true });
    written = '';
    const secrets = ['Passw0rd-of-somebody', 'sk-provider-key-0123456789abcdef', 'ask_0123456789abcdefghijkl', 'the-query-token-0123', 'what was said in confidence', 'cookie-of-a-session'];
    const [password, providerKey, apiKey, queryToken, said, cookie] = secrets as [string, string, string, string, string, string];
    await server.request('POST', '/api/auth/login', { body: { username: 'owner', password } });
    await server.request('POST', '/api/auth/register', { body: { username: 'cleo', password, email: 'cleo@example.com', name: 'Cleo' } });
    await server.parts.accounts.setProviderKey(owner.userId, 'openai', providerKey);
    await server.request('GET', '/v1/models', { headers: { authorization: `Bearer ${apiKey}`, 'x-api-key': apiKey } });
    await server.request('GET', '/api/v4/capabilities', { headers: { cookie: `parley_session=${cookie}` } });
    await server.request('GET', `/api/chat/stream?token=${queryToken}&message=${encodeURIComponent(said)}`);
    await server.request('GET', `/no/such/address?token=${queryToken}`);
    await ask('POST', '/api/ai/chat', { input: said, backend_model: 'scripted/one' });
    await server.request('PUT', '/api/v4/management/settings/OPENAI_API_KEY', { as: owner, body: { value: providerKey } });
    const made = await server.parts.accounts.createApiKey(owner.userId, 'x');
    await server.request('GET', '/v1/models', { headers: { authorization: `Bearer ${made.key}` } });
    const { traces } = await ask('GET', '/api/v4/debug/traces?limit=500');
    const details = await Promise.all(traces.map(({ id }: Json) => server.request('GET', `/api/v4/debug/traces/${id}`, { as: owner })));
    const audit = await server.request('GET', '/api/v4/management/audit', { as: owner });
    await debug({ debug_level: 'off' });
    expect(traces.length).toBeGreaterThan(8);
    expect(written.split('\n').length).toBeGreaterThan(50);
    const everything = [written, JSON.stringify(traces), ...details.map(({ text }) => text), audit.text].join('\n');
    for (const secret of [...secrets, made.key, owner.token, encodeURIComponent(said)]) expect([secret, everything.includes(secret)]).toEqual([secret, false]);
  });
});

describe('Request tracing', () => {
  test('goes through all parts of a request, and takes up the caller’s trace', async () => {
    await debug({ debug_level: 'info', trace_requests: true });
    const answer = await server.request('POST', '/api/ai/chat', { as: owner, body: { input: 'Hello?', backend_model: 'scripted/one' }, headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'x-request-id': 'my-request' } });
    expect([answer.headers.get('x-request-id'), answer.headers.get('x-trace-id')]).toEqual(['my-request', '0af7651916cd43dd8448eb211c80319c']);
    const { trace } = await ask('GET', '/api/v4/debug/traces/my-request');
    await debug({ debug_level: 'off' });
    expect(trace).toMatchObject({ id: '0af7651916cd43dd8448eb211c80319c', parent_span_id: 'b7ad6b7169203331', component: 'http', name: 'POST /api/ai/chat', status: 200, outcome: 'ok' });
    expect(trace.spans.map(({ component, name }: Json) => `${component} ${name}`)).toEqual(expect.arrayContaining(['accounts authenticate', 'chat send', 'storage write', 'ai resolve', 'chat gather context', 'ai reply from scripted', 'storage appendTurnLog']));
    const after = await server.request('GET', '/api/v4/capabilities', { as: owner });
    expect(after.headers.get('x-trace-id')).toBeNull();
  });
});

describe('The database', () => {
  test('is counted by its rows', async () => {
    const { tables, bytes, engine } = await ask('GET', '/api/v4/database');
    const { count } = await server.parts.storage.read.selectFrom('users').select(({ fn }) => fn.countAll<number>().as('count')).executeTakeFirstOrThrow();
    expect([engine, tables.find(({ name }: Json) => name === 'users').rows]).toEqual(['sqlite', Number(count)]);
    expect(tables.reduce((sum: number, table: Json) => sum + table.bytes, 0)).toBeLessThanOrEqual(bytes);
  });

  test('is checked, analyzed and written anew while it is used', async () => {
    expect(await work('integrity')).toMatchObject({ state: 'done', progress: 1, result: { ok: true, problems: [] } });
    expect(await work('analyze')).toMatchObject({ state: 'done' });
    const storage = server.parts.storage;
    const rows = Array.from({ length: 200 }, (_, index) => ({ key: `filling ${index}`, value: 'x'.repeat(20_000) }));
    await storage.write(async (queries) => void (await queries.insertInto('settings').values(rows).execute()));
    await storage.write(async (queries) => void (await queries.deleteFrom('settings').where('key', 'like', 'filling%').execute()));
    const { result } = await work('vacuum');
    expect(result.bytesBefore - result.bytesAfter).toBeGreaterThan(2_000_000);
    await ask('POST', '/api/ai/chat', { input: 'Still there?', backend_model: 'scripted/one' });
  });

  test('is not written anew while an answer is made', async () => {
    server.parts.metrics.turnsRunning.set(1);
    const answer = await server.request('POST', '/api/v4/database/jobs', { as: owner, body: { work: 'vacuum' } });
    server.parts.metrics.turnsRunning.set(0);
    expect([answer.status, answer.json.error.code]).toEqual([409, 'conflict']);
  });

  test('is backed up, wiped and restored: the same rows', async () => {
    const { storage } = server.parts;
    const rowsOf = (from: typeof storage): Promise<Json[]> => from.read.selectFrom('messages').selectAll().orderBy('id').execute();
    await ask('POST', '/api/ai/chat', { input: 'Remember this', backend_model: 'scripted/one' });
    const before = await rowsOf(storage);
    const { result } = await work('backup');
    const { backups } = await ask('GET', '/api/v4/database/backups');
    expect(backups).toEqual([{ name: result.backup, bytes: result.bytes, created_at: expect.any(String), origin: 'backup' }]);
    const path = `/api/v4/database/backups/${result.backup}`;
    const response = await fetch(server.url + path, { headers: owner.headers });
    const downloaded = Buffer.from(await response.arrayBuffer());
    const file = join(server.dataDir, 'backups', result.backup);
    expect([response.headers.get('content-disposition'), downloaded.equals(await readFile(file))]).toEqual([`attachment; filename="${result.backup}"`, true]);

    await storage.write(async (queries) => {
      await queries.deleteFrom('usage').execute();
      await queries.deleteFrom('conversations').execute();
    });
    expect(await rowsOf(storage)).toEqual([]);
    const { restore } = await ask('POST', '/api/v4/database/restore', { backup: result.backup });
    expect(restore).toMatchObject({ backup: result.backup, staged_by: 'owner', applied: 'at the next start' });
    expect((await ask('GET', '/api/v4/database/restore')).restore).toEqual(restore);
    expect(await rowsOf(storage)).toEqual([]);
    // Another server starts on a copy of the data folder, as this one would.
    const next = openStorage({ ...server.parts, databaseUrl: null, dataDir: server.dataDir, fullSync: false });
    await storage.stop();
    await next.start();
    expect(await rowsOf(next)).toEqual(before);
    await next.stop();
    await storage.start();
    const kept = (await ask('GET', '/api/v4/database/backups')).backups;
    expect(kept.map(({ origin }: Json) => origin).sort()).toEqual(['backup', 'before-restore']);
    for (const { name } of kept) await ask('DELETE', `/api/v4/database/backups/${name}`);
  });

  test('leads nowhere out of its folder', async () => {
    for (const name of ['..%2Fparley.db', 'parley.db', '%2e%2e%2fsecrets.json', 'parley-20260101-000000-..db', 'secrets.json']) {
      for (const method of ['GET', 'DELETE']) expect([name, (await server.request(method, `/api/v4/database/backups/${name}`, { as: owner })).status]).toEqual([name, 404]);
    }
  });
});

describe('Management', () => {
  test('shows every setting, and no secret', async () => {
    const { settings } = await ask('GET', '/api/v4/management/settings');
    const find = (name: string): Json => settings.find((setting: Json) => setting.name === name);
    expect(find('DRAIN_SECONDS')).toMatchObject({ value: '0', default: '10', source: 'environment', changeable: true });
    expect(find('OPENAI_API_KEY')).toMatchObject({ value: null, default: null, is_set: false, source: 'default', changeable: false });
  });

  test('changes a limit at once, and back', async () => {
    const path = '/api/v4/management/settings/LIMIT_MESSAGES_PER_HOUR';
    const chat = () => server.request('POST', '/api/ai/chat', { as: ben, body: { input: 'Hello?', backend_model: 'scripted/one' } });
    expect((await ask('PUT', path, { value: 1 })).setting).toMatchObject({ value: '1', source: 'run-time' });
    expect([(await chat()).status, (await chat()).status]).toEqual([200, 429]);
    expect((await ask('PUT', path, { value: null })).setting).toMatchObject({ value: '500', source: 'default' });
    expect((await chat()).status).toBe(200);
    const request = '/api/v4/management/settings/LIMIT_REQUESTS_PER_MINUTE';
    await ask('PUT', request, { value: 1_000_000 });
    for (const [name, value, status] of [['PORT', 1, 409], ['OPENAI_API_KEY', 'sk-x', 409], ['NONE', 1, 404], ['LIMIT_MESSAGES_PER_HOUR', 0, 400], ['LIMIT_MESSAGES_PER_HOUR', 'many', 400], ['LOG_LEVEL', 'loud', 400]] as const) {
      expect([name, (await server.request('PUT', `/api/v4/management/settings/${name}`, { as: owner, body: { value } })).status]).toEqual([name, status]);
    }
    await ask('PUT', request, { value: null });
  });

  test('changes the level of the logs', async () => {
    const before = await ask('GET', '/api/v4/management/log-level');
    expect(before.source).not.toBe('run-time');
    expect(await ask('PUT', '/api/v4/management/log-level', { level: 'error' })).toMatchObject({ level: 'error', source: 'run-time' });
    expect((await ask('GET', '/api/v4/config/debug')).settings.levels).toMatchObject({ ai: 'error', http: 'error' });
    expect(await ask('PUT', '/api/v4/management/log-level', { level: null })).toMatchObject(before);
  });

  test('switches a dialect off and on', async () => {
    const models = async (): Promise<number> => (await server.request('GET', '/v1/models', { as: ben })).status;
    const off = await ask('PUT', '/api/v4/management/modules/openai', { enabled: false });
    expect([off.module.state, await models()]).toEqual(['off', 503]);
    await ask('PUT', '/api/v4/management/modules/openai', { enabled: true });
    expect(await models()).toBe(200);
    expect((await server.request('PUT', '/api/v4/management/modules/none', { as: owner, body: { enabled: false } })).status).toBe(404);
  });

  test('does not stop a server that nobody would start again', async () => {
    const answer = await server.request('POST', '/api/v4/management/restart', { as: owner });
    expect([answer.status, answer.json.error.code]).toEqual([409, 'conflict']);
    expect((await ask('GET', '/api/v4/management/restart')).possible).toBe(false);
  });

  test('writes down who did what, and how it ended', async () => {
    const { entries } = await ask('GET', '/api/v4/management/audit?limit=2');
    expect(entries[0]).toMatchObject({ username: 'owner', via: 'token', action: 'server.restart', outcome: 'conflict' });
    const [next] = (await ask('GET', `/api/v4/management/audit?limit=1&before=${entries[0].id}`)).entries;
    expect(next).toEqual(entries[1]);
  });
});
