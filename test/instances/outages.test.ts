import { setTimeout as delay } from 'node:timers/promises';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startOwnRedis, type OwnRedis } from '../../src/base/redis/testing.ts';
import { ConnectionLost, RefusedStream } from '../kill/http-client.ts';
import { createDatabase, postgresPrograms, startOwnPostgres, type FreshDatabase, type OwnPostgres } from './database.ts';
import { ask, makeChat, openInstances, openSocket, read, Reading, register, send, type Instance, type Instances, type Person } from './instances.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

describe.skipIf(!runs)('Two servers, when what stands between them goes away', () => {
  let cleanUp: (() => unknown)[] = [];
  let instances: Instances;
  let one: Instance;
  let two: Instance;
  let ann: Person;
  let chatId: string;

  async function open(databaseUrl: string, redisUrl: string): Promise<void> {
    instances = await openInstances({ databaseUrl, redisUrl, count: 2 });
    cleanUp.unshift(() => instances.close());
    [one, two] = instances.all as [Instance, Instance];
    ann = await register(one, 'ann');
    chatId = await makeChat(one, ann);
  }
  afterEach(async () => {
    for (const close of cleanUp) await close();
    cleanUp = [];
  });

  const said = (): string => [...instances.upstream.answers.values()].at(-1)!.text;
  const some = (reading: Reading): boolean => reading.text.length > 20;

  /** Reads to the end as a page does: it comes back when the connection breaks. */
  async function readOn(to: Instance, answerId: string, reading = new Reading()): Promise<Reading> {
    while (reading.end === null) {
      try {
        await read(to, ann, chatId, answerId, reading);
      } catch (error) {
        const isOutage = error instanceof ConnectionLost || (error instanceof RefusedStream && error.status === 503);
        if (!isOutage) throw error;
        await delay(50);
      }
    }
    return reading;
  }

  describe('Redis', () => {
    let redis: OwnRedis;
    let database: FreshDatabase;

    async function begin(): Promise<void> {
      redis = await startOwnRedis();
      database = await createDatabase();
      cleanUp = [() => redis.close(), () => database.close()];
      await open(database.url, redis.url);
    }

    test.each([
      ['ends', () => redis.stop(), () => redis.start()],
      ['hangs', async () => redis.freeze(), async () => redis.thaw()],
    ])('%s and comes back in the middle of answers: they go on, are read everywhere, and sockets miss nothing', async (_name, away, back) => {
      await begin();
      instances.upstream.pace(100);
      const socket = await openSocket(two, ann, chatId);
      const answer = await send(one, ann, chatId, 'q1 what comes next?');
      const reading = await read(two, ann, chatId, answer.id, new Reading(), some);
      await away();
      const rest = readOn(two, answer.id, reading);
      // Sent while nobody can be told: it is stored, and waits behind the answer.
      const waiting = await send(one, ann, chatId, 'q2 and then?');
      await rest;
      expect(reading.end).toMatchObject({ status: 'DELIVERED', content: reading.text });
      instances.upstream.pace(5);
      await back();
      expect((await readOn(two, waiting.id)).end).toMatchObject({ status: 'DELIVERED', content: said() });
      await vi.waitFor(() => {
        const ended = socket.frames.filter(({ type }) => type === 'ai_response_complete').map(({ message }) => (message as { id: string }).id);
        expect(ended).toEqual([answer.id, waiting.id]);
      }, { timeout: 10_000 });
      expect(socket.frames.filter(({ type }) => type === 'new_message').map(({ message }) => (message as { content: string }).content)).toEqual(['q1 what comes next?', 'q2 and then?']);
      socket.close();
    });
  });

  describe.skipIf(postgresPrograms() === null)('PostgreSQL', () => {
    let postgres: OwnPostgres;

    async function begin(): Promise<void> {
      const port = await freePort();
      postgres = startOwnPostgres(port);
      cleanUp = [() => postgres.close()];
      await open(postgres.url, process.env['REDIS_URL_TEST']!);
    }

    test.each(['fast', 'immediate'] as const)('is restarted (%s) in the middle of answers: they go on, word for word, and nothing is doubled', async (mode) => {
      await begin();
      instances.upstream.pace(150);
      const answers = [await send(one, ann, chatId, 'q1 what comes next?')];
      const other = await makeChat(two, ann);
      const readings = [readOn(one, answers[0]!.id), readOn(two, answers[0]!.id)];
      await read(two, ann, chatId, answers[0]!.id, new Reading(), some);
      postgres.stop(mode);
      // While it is away everything that needs it says so, and when to try again.
      for (const instance of [one, two]) {
        const refused = await ask(instance, ann, 'POST', `/api/v1/chat/chats/${other}/messages`, { content: 'q2 and here?' });
        expect(refused).toMatchObject({ status: 503, headers: { 'x-error-code': 'storage_unavailable' } });
        expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      }
      await delay(2000);
      postgres.start();
      for (const { text, end } of await Promise.all(readings)) {
        expect(end).toMatchObject({ status: 'DELIVERED', content: text });
        expect(text).toBe(said());
      }
      instances.upstream.pace(5);
      const sent = await vi.waitFor(() => send(two, ann, chatId, 'q3 and then?'), { timeout: 5000 });
      expect((await readOn(one, sent.id)).end).toMatchObject({ status: 'DELIVERED' });
      // Asked once: a break of the database is no reason to pay twice.
      expect([...instances.upstream.answers.values()].map(({ question }) => question)).toEqual(['q1', 'q3']);
    });

    test('is away for longer than a lease: nobody takes the answers of others for dead when it is back', async () => {
      await begin();
      instances.upstream.pace(300);
      const answer = await send(one, ann, chatId, 'q1 what comes next?');
      const readings = [readOn(one, answer.id), readOn(two, answer.id)];
      const seen = await read(two, ann, chatId, answer.id, new Reading(), some);
      postgres.stop('fast');
      await delay(8000);
      postgres.start();
      const [mine, theirs] = await Promise.all(readings);
      expect(mine).toEqual(theirs);
      expect(mine!.end).toMatchObject({ status: 'DELIVERED', content: said() });
      expect(mine!.text).toBe(said());
      expect(said().startsWith(seen.text)).toBe(true);
    });
  });
});
