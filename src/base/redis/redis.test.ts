import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createMetrics, silentLog, type Log } from '../observability/index.ts';
import { createRedis } from './redis.ts';
import { freshDatabaseId, redisTestUrl, startOwnRedis, type OwnRedis } from './testing.ts';
import { makeScript } from './link.ts';
import { RedisAwayError, type Redis } from './types.ts';

describe.skipIf(!redisTestUrl())('the connections to Redis', () => {
  let own: OwnRedis;
  const opened: Redis[] = [];
  const said: { level: string; text: string }[] = [];
  const log: Log = new Proxy(silentLog(), {
    get: (target, name) => (['info', 'warn', 'error'].includes(String(name)) ? (...words: unknown[]) => void said.push({ level: String(name), text: JSON.stringify(words) }) : Reflect.get(target, name)),
  });

  beforeEach(async () => {
    said.length = 0;
    own = await startOwnRedis();
  });
  afterEach(async () => {
    for (const redis of opened.splice(0)) await redis.stop();
    await own.close();
  });

  function make(url = own.url): Redis {
    const redis = createRedis({ url, databaseId: async () => freshDatabaseId(), log, metrics: createMetrics() });
    opened.push(redis);
    return redis;
  }

  test('are up after the start, and away after the stop', async () => {
    const redis = make();
    expect(redis.check()).toMatchObject({ ok: false });
    await redis.start();
    expect(redis.check()).toEqual({ ok: true });
    expect(redis.prefix).toMatch(/^parley:test-.+:$/);
    expect(await redis.commands.command(['PING'], 1000)).toBe('PONG');
    await redis.stop();
    await expect(redis.commands.command(['PING'], 1000)).rejects.toBeInstanceOf(RedisAwayError);
    expect(said).toEqual([]);
  });

  test('refuse to start with a wrong password, and say it without the password', async () => {
    const admin = make();
    await admin.start();
    await admin.commands.command(['CONFIG', 'SET', 'requirepass', 'the-right-one'], 1000);
    const wrong = make(own.url.replace('redis+unix://', 'redis+unix://:the-wrong-one@localhost'));
    await expect(wrong.start()).rejects.toThrow(/Redis refuses this server: WRONGPASS/);
    await expect(make().start()).rejects.toThrow(/Redis refuses this server: NOAUTH/);
    await make(own.url.replace('redis+unix://', 'redis+unix://:the-right-one@localhost')).start();
    expect(JSON.stringify(said)).not.toContain('the-wrong-one');
  });

  test('run a script that Redis has never heard of, and hears of again after it was emptied', async () => {
    const redis = make();
    await redis.start();
    const script = makeScript('return {KEYS[1], ARGV[1], ARGV[2]}');
    expect(await redis.commands.script(script, ['key'], ['1', '2'], 1000)).toEqual(['key', '1', '2']);
    await redis.commands.command(['SCRIPT', 'FLUSH'], 1000);
    expect(await redis.commands.script(script, ['key'], ['3', '4'], 1000)).toEqual(['key', '3', '4']);
  });

  test('say once that Redis is away and once that it is back, however long it takes', async () => {
    const redis = make();
    await redis.start();
    await own.stop();
    await vi.waitFor(() => expect(said.map(({ level }) => level)).toEqual(['warn']), { timeout: 5000 });
    await expect(redis.commands.command(['PING'], 1000)).rejects.toBeInstanceOf(RedisAwayError);
    // Several attempts fail meanwhile.
    await new Promise<void>((resolve) => setTimeout(resolve, 500));
    await own.start();
    await vi.waitFor(() => expect(redis.check()).toEqual({ ok: true }), { timeout: 5000 });
    expect(said.map(({ level }) => level)).toEqual(['warn', 'info']);
  });

  test('do not wait for a Redis that hangs longer than they were told, and mend a subscription that hung with it', async () => {
    const redis = make();
    await redis.start();
    const lost = new Promise<void>((resolve) => redis.messages.onLost(resolve));
    own.freeze();
    const subscribing = redis.messages.client!.subscribe('channel', () => undefined);
    const refused = expect(subscribing).rejects.toThrow();
    const started = performance.now();
    await expect(redis.commands.command(['PING'], 100)).rejects.toBeInstanceOf(RedisAwayError);
    expect(performance.now() - started).toBeLessThan(1000);
    await lost;
    await refused;
    own.thaw();
    await vi.waitFor(() => expect(redis.check()).toEqual({ ok: true }), { timeout: 8000 });
  }, 20_000);
});
