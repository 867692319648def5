import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../clock.ts';
import { createMetrics, silentLog, type Log } from '../observability/index.ts';
import { freshDatabaseId, openTestRedis, redisTestUrl, startOwnRedis, type OwnRedis } from '../redis/testing.ts';
import type { Redis } from '../redis/index.ts';
import { limiterSuite } from './limiter-suite.ts';
import { createLocalLimiter } from './local-limiter.ts';
import { createRedisLimiter } from './redis-limiter.ts';

const metrics = createMetrics();
const parts = { clock: systemClock, log: silentLog(), metrics, instanceId: 'one' };

/** A log that keeps its warnings. */
function listeningLog(): { log: Log; warnings: string[] } {
  const warnings: string[] = [];
  const silent = silentLog();
  const log = new Proxy(silent, {
    get: (target, name) => (name === 'warn' ? (_: unknown, text: string) => void warnings.push(text) : Reflect.get(target, name)),
  });
  return { log, warnings };
}

describe.skipIf(!redisTestUrl())('a limit over Redis', () => {
  let redis: Redis;
  beforeAll(async () => void (redis = await openTestRedis()));
  afterAll(() => redis.stop());
  let made = 0;

  limiterSuite(() => {
    let now = 1_750_000_000_000;
    const limiter = createRedisLimiter({ ...parts, redis, redisTime: () => now });
    made += 1;
    const name = (given: string): string => `${made} ${given}`;
    return {
      limiter: {
        take: (limit, subject, events) => limiter.take({ ...limit, name: name(limit.name) }, subject, events),
        hold: (places, subject) => limiter.hold({ ...places, name: name(places.name) }, subject),
      }, now: () => now,
      pass: (milliseconds) => void (now += milliseconds),
    };
  });

  test('gives the same verdicts as the limit in one process, event by event', async () => {
    let now = 1_750_000_000_000;
    const [shared, local] = [createRedisLimiter({ ...parts, redis, redisTime: () => now }), createLocalLimiter({ now: () => now, monotonic: () => now })];
    const limit = { name: 'parity', count: 40, windowMs: 5000 };
    let step = 7;
    for (let event = 0; event < 1500; event += 1) {
      step = (step * 48_271) % 2_147_483_647;
      now += step % 97 === 0 ? 4000 : step % 180;
      const subject = `user ${step % 2}`;
      expect(await shared.take(limit, subject)).toEqual(await local.take(limit, subject));
    }
  });

  test('holds over instances whose clocks differ by minutes, however they call at the same moment', async () => {
    const id = freshDatabaseId();
    const connections = await Promise.all([openTestRedis(id), openTestRedis(id), openTestRedis(id)]);
    const instances = connections.map((connection, index) =>
      createRedisLimiter({ ...parts, redis: connection, clock: { now: () => Date.now() + index * 600_000, monotonic: systemClock.monotonic } }));
    const limit = { name: 'messages', count: 50, windowMs: 600_000 };
    const verdicts = await Promise.all(Array.from({ length: 150 }, (_, index) => instances[index % 3]!.take(limit, 'ann')));
    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(50);
    expect(new Set(verdicts.filter(({ allowed }) => allowed).map(({ remaining }) => remaining)).size).toBe(50);
    for (const { retryAfterMs } of verdicts.filter(({ allowed }) => !allowed)) expect(retryAfterMs).toSatisfy((value: number) => value > 590_000 && value <= 600_000);
    await Promise.all(connections.map((connection) => connection.stop()));
  });

  test('lets an address hold its places over all instances, and frees those of an instance that died', async () => {
    const id = freshDatabaseId();
    const connections = await Promise.all([openTestRedis(id), openTestRedis(id)]);
    const [one, two] = connections.map((connection, index) => createRedisLimiter({ ...parts, redis: connection, instanceId: `instance ${index}` }));
    const sockets = { name: 'sockets', count: 3 };
    const first = await one!.hold(sockets, 'ann');
    await two!.hold(sockets, 'ann');
    const third = await two!.hold(sockets, 'ann');
    expect(third).not.toBeNull();
    expect(await one!.hold(sockets, 'ann')).toBeNull();
    expect(await one!.hold(sockets, 'bob')).not.toBeNull();
    first!();
    await vi.waitFor(async () => expect(await two!.hold(sockets, 'ann')).not.toBeNull(), { timeout: 3000 });
    expect(await one!.hold(sockets, 'ann')).toBeNull();

    // The second one gives no sign of life any more.
    await connections[1]!.stop();
    await connections[0]!.commands.command(['DEL', `${connections[0]!.prefix}alive:instance 1`], 1000);
    expect(await one!.hold(sockets, 'ann')).not.toBeNull();
    await connections[0]!.stop();
  });

  test('knows again what is held after Redis was emptied, and after others took the places of an instance that hung', async () => {
    const id = freshDatabaseId();
    const connections = await Promise.all([openTestRedis(id), openTestRedis(id)]);
    const [one, two] = connections.map((connection, index) => createRedisLimiter({ ...parts, redis: connection, instanceId: `instance ${index}` }));
    const sockets = { name: 'sockets', count: 2 };
    const prefix = connections[0]!.prefix;
    const remove = (...names: string[]) => connections[0]!.commands.command(['DEL', ...names.map((name) => prefix + name)], 1000);
    await one!.hold(sockets, 'ann');
    await one!.hold(sockets, 'ann');
    const last = await one!.hold(sockets, 'bob');
    await remove('places:sockets:ann', 'places:sockets:bob', 'alive:instance 0', 'alive:instance 1');
    // Whatever the first one does next shows it that its sign is gone.
    expect(await one!.hold(sockets, 'cleo')).not.toBeNull();
    await vi.waitFor(async () => expect(await two!.hold(sockets, 'ann')).toBeNull(), { timeout: 3000 });

    // As after a pause that was longer than a sign lasts.
    await remove('alive:instance 0');
    expect(await two!.hold(sockets, 'ann')).not.toBeNull();
    last!();
    expect(await one!.hold(sockets, 'bob')).not.toBeNull();
    await vi.waitFor(async () => expect(await connections[0]!.commands.command(['HGET', `${prefix}places:sockets:ann`, 'instance 0'], 1000)).toBe('2'), { timeout: 3000 });
    await Promise.all(connections.map((connection) => connection.stop()));
  });

  test('counts right however places are taken and given back at the same time', async () => {
    const connection = await openTestRedis();
    const limiter = createRedisLimiter({ ...parts, redis: connection });
    const sockets = { name: 'sockets', count: 1000 };
    let held: (() => void)[] = [];
    for (let round = 0; round < 30; round += 1) {
      const taking = Array.from({ length: 5 }, () => limiter.hold(sockets, 'ann'));
      for (const free of held.splice(0, 3)) free();
      await new Promise((resolve) => setImmediate(resolve));
      held = [...held, ...(await Promise.all(taking)).map((free) => free!)];
    }
    const counted = () => connection.commands.command(['HGET', `${connection.prefix}places:sockets:ann`, 'one'], 1000);
    await vi.waitFor(async () => expect(Number(await counted())).toBe(held.length), { timeout: 3000 });
    await connection.stop();
  });

  test('forgets a subject a window after its last event', async () => {
    const limiter = createRedisLimiter({ ...parts, redis });
    await limiter.take({ name: 'short', count: 5, windowMs: 60_000 }, 'ann');
    const left = Number(await redis.commands.command(['PTTL', `${redis.prefix}limit:short:ann`], 1000));
    expect(left).toBeGreaterThan(55_000);
    expect(left).toBeLessThanOrEqual(61_000);
  });
});

