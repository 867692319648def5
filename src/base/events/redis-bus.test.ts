import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { newId } from '../ids.ts';
import { createMetrics, silentLog, type Metrics } from '../observability/index.ts';
import { freshDatabaseId, openTestRedis, redisTestUrl, startOwnRedis, type OwnRedis } from '../redis/testing.ts';
import { createRedis, type Redis } from '../redis/index.ts';
import { busSuite } from './bus-suite.ts';
import { createRedisBus } from './redis-bus.ts';
import { isGap, longestMessage, type BusMessage } from './types.ts';

/** An instance as far as the bus is concerned. */
interface Instance {
  bus: ReturnType<typeof createRedisBus>;
  redis: Redis;
  metrics: Metrics;
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function startInstance(databaseId: string, url?: string): Promise<Instance> {
  const metrics = createMetrics();
  const redis = url === undefined ? await openTestRedis(databaseId) : createRedis({ url, databaseId: async () => databaseId, log: silentLog(), metrics });
  if (url !== undefined) await redis.start();
  const bus = createRedisBus({ redis, instanceId: newId(), log: silentLog(), metrics });
  await bus.start!();
  closing.push(async () => {
    await bus.stop!();
    await redis.stop();
  });
  return { bus, redis, metrics };
}

/** What a subscriber hears, and a wait for something among it. */
function listen(instance: Instance, topic: string) {
  const heard: BusMessage[] = [];
  const stop = instance.bus.subscribe(topic, (message) => heard.push(message));
  return {
    heard,
    stop,
    /** Everything but gaps. */
    messages: () => heard.filter((message) => !isGap(message)),
    gaps: () => heard.filter(isGap).map(({ reason }) => reason),
    until: (type: string) => vi.waitFor(() => expect(heard.map((message) => message.type)).toContain(type), { timeout: 10_000, interval: 5 }),
  };
}

async function channelsOf(instance: Instance): Promise<string[]> {
  const channels = (await instance.redis.commands.command(['PUBSUB', 'CHANNELS', `${instance.redis.prefix}*`], 1000)) as string[];
  return channels.map((channel) => channel.slice(instance.redis.prefix.length)).sort();
}

describe.skipIf(!redisTestUrl())('the bus over Redis', () => {
  let databaseId: string;
  let [one, two]: Instance[] = [];
  beforeEach(async () => {
    databaseId = freshDatabaseId();
    [one, two] = [await startInstance(databaseId), await startInstance(databaseId)];
  });

  busSuite(() => one!.bus);

  test('carries messages to other instances in their order, and back to its own instance never', async () => {
    const [here, there] = [listen(one!, 'conversation:1'), listen(two!, 'conversation:1')];
    await Promise.all([one!.bus.listening('conversation:1'), two!.bus.listening('conversation:1')]);
    const sent = Array.from({ length: 1200 }, (_, seq) => ({ type: 'turn', seq, text: 'größer 🙂' }));
    for (const message of sent) one!.bus.publish('conversation:1', message);
    one!.bus.publish('conversation:1', { type: 'last' });
    await there.until('last');
    expect(there.messages()).toEqual([...sent, { type: 'last' }]);
    two!.bus.publish('conversation:1', { type: 'answer' });
    await here.until('answer');
    expect(here.messages()).toEqual([...sent, { type: 'last' }, { type: 'answer' }]);
    expect((await one!.metrics.busPublished.get()).values[0]!.value).toBe(1201);
    expect((await two!.metrics.busReceived.get()).values[0]!.value).toBe(1201);
  });

  test('listens in Redis only to what somebody here subscribes', async () => {
    const first = listen(one!, 'turn:1');
    const second = listen(one!, 'turn:1');
    await one!.bus.listening('turn:1');
    expect(await channelsOf(one!)).toEqual(['lost', 'topic:turn:1']);
    first.stop();
    const other = listen(one!, 'turn:2');
    await one!.bus.listening('turn:2');
    expect(await channelsOf(one!)).toEqual(['lost', 'topic:turn:1', 'topic:turn:2']);
    second.stop();
    other.stop();
    // Subscribed and unsubscribed many times in a row: what counts is how it is at the end.
    for (let n = 0; n < 50; n += 1) listen(one!, 'turn:3').stop();
    const last = listen(one!, 'turn:3');
    await one!.bus.listening('turn:3');
    await vi.waitFor(async () => expect(await channelsOf(one!)).toEqual(['lost', 'topic:turn:3']));
    two!.bus.publish('turn:3', { type: 'still heard' });
    await last.until('still heard');
  });

  test('listens to thousands of topics with a few commands', async () => {
    const listeners = Array.from({ length: 5000 }, (_, index) => listen(two!, `conversation:${index}`));
    await two!.bus.listening('conversation:4999');
    for (let index = 0; index < 5000; index += 1) one!.bus.publish(`conversation:${index}`, { type: 'changed', index });
    await listeners[4999]!.until('changed');
    expect(listeners.every((listener, index) => listener.messages()[0]?.['index'] === index)).toBe(true);
    for (const { stop } of listeners) stop();
    await vi.waitFor(async () => expect(await channelsOf(one!)).toEqual(['lost']), { timeout: 5000 });
  });

  test('says with a gap from when on a topic is heard, before listening resolves', async () => {
    const { heard } = listen(one!, 'turn:1');
    expect(heard).toEqual([]);
    await one!.bus.listening('turn:1');
    expect(heard).toEqual([{ type: 'gap', reason: 'subscribed' }]);
    // The next one on the same topic misses nothing.
    const second = listen(one!, 'turn:1');
    await one!.bus.listening('turn:1');
    expect(second.heard).toEqual([]);
  });

  test('refuses to send what is too long, and tells those in this process all the same', async () => {
    const [here, there] = [listen(one!, 'turn:1'), listen(two!, 'turn:1')];
    await two!.bus.listening('turn:1');
    one!.bus.publish('turn:1', { type: 'too long', text: 'ä'.repeat(longestMessage / 2) });
    one!.bus.publish('turn:1', { type: 'long', text: 'x'.repeat(longestMessage - 100) });
    await there.until('long');
    expect(there.messages().map(({ type }) => type)).toEqual(['long']);
    expect(here.messages().map(({ type }) => type)).toEqual(['too long', 'long']);
  });

  test('hears nothing of instances on another database, and survives what others publish on its channels', async () => {
    const other = await startInstance(freshDatabaseId());
    const { until, messages } = listen(one!, 'turn:1');
    await one!.bus.listening('turn:1');
    other.bus.publish('turn:1', { type: 'of another database' });
    const channel = `${one!.redis.prefix}topic:turn:1`;
    for (const text of ['', 'x', 'x\n{', 'x\n[]', 'x\nnull', 'x\n{"type":7}', 'x\n{"type":"gap","reason":"reconnected"}', `x\n{"type":"big","text":"${'y'.repeat(longestMessage)}"}`]) {
      await two!.redis.commands.command(['PUBLISH', channel, text], 1000);
    }
    two!.bus.publish('turn:1', { type: 'last' });
    await until('last');
    expect(messages()).toEqual([{ type: 'last' }]);
  });

  test('tells every topic of a gap when another instance has lost messages', async () => {
    const { gaps, until } = listen(two!, 'turn:1');
    await two!.bus.listening('turn:1');
    // Its connection for commands is ended in the middle of everything.
    const id = String(await one!.redis.commands.command(['CLIENT', 'ID'], 1000));
    const lost = new Promise<void>((resolve) => one!.redis.commands.onLost(resolve));
    await two!.redis.commands.command(['CLIENT', 'KILL', 'ID', id], 1000);
    await lost;
    one!.bus.publish('turn:1', { type: 'never seen by others' });
    await vi.waitFor(() => expect(gaps()).toEqual(['subscribed', 'reconnected']), { timeout: 5000 });
    one!.bus.publish('turn:1', { type: 'seen again' });
    await until('seen again');
  });
});

describe.skipIf(!redisTestUrl())('the bus over a Redis of its own', () => {
  let own: OwnRedis;
  beforeEach(async () => {
    own = await startOwnRedis();
    closing.push(() => own.close());
  });

  test('sends what one turn of the event loop publishes with one command', async () => {
    const databaseId = freshDatabaseId();
    const [one, two] = [await startInstance(databaseId, own.url), await startInstance(databaseId, own.url)];
    const there = listen(two, 'last');
    await two.bus.listening('last');
    for (let n = 0; n < 400; n += 1) one.bus.publish(`turn:${n}`, { type: 'turn', seq: 1 });
    one.bus.publish('last', { type: 'last' });
    await there.until('last');
    // The first script that a Redis hears of is sent twice: by its name, then whole.
    const figures = String(await one.redis.commands.command(['INFO', 'commandstats'], 1000));
    expect(figures).toMatch(/cmdstat_eval:calls=1,/);
    expect(figures).toMatch(/cmdstat_publish:calls=401,/);
  });

  test('that goes away leaves this process alone, keeps nothing for others, and tells every topic of the gap when it is back', async () => {
    const databaseId = freshDatabaseId();
    const [one, two] = [await startInstance(databaseId, own.url), await startInstance(databaseId, own.url)];
    const [here, there] = [listen(one, 'turn:1'), listen(two, 'turn:1')];
    await Promise.all([one.bus.listening('turn:1'), two.bus.listening('turn:1')]);
    const lost = Promise.all([one, two].map(({ redis }) => new Promise<void>((resolve) => redis.commands.onLost(resolve))));
    await own.stop();
    await lost;
    expect(one.redis.check()).toMatchObject({ ok: false });
    for (let n = 0; n < 30_000; n += 1) one.bus.publish('turn:1', { type: 'meanwhile' });
    expect(here.messages()).toHaveLength(30_000);
    const late = listen(two, 'turn:2');

    await own.start();
    await vi.waitFor(() => expect(there.gaps().length).toBeGreaterThan(1), { timeout: 10_000 });
    await vi.waitFor(() => expect(late.gaps().length).toBeGreaterThan(0), { timeout: 10_000 });
    await Promise.all([two.bus.listening('turn:1'), two.bus.listening('turn:2')]);
    await vi.waitFor(() => expect(one.redis.check()).toEqual({ ok: true }), { timeout: 5000 });
    one.bus.publish('turn:2', { type: 'again' });
    await late.until('again');
    expect(there.messages()).toEqual([]);
    expect(there.gaps()[0]).toBe('subscribed');
    expect(new Set([...there.gaps().slice(1), ...late.gaps()])).toEqual(new Set(['reconnected']));
    expect((await one.metrics.busLost.get()).values[0]!.value).toBe(30_000);
    expect((await one.metrics.redisReconnects.get()).values[0]!.value).toBe(1);
  });

  test('starts while Redis is away and hears everything from when it is there', async () => {
    await own.stop();
    const databaseId = freshDatabaseId();
    const [one, two] = [await startInstance(databaseId, own.url), await startInstance(databaseId, own.url)];
    const there = listen(two, 'turn:1');
    const started = performance.now();
    await two.bus.listening('turn:1');
    expect(performance.now() - started).toBeLessThan(3000);
    await own.start();
    await there.until('gap');
    await vi.waitFor(() => expect(one.redis.check()).toEqual({ ok: true }), { timeout: 5000 });
    one.bus.publish('turn:1', { type: 'heard' });
    await there.until('heard');
    expect(there.gaps()).toContain('reconnected');
  });

  test('notices a Redis that hangs without closing anything', async () => {
    const one = await startInstance(freshDatabaseId(), own.url);
    const { gaps } = listen(one, 'turn:1');
    await one.bus.listening('turn:1');
    own.freeze();
    await vi.waitFor(() => expect(one.redis.check()).toMatchObject({ ok: false, problem: expect.stringContaining('does not answer') as string }), { timeout: 8000 });
    own.thaw();
    await vi.waitFor(() => expect(gaps()).toContain('reconnected'), { timeout: 8000 });
  }, 20_000);
});
