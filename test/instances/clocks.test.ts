import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../src/base/observability/index.ts';
import { readConfig } from '../../src/config.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { createRandom } from '../kill/random.ts';
import { modelId, providerName, startUpstream, type Upstream } from '../kill/upstream.ts';
import { createDatabase, type FreshDatabase } from './database.ts';
import { ask, makeChat, openSocket, read, send, type Person } from './instances.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);
const minute = 60_000;

describe.skipIf(!runs)('Instances whose clocks differ by ten minutes', () => {
  let database: FreshDatabase;
  let upstream: Upstream;
  let folder: string;
  let servers: { address: string; parts: Parts }[];
  let ann: Person;

  beforeAll(async () => {
    database = await createDatabase();
    upstream = await startUpstream(createRandom(1), { fewest: 60, most: 60 });
    folder = mkdtempSync(join(tmpdir(), 'parley-clocks-'));
    servers = [];
    for (const shift of [-5 * minute, 0, 5 * minute]) {
      const config = readConfig({
        DATABASE_URL: database.url, REDIS_URL: process.env['REDIS_URL_TEST']!, DATA_DIR: folder, PORT: '0', OLLAMA_URLS: 'off', REGISTRATION: 'open', DRAIN_SECONDS: '0',
        COMPATIBLE_SERVERS: `${providerName}=${upstream.url}`, DEFAULT_MODEL: modelId, LIMIT_MESSAGES_PER_HOUR: '8', LIMIT_LOGINS_PER_MINUTE: '1000',
      });
      const parts = createParts(config, { log: silentLog(), clock: { now: () => Date.now() + shift, monotonic: () => performance.now() } });
      await parts.start();
      servers.push({ address: `http://127.0.0.1:${parts.http.addresses()[0]!.port}`, parts });
    }
    ann = await register(servers[2]!, 'ann');
  });
  afterAll(async () => {
    for (const { parts } of servers ?? []) await parts.stop();
    await upstream?.close();
    await database?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function register(to: { address: string; parts: Parts }, username: string): Promise<Person> {
    const body = { username, password: 'password of one', email: `${username}@example.org`, name: username, code: to.parts.accounts.setupCode() };
    const answer = await ask(to, null, 'POST', '/api/auth/register', body);
    expect(answer.status).toBe(201);
    return { token: (answer.body as { access_token: string }).access_token };
  }

  test('none takes another\'s turn for dead, and messages have the times of the database', async () => {
    upstream.pace(350);
    const [behind, right, ahead] = servers as [typeof servers[0], typeof servers[0], typeof servers[0]];
    const chats = await Promise.all(servers.map((server) => makeChat(server, ann)));
    const before = Date.now();
    const answers = await Promise.all(servers.map((server, index) => send(server, ann, chats[index]!, `q${index + 1} what comes next?`)));
    // Each is read where the clock is another one, for longer than a lease lasts.
    const readers = [ahead, behind, right];
    const readings = await Promise.all(answers.map((answer, index) => read(readers[index]!, ann, chats[index]!, answer.id)));
    expect(Date.now() - before).toBeGreaterThan(6500);
    for (const { end, text } of readings) expect(end).toMatchObject({ status: 'DELIVERED', content: text });
    for (const { created_at: created, ended_at: ended } of await database.query<{ created_at: string; ended_at: string }>('select created_at, ended_at from messages')) {
      expect(Math.abs(Number(created) - before)).toBeLessThan(minute / 2);
      expect(Number(ended)).toBeGreaterThanOrEqual(Number(created));
    }
  });

  test('what one signs in another knows at once, and what one ends is ended everywhere', async () => {
    for (const [at, name] of [[0, 'bob'], [2, 'cleo']] as const) {
      const person = await register(servers[at]!, name);
      const chat = await makeChat(servers[2 - at]!, person);
      const socket = await openSocket(servers[2 - at]!, person, chat);
      expect((await ask(servers[at]!, person, 'POST', '/api/auth/logout')).status).toBeLessThan(300);
      await vi.waitFor(() => expect(socket.closed).toBe(4401), { timeout: 2000 });
      for (const server of servers) expect((await ask(server, person, 'GET', `/api/v1/chat/chats/${chat}`)).status).toBe(401);
    }
  });

  test('a limit counts what was sent anywhere', async () => {
    const dora = await register(servers[1]!, 'dora');
    const chat = await makeChat(servers[0]!, dora);
    const statuses: number[] = [];
    for (let sent = 0; sent < 9; sent += 1) {
      const answer = await ask(servers[sent % 3]!, dora, 'POST', `/api/v1/chat/chats/${chat}/messages`, { content: `q${sent + 10} and?`, answer: false });
      statuses.push(answer.status);
      if (answer.status === 429) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 429]);
  });
});
