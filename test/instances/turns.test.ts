import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createDatabase, type FreshDatabase } from './database.ts';
import { ask, makeChat, openInstances, openSocket, read, Reading, register, send, type Instance, type Instances, type Person, type WholeMessage } from './instances.ts';
import { startProxy, type Proxy } from './proxy.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);

describe.skipIf(!runs)('Three servers on one PostgreSQL and one Redis', () => {
  let database: FreshDatabase;
  let instances: Instances;
  let proxy: Proxy;
  let ann: Person;
  let one: Instance;
  let two: Instance;
  let three: Instance;
  let chatId: string;

  beforeAll(async () => {
    database = await createDatabase();
    instances = await openInstances({ databaseUrl: database.url, redisUrl: process.env['REDIS_URL_TEST']!, count: 3 });
    proxy = await startProxy(() => instances.all.map((instance) => instance.address));
    ann = await register(instances.all[0]!, 'ann');
  });
  afterAll(async () => {
    await proxy?.close();
    await instances?.close();
    await database?.close();
  });
  beforeEach(async () => {
    [one, two, three] = instances.all as [Instance, Instance, Instance];
    instances.upstream.pace(20);
    chatId = await makeChat(one, ann);
  });

  /** Puts a new server in the place of one that was ended. */
  async function replace(instance: Instance): Promise<void> {
    instances.all.splice(instances.all.indexOf(instance), 1);
    await instances.start();
  }
  /** Everything in the tables that belongs to an answer. */
  const rowsOf = async (id: string): Promise<unknown[]> => [
    await database.query('select * from turn_log where message_id = $1 order by seq', [id]),
    await database.query('select * from messages where id = $1', [id]),
    await database.query('select * from usage where message_id = $1', [id]),
    await database.query('select * from turns where message_id = $1', [id]),
  ];
  const said = (): string => [...instances.upstream.answers.values()].at(-1)!.text;
  const some = (reading: Reading): boolean => reading.text.length > 20;

  test('an answer that one makes is read from all at the same time, word for word', async () => {
    const answer = await send(one, ann, chatId, 'q1 what comes next?');
    const readings = await Promise.all([one, two, three].map((instance) => read(instance, ann, chatId, answer.id)));
    for (const { text, end } of readings) {
      expect(text).toBe(said());
      expect(end).toMatchObject({ status: 'DELIVERED', content: text });
    }
  });

  test('a reader that is sent to another server with each connection gets one answer without a gap or a repeat', async () => {
    instances.upstream.pace(60);
    const answer = await send(proxy, ann, chatId, 'q2 what comes next?');
    const reading = new Reading();
    let connections = 0;
    for (; reading.end === null; connections += 1) {
      const before = reading.text.length;
      await read(proxy, ann, chatId, answer.id, reading, ({ text }) => text.length > before + 30);
    }
    expect(reading.text).toBe(said());
    expect(reading.end).toMatchObject({ status: 'DELIVERED', content: said() });
    expect(connections).toBeGreaterThan(4);
    expect([...proxy.counts.values()].every((count) => count > 1)).toBe(true);
  });

  test('sockets of one chat on all servers hear the same: the message, the beginning, every piece, the end', async () => {
    const sockets = await Promise.all([one, two, three].map((instance) => openSocket(instance, ann, chatId)));
    const answer = await send(two, ann, chatId, 'q3 what comes next?');
    await read(two, ann, chatId, answer.id);
    for (const { frames } of sockets) {
      await vi.waitFor(() => expect(frames.at(-1)).toMatchObject({ type: 'ai_response_complete', message: { id: answer.id, content: said() } }), { timeout: 5000 });
      expect(frames.filter(({ type }) => type === 'new_message')).toMatchObject([{ message: { content: 'q3 what comes next?' } }]);
      expect(frames.filter(({ type }) => type === 'ai_response_start')).toHaveLength(1);
      expect(frames.filter(({ type }) => type === 'ai_response_chunk').map(({ chunk }) => chunk).join('')).toBe(said());
    }
    for (const socket of sockets) socket.close();
  });

  test('an answer is stopped from another server within a second, and gone on with from a third', async () => {
    instances.upstream.pace(200);
    const answer = await send(one, ann, chatId, 'q4 what comes next?');
    const reading = await read(three, ann, chatId, answer.id, new Reading(), some);
    const asked = performance.now();
    const stopped = (await ask(two, ann, 'POST', `/api/v1/chat/chats/${chatId}/messages/${answer.id}/cancel`)).body as WholeMessage;
    expect(performance.now() - asked).toBeLessThan(1500);
    expect(stopped.status).toBe('CANCELLED');
    await read(three, ann, chatId, answer.id, reading);
    expect(reading.text).toBe(stopped.content);

    instances.upstream.pace(5);
    const again = (await ask(three, ann, 'POST', `/api/v1/chat/chats/${chatId}/messages/${answer.id}/continue`, {})).body as WholeMessage;
    const whole = await read(one, ann, chatId, again.id);
    expect(whole.text.startsWith(stopped.content)).toBe(true);
    expect(whole.end).toMatchObject({ status: 'DELIVERED' });
  });

  test('a signed-out token is refused everywhere at once, and its sockets everywhere are closed', async () => {
    const bob = await register(one, 'bob');
    const room = await makeChat(two, bob);
    for (const instance of [one, two, three]) expect((await ask(instance, bob, 'GET', `/api/v1/chat/chats/${room}`)).status).toBe(200);
    const socket = await openSocket(three, bob, room);
    expect((await ask(one, bob, 'POST', '/api/auth/logout')).status).toBeLessThan(300);
    await vi.waitFor(() => expect(socket.closed).toBe(4401), { timeout: 2000 });
    for (const instance of [one, two, three]) {
      await vi.waitFor(async () => expect((await ask(instance, bob, 'GET', `/api/v1/chat/chats/${room}`)).status).toBe(401), { timeout: 2000 });
    }
  });

  test('a server that is killed leaves its text, and everybody is told INTERRUPTED within ten seconds', async () => {
    instances.upstream.pace(400);
    const answer = await send(one, ann, chatId, 'q5 what comes next?');
    const waiting = await send(two, ann, chatId, 'q6 and then?');
    const socket = await openSocket(three, ann, chatId);
    const readings = await Promise.all([two, three].map((instance) => read(instance, ann, chatId, answer.id, new Reading(), some)));
    instances.upstream.pace(5);
    const killed = performance.now();
    await one.kill();
    await Promise.all([read(two, ann, chatId, answer.id, readings[0]), read(three, ann, chatId, answer.id, readings[1])]);
    await vi.waitFor(() => expect(socket.frames.filter(({ type }) => type === 'ai_response_complete')).toMatchObject([{ message: { id: answer.id, status: 'INTERRUPTED' } }]), { timeout: 2000 });
    expect(performance.now() - killed).toBeLessThan(10_000);
    for (const { text, end } of readings) expect(end).toMatchObject({ status: 'INTERRUPTED', content: text });
    socket.close();
    // What waited behind it is made by one of the others.
    expect((await read(three, ann, chatId, waiting.id)).end).toMatchObject({ status: 'DELIVERED' });
    await replace(one);
  });

  test('a server that hangs past its lease and wakes up again writes nothing more, and its readers are told the truth', async () => {
    instances.upstream.pace(400);
    const answer = await send(one, ann, chatId, 'q7 what comes next?');
    const own = new Reading();
    const ownEnd = (async () => {
      await read(one, ann, chatId, answer.id, own);
    })();
    await vi.waitFor(() => expect(some(own)).toBe(true), { timeout: 10_000 });
    one.pause();
    try {
      // The model says everything to the server that hangs: it will find it all when it wakes up.
      instances.upstream.pace(5);
      const reading = await read(two, ann, chatId, answer.id);
      expect(reading.end).toMatchObject({ status: 'INTERRUPTED', content: reading.text });
      expect(reading.text.length).toBeLessThan(said().length);
      await instances.upstream.quiet();
      const before = await rowsOf(answer.id);
      one.resume();
      await ownEnd;
      expect(own).toEqual(reading);
      // Longer than it takes to write what it has, to look after its turns, and to be refused.
      await delay(4000);
      expect(await rowsOf(answer.id)).toEqual(before);
      // It is none the worse for it.
      const next = await send(one, ann, chatId, 'q8 and then?');
      expect((await read(three, ann, chatId, next.id)).end).toMatchObject({ status: 'DELIVERED' });
    } finally {
      one.resume();
    }
  });

  test('a server that ends hands what waits to the others, and ends what runs', async () => {
    instances.upstream.pace(300);
    const running = await send(one, ann, chatId, 'q9 what comes next?');
    const waiting = await send(one, ann, chatId, 'q10 and then?');
    await read(two, ann, chatId, running.id, new Reading(), some);
    const ending = one.end();
    const interrupted = await read(two, ann, chatId, running.id);
    expect(interrupted.end).toMatchObject({ status: 'INTERRUPTED', content: interrupted.text });
    instances.upstream.pace(5);
    const ended = performance.now();
    const next = await read(three, ann, chatId, waiting.id);
    expect(next.end).toMatchObject({ status: 'DELIVERED' });
    expect(performance.now() - ended).toBeLessThan(8000);
    await ending;
    await replace(one);
  });
});
