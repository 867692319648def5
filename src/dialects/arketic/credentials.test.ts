import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.ts';
import { openSocket, startTestServer, type TestServer, type TestSocket, type TestUser } from '../testing.ts';

/** The machine's clock, moved on. */
let movedMs = 0;
const clock: Clock = { now: () => systemClock.now() + movedMs, monotonic: () => systemClock.monotonic() };

let server: TestServer;
let ann: TestUser;
beforeAll(async () => {
  server = await startTestServer({ clock, settings: { TOKEN_LIFETIME: '600' } });
  ann = await server.user('ann');
});
afterAll(() => server.stop());

/** Somebody fresh, with a token and an API key, who takes part in a chat in which an answer is being made. */
interface Guest {
  userId: string;
  token: string;
  key: string;
  keyId: string;
  chatId: string;
  answerId: string;
}

let count = 0;
let guest: Guest;
beforeEach(async () => {
  movedMs = 0;
  const user = await server.user(`guest-${(count += 1)}`);
  const { id: keyId, key } = await server.parts.accounts.createApiKey(user.userId, 'program');
  const chat = await server.request('POST', '/api/v1/chat/chats', { as: user, body: { title: 'A chat', ai_model: 'default' } });
  const sent = await server.request('POST', `/api/v1/chat/chats/${chat.json.id}/messages?include=answer`, { as: user, body: { content: 'Hello?' } });
  (await server.models.call()).text('I am thinking.');
  guest = { userId: user.userId, token: user.token, key, keyId, chatId: chat.json.id, answerId: sent.json.answer.id };
});

const socketPath = (): string => `/api/v1/chat/chats/${guest.chatId}/ws`;
const streamPath = (): string => `/api/v1/chat/chats/${guest.chatId}/messages/${guest.answerId}/stream`;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function connect(token: string): Promise<TestSocket> {
  const socket = await openSocket(server, socketPath(), bearer(token));
  await socket.next('welcome');
  return socket;
}

/** Follows the answer, whose end does not come; resolves when the first piece is there. `ended` resolves when the server ends the stream. */
async function stream(token: string): Promise<{ ended: Promise<void> }> {
  const response = await fetch(server.url + streamPath(), { headers: bearer(token) });
  expect(response.status).toBe(200);
  const reader = response.body!.getReader();
  await reader.read();
  const toEnd = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  return { ended: toEnd() };
}

const ways: { name: string; credential: 'token' | 'key'; end(): Promise<unknown> }[] = [
  { name: 'signing out', credential: 'token', end: () => server.request('POST', '/api/auth/logout', { headers: bearer(guest.token) }) },
  { name: 'the expiry of the token', credential: 'token', end: async () => void (movedMs = 601_000) },
  { name: 'a new password', credential: 'token', end: () => server.parts.accounts.setPassword(guest.userId, 'another long password') },
  { name: 'the revocation of the API key', credential: 'key', end: () => server.parts.accounts.revokeApiKey(guest.userId, guest.keyId) },
  ...(['token', 'key'] as const).flatMap((credential) => [
    { name: `another role (${credential})`, credential, end: () => server.parts.accounts.setRole(guest.userId, 'admin') },
    { name: `the disabling of the account (${credential})`, credential, end: () => server.parts.accounts.setDisabled(guest.userId, true) },
  ]),
];

describe('What is open ends at once', () => {
  it.each(ways)('with $name: sockets with 4401, event streams, and nothing of anybody else', async ({ credential, end }) => {
    const other = await openSocket(server, `/api/v1/chat/chats/${(await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'Other' } })).json.id}/ws`, ann.headers);
    await other.next('welcome');
    const socket = await connect(guest[credential]);
    const following = await stream(guest[credential]);
    await end();
    expect(await socket.closed).toMatchObject({ code: 4401 });
    await following.ended;
    if (movedMs === 0) {
      other.send({ type: 'ping', timestamp: 'x' });
      await other.next('pong');
    }
    other.close();
  });

  it('when a token ends, and the API key of the same user goes on', async () => {
    const [byToken, byKey] = [await connect(guest.token), await connect(guest.key)];
    await server.request('POST', '/api/auth/logout', { headers: bearer(guest.token) });
    expect((await byToken.closed).code).toBe(4401);
    byKey.send({ type: 'ping', timestamp: 'x' });
    await byKey.next('pong');
    byKey.close();
  });

  it('also when it ends while the socket or the stream is being opened', async () => {
    const { conversations } = server.parts;
    for (const open of [
      async () => (await (await openSocket(server, socketPath(), bearer(guest.token))).closed).code,
      async () => (await fetch(server.url + streamPath(), { headers: bearer(guest.token) })).status,
    ]) {
      const get = conversations.get.bind(conversations);
      const spy = vi.spyOn(conversations, 'get').mockImplementationOnce(async (viewer, chatId) => {
        const seen = await get(viewer, chatId);
        await server.parts.accounts.setPassword(guest.userId, 'another long password');
        return seen;
      });
      expect([4401, 401]).toContain(await open());
      spy.mockRestore();
      guest.token = (await server.request('POST', '/api/auth/login', { body: { username: `guest-${count}`, password: 'another long password' } })).json.access_token;
    }
  });
});

describe('A page of another origin', () => {
  const cookieOf = async (): Promise<string> => {
    const login = await server.request('POST', '/api/auth/login', { body: { username: `guest-${count}`, password: `guest-${count}-secret-1` } });
    return login.headers.getSetCookie().map((text) => text.split(';')[0]).join('; ');
  };

  it.each(['https://elsewhere.example', 'null', 'http://127.0.0.1.elsewhere.example', 'file://'])('%s uses the cookie for no socket, no stream and no request', async (origin) => {
    const cookie = await cookieOf();
    const socket = await openSocket(server, socketPath(), { cookie, origin });
    expect((await socket.closed).code).toBe(4403);
    for (const path of [streamPath(), '/api/v1/chat/public']) {
      const refused = await fetch(server.url + path, { headers: { cookie, origin } });
      expect([refused.status, refused.headers.get('x-error-code'), refused.headers.get('access-control-allow-origin')]).toEqual([403, 'origin_refused', null]);
    }
  });

  it('is no matter to a token, which no browser adds by itself; the own origin uses the cookie', async () => {
    const origin = 'https://elsewhere.example';
    const socket = await openSocket(server, socketPath(), { ...bearer(guest.token), origin });
    await socket.next('welcome');
    socket.close();
    const response = await fetch(server.url + streamPath(), { headers: { ...bearer(guest.token), origin } });
    expect(response.status).toBe(200);
    await response.body!.cancel();
    const own = await fetch(server.url + streamPath(), { headers: { cookie: await cookieOf(), origin: server.url } });
    expect(own.status).toBe(200);
    await own.body!.cancel();
  });
});