describe.skipIf(!redisTestUrl())('a limit over a Redis that goes away', () => {
  let own: OwnRedis;
  let redis: Redis;
  afterEach(async () => {
    await redis.stop();
    await own.close();
  });

  test('is counted by the instance alone, with one warning, and in Redis again when it is back', async () => {
    own = await startOwnRedis();
    redis = await openTestRedis(freshDatabaseId(), own.url);
    const limiter = createRedisLimiter({ ...parts, redis });
    const limit = { name: 'messages', count: 3, windowMs: 600_000 };
    for (let n = 0; n < 3; n += 1) expect((await limiter.take(limit, 'ann')).allowed).toBe(true);
    expect((await limiter.take(limit, 'ann')).allowed).toBe(false);

    const lost = new Promise<void>((resolve) => redis.commands.onLost(resolve));
    await own.stop();
    await lost;
    const verdicts = [];
    for (let n = 0; n < 4; n += 1) verdicts.push((await limiter.take(limit, 'ann')).allowed);
    expect(verdicts).toEqual([true, true, true, false]);

    const back = new Promise<void>((resolve) => redis.commands.onConnect(() => resolve()));
    await own.start();
    await back;
    // The new Redis has counted nothing yet, and knows no script yet.
    expect(await limiter.take(limit, 'ann')).toEqual({ allowed: true, remaining: 2, retryAfterMs: 0 });
    expect(await redis.commands.command(['EXISTS', `${redis.prefix}limit:messages:ann`], 1000)).toBe(1);
  });

  test('knows again what is held when it is back, and nothing that was given back meanwhile', async () => {
    own = await startOwnRedis();
    redis = await openTestRedis(freshDatabaseId(), own.url);
    const limiter = createRedisLimiter({ ...parts, redis });
    const sockets = { name: 'sockets', count: 3 };
    await limiter.hold(sockets, 'ann');
    const second = await limiter.hold(sockets, 'ann');
    const lost = new Promise<void>((resolve) => redis.commands.onLost(resolve));
    await own.stop();
    await lost;
    second!();
    expect(await limiter.hold(sockets, 'ann')).not.toBeNull();
    expect(await limiter.hold(sockets, 'ann')).not.toBeNull();
    expect(await limiter.hold(sockets, 'ann')).toBeNull();
    await own.start();
    const key = `${redis.prefix}places:sockets:ann`;
    await vi.waitFor(async () => expect(await redis.commands.command(['HGET', key, 'one'], 1000)).toBe('3'), { timeout: 5000 });
    expect(await limiter.hold(sockets, 'ann')).toBeNull();
  });

  test('waits half a second for a Redis that hangs, once, and then no more', async () => {
    own = await startOwnRedis();
    redis = await openTestRedis(freshDatabaseId(), own.url);
    const { log, warnings } = listeningLog();
    const limiter = createRedisLimiter({ ...parts, redis, log });
    const limit = { name: 'messages', count: 100, windowMs: 600_000 };
    await limiter.take(limit, 'ann');
    own.freeze();
    const started = performance.now();
    expect((await limiter.take(limit, 'ann')).remaining).toBe(99);
    expect(performance.now() - started).toBeGreaterThan(450);
    const before = performance.now();
    for (let n = 0; n < 20; n += 1) await limiter.take(limit, 'ann');
    expect(performance.now() - before).toBeLessThan(400);
    expect(warnings).toHaveLength(1);
    own.thaw();
  });
});
