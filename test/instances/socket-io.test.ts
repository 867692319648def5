import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openSocketIo, type Json, type TestSocketIo } from '../../src/dialects/testing.ts';
import { createDatabase, type FreshDatabase } from './database.ts';
import { ask, makeChat, openInstances, register, type Instance, type Instances, type Person } from './instances.ts';
import { startProxy, type Proxy } from './proxy.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);

describe.skipIf(!runs)('Socket.IO on three servers behind a proxy that knows nothing of sessions', () => {
  let database: FreshDatabase;
  let instances: Instances;
  let proxy: Proxy;
  let ann: Person;
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
    instances.upstream.pace(20);
    chatId = await makeChat(proxy, ann);
  });

  const said = (): string => [...instances.upstream.answers.values()].at(-1)!.text;
  const portOf = ({ address }: { address: string }): { port: number } => ({ port: Number(new URL(address).port) });
  const texts = (client: TestSocketIo): string => client.events.filter(({ event }) => event === 'answer_chunk').map(({ payload }) => payload.content).join('');

  /** A client by WebSocket only, in the chat. */
  async function connect(to: { address: string } = proxy, person = ann, stream = false): Promise<TestSocketIo> {
    const client = await openSocketIo(portOf(to), { transports: ['websocket'], auth: { token: person.token } });
    expect(await client.ask('join_conversation', { conversation_id: chatId, stream })).toEqual({ ok: true });
    return client;
  }

  test('clients hear the same whichever server they came to: both rows, in order, once, and who is typing', async () => {
    const before = new Map(proxy.counts);
    const clients = [await connect(), await connect(), await connect()];
    for (const { address } of instances.all) expect(proxy.counts.get(address)! - (before.get(address) ?? 0)).toBeGreaterThan(0);
    await clients[0]!.ask('typing_indicator', { conversation_id: chatId, is_typing: true });
    const { message_id: question, answer_id: answer } = await clients[0]!.ask('send_message', { conversation_id: chatId, content: 'q1 what comes next?' });
    for (const client of clients) {
      expect(await client.next('message_received')).toMatchObject({ id: question, role: 'user' });
      expect(await client.next('message_received')).toMatchObject({ id: answer, role: 'assistant', content: said() });
      expect(client.events.filter(({ event }) => event === 'message_received')).toHaveLength(2);
    }
    expect(clients.map((client) => client.events.filter(({ event }) => event === 'user_typing').length)).toEqual([0, 1, 1]);
    for (const client of clients) client.close();
  });

  test('growing answers reach clients of all servers word for word, and are stopped from any', async () => {
    const clients = await Promise.all(instances.all.map((instance) => connect(instance, ann, true)));
    const first: Json = await clients[1]!.ask('send_message', { conversation_id: chatId, content: 'q2 what comes next?' });
    for (const client of clients) {
      expect(await client.next('answer_ended')).toMatchObject({ message_id: first.answer_id, status: 'delivered' });
      expect(texts(client)).toBe(said());
    }
    instances.upstream.pace(200);
    const second: Json = await clients[0]!.ask('send_message', { conversation_id: chatId, content: 'q3 what comes next?' });
    await clients[2]!.next('answer_chunk', ({ message_id }) => message_id === second.answer_id);
    expect(await clients[2]!.ask('cancel_answer', { message_id: second.answer_id })).toEqual({ ok: true, status: 'cancelled' });
    for (const client of clients) expect(await client.next('answer_ended', ({ message_id }) => message_id === second.answer_id)).toMatchObject({ status: 'cancelled' });
    for (const client of clients) client.close();
  });

  test('a client whose server is killed goes on at another, without a gap or a repeat', async () => {
    instances.upstream.pace(60);
    const [maker, other] = instances.all as [Instance, Instance];
    const reader = await connect(other, ann, true);
    const sender = await connect(maker);
    const { answer_id: answer }: Json = await sender.ask('send_message', { conversation_id: chatId, content: 'q4 what comes next?' });
    await vi.waitFor(() => expect(texts(reader).length).toBeGreaterThan(20));
    await other.kill();
    instances.all.splice(instances.all.indexOf(other), 1);
    expect(await reader.gone).toMatch(/^transport/);
    const { seq } = reader.events.findLast(({ event }) => event === 'answer_chunk')!.payload;
    const again = await openSocketIo(portOf(proxy), { transports: ['websocket'], auth: { token: ann.token } });
    await again.ask('attach_answer', { message_id: answer, after: seq });
    expect(await again.next('answer_ended')).toMatchObject({ status: 'delivered' });
    expect(texts(reader) + texts(again)).toBe(said());
    for (const client of [sender, again]) client.close();
    await instances.start();
  });

  test('a signed-out client is disconnected on every server', async () => {
    const bob = await register(instances.all[0]!, 'bob');
    chatId = await makeChat(proxy, bob);
    const clients = await Promise.all(instances.all.map((instance) => connect(instance, bob)));
    expect((await ask(proxy, bob, 'POST', '/api/auth/logout')).status).toBeLessThan(300);
    for (const client of clients) expect(await client.gone).toBe('io server disconnect');
  });
});
