import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../src/base/observability/index.ts';
import { startOwnRedis, type OwnRedis } from '../../src/base/redis/testing.ts';
import { readConfig } from '../../src/config.ts';
import { openSocket, sendRequest, type Json, type TestSocket } from '../../src/dialects/testing.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { createRandom } from '../kill/random.ts';
import { modelId, providerName, startUpstream, type Upstream } from '../kill/upstream.ts';
import { createDatabase, type FreshDatabase } from './database.ts';

/** Milliseconds in which the other instance has heard of something by a hint, and by the rows when no hint comes. */
const byHintMs = 2000;
const byRowsMs = 12_000;

interface Instance {
  parts: Parts;
  port: number;
  url: string;
}

interface Person {
  username: string;
  userId: string;
  key: string;
  keyId: string;
}

describe.skipIf(!process.env['DATABASE_URL_TEST'] || !process.env['REDIS_URL_TEST'])('people in a chat that two instances show', () => {
  let database: FreshDatabase;
  let redis: OwnRedis;
  let upstream: Upstream;
  let folder: string;
  let [one, two]: Instance[] = [];
  let [ann, bob]: Person[] = [];
  let chatId: string;
  let names = 0;

  async function start(name: string): Promise<Instance> {
    const config = readConfig({
      PORT: '0', DATA_DIR: join(folder, name), SECRETS_FILE: join(folder, 'secrets.json'), DATABASE_URL: database.url, REDIS_URL: redis.url, OLLAMA_URLS: 'off', DRAIN_SECONDS: '0',
      COMPATIBLE_SERVERS: `${providerName}=${upstream.url}`, DEFAULT_MODEL: modelId, LIMIT_SOCKETS_PER_ADDRESS: '1000',
    });
    const parts = createParts(config, { log: silentLog(), webDir: join(folder, 'no-page') });
    await parts.start();
    const { port } = parts.http.addresses()[0]!;
    return { parts, port, url: `http://127.0.0.1:${port}` };
  }

  async function person(name: string): Promise<Person> {
    const username = `${name}-${(names += 1)}`;
    const { accounts } = one!.parts;
    const user = await accounts.createUser({ username, password: `${username}-secret-1`, email: null, name: null, role: 'user' });
    const { id, key } = await accounts.createApiKey(user.id, 'program');
    return { username, userId: user.id, key, keyId: id };
  }

  const bearer = (who: Person) => ({ authorization: `Bearer ${who.key}` });
  const request = (at: Instance, who: Person, method: string, path: string, body?: object) => sendRequest(at.url, method, `/api/v1/chat/chats${path}`, { headers: bearer(who), body });
  const connect = async (at: Instance, who: Person): Promise<TestSocket> => {
    const socket = await openSocket(at, `/api/v1/chat/chats/${chatId}/ws`, bearer(who));
    await socket.next('welcome');
    return socket;
  };
  const within = async <Result>(milliseconds: number, what: Promise<Result>): Promise<Result> => {
    const began = performance.now();
    const result = await what;
    expect(performance.now() - began).toBeLessThan(milliseconds);
    return result;
  };

  /** Follows an answer at the second instance; `ended` resolves when the server ends the stream. */
  async function stream(who: Person): Promise<{ ended: Promise<void>; isWhole(): boolean }> {
    const { answer } = (await request(one!, ann!, 'POST', `/${chatId}/messages?include=answer`, { content: 'Say a long thing, slowly.' })).json;
    const response = await fetch(`${two!.url}/api/v1/chat/chats/${chatId}/messages/${answer.id}/stream`, { headers: bearer(who) });
    const reader = response.body!.getReader();
    let text = new TextDecoder().decode((await reader.read()).value);
    const toEnd = async (): Promise<void> => {
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += new TextDecoder().decode(piece.value);
    };
    return { ended: toEnd(), isWhole: () => text.includes('event: end') };
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-members-'));
    [database, redis, upstream] = [await createDatabase(), await startOwnRedis(), await startUpstream(createRandom(1), { fewest: 2000, most: 2000 })];
    // An answer takes many times longer than any step below.
    upstream.pace(50);
    [one, two] = [await start('one'), await start('two')];
  }, 60_000);
  afterAll(async () => {
    for (const instance of [one, two]) await instance?.parts.stop();
    await upstream.close();
    await database.close();
    await redis.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    [ann, bob] = [await person('ann'), await person('bob')];
    chatId = (await request(one!, ann, 'POST', '', { title: 'Trees', chat_type: 'GROUP', ai_model: modelId })).json.id;
    expect((await request(two!, bob, 'POST', `/${chatId}/join`)).status).toBe(200);
  });

  test('who is taken out at one instance is cut off at the other, in the middle of an answer; the others are told', async () => {
    const [own, other] = [await connect(two!, bob!), await connect(two!, ann!)];
    const following = await stream(bob!);
    await other.next('ai_response_chunk');
    await request(one!, ann!, 'DELETE', `/${chatId}/participants/${bob!.userId}`);
    expect((await within(byHintMs, own.closed)).code).toBe(4403);
    await within(byHintMs, following.ended);
    expect(following.isWhole()).toBe(false);
    expect(await within(byHintMs, other.next('participant_left'))).toMatchObject({ chat_id: chatId, user_id: bob!.userId, username: bob!.username });
    // Bob's socket opened the room of this instance; for Ann the answer goes on.
    const { offset } = other.frames.findLast((frame) => frame.type === 'ai_response_chunk');
    await other.next('ai_response_chunk', (frame) => frame.offset > offset);
    other.close();
  }, 20_000);

  test('roles and rights given at one instance hold at the other, and are told there', async () => {
    const socket = await connect(two!, bob!);
    await request(one!, ann!, 'PATCH', `/${chatId}/participants/${bob!.userId}`, { can_send_messages: false });
    expect((await within(byHintMs, socket.next('participant_changed'))).participant).toMatchObject({ username: bob!.username, can_send_messages: false });
    expect((await request(two!, bob!, 'POST', `/${chatId}/messages`, { content: 'x' })).status).toBe(403);
    await request(one!, ann!, 'POST', `/${chatId}/messages`, { content: 'Hear this', answer: false });
    await socket.next('new_message');
    await request(one!, ann!, 'PATCH', `/${chatId}/participants/${bob!.userId}`, { role: 'OWNER' });
    await socket.next('participant_changed', (frame: Json) => frame.participant.role === 'OWNER');
    expect((await request(two!, bob!, 'DELETE', `/${chatId}/participants/${ann!.userId}`)).status).toBe(204);
    socket.close();
  }, 20_000);

  test('read marks made at one instance are shown by the other a second later', async () => {
    await request(one!, bob!, 'GET', `/${chatId}`);
    const markOf = async (at: Instance) => (await request(at, ann!, 'GET', `/${chatId}/participants`)).json.participants.find((entry: Json) => entry.user_id === bob!.userId).last_read_at;
    const mark = await markOf(one!);
    expect(mark).toEqual(expect.any(String));
    await vi.waitFor(async () => expect(await markOf(two!)).toBe(mark), { timeout: 4000, interval: 50 });
  }, 20_000);

  test.each([
    { name: 'the revocation of a key', end: () => one!.parts.accounts.revokeApiKey(bob!.userId, bob!.keyId) },
    { name: 'the disabling of an account', end: () => one!.parts.accounts.setDisabled(bob!.userId, true) },
    { name: 'another role', end: () => one!.parts.accounts.setRole(bob!.userId, 'admin') },
  ])('$name at one instance ends sockets and streams at the other', async ({ end }) => {
    const socket = await connect(two!, bob!);
    const following = await stream(bob!);
    await end();
    expect((await within(byHintMs, socket.closed)).code).toBe(4401);
    await within(byHintMs, following.ended);
    expect(following.isWhole()).toBe(false);
  }, 20_000);

  test('while Redis is away the rows say all of it, some seconds later', async () => {
    const guest = await person('guest');
    await request(one!, guest, 'POST', `/${chatId}/join`);
    const [taken, revoked, other] = [await connect(two!, bob!), await connect(two!, guest), await connect(two!, ann!)];
    const following = await stream(bob!);
    await redis.stop();
    await request(one!, ann!, 'DELETE', `/${chatId}/participants/${bob!.userId}`);
    await one!.parts.accounts.revokeApiKey(guest.userId, guest.keyId);
    expect((await within(byRowsMs, taken.closed)).code).toBe(4403);
    expect((await within(byRowsMs, revoked.closed)).code).toBe(4401);
    await within(byRowsMs, following.ended);
    expect(await within(byRowsMs, other.next('participant_left'))).toMatchObject({ user_id: bob!.userId });
    await redis.start();
    other.close();
  }, 60_000);
});
