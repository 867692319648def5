import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.ts';
import { openSocket, startTestServer, type Json, type TestServer, type TestSocket, type TestUser } from '../testing.ts';

/** The machine's clock, moved on. */
let movedMs = 0;
const clock: Clock = { now: () => systemClock.now() + movedMs, monotonic: () => systemClock.monotonic() + movedMs };

describe('The socket of the friend dialect', () => {
  let server: TestServer;
  let ann: TestUser;
  beforeEach(async () => {
    movedMs = 0;
    server = await startTestServer({ clock });
    ann = await server.user('ann');
  });
  afterEach(() => server.stop());

  const connect = (user = ann, name = user.username) => openSocket(server, `/api/chat/ws/${name}?token=${user.token}`);
  const history = async (): Promise<Json> => (await server.request('GET', '/api/chat/history', { as: ann })).json;
  /** The frames of a socket, as soon as there are so many. */
  async function frames(socket: TestSocket, count: number): Promise<Json[]> {
    while (socket.frames.length < count) {
      await Promise.race([
        new Promise((resolve) => socket.socket.once('message', resolve)),
        socket.closed.then(({ code }) => Promise.reject(new Error(`closed with ${code} after ${socket.frames.length} frames`))),
      ]);
    }
    return socket.frames;
  }

  it('answers a message as the document has it, and nothing before', async () => {
    const socket = await connect();
    socket.send({ message: 'Hello AI!', timestamp: '2025-12-06T10:30:00Z' });
    const call = await server.models.call();
    movedMs += 3000;
    call.text('Hello! How are you?');
    call.finish();
    const [reply] = await frames(socket, 1);
    expect(reply).toEqual({ response: 'Hello! How are you?', emotion: null, processing_time: expect.any(Number), timestamp: expect.stringMatching(/Z$/) });
    expect(reply.processing_time).toBeGreaterThanOrEqual(3);
    expect((await history()).messages.map(({ content }: Json) => content)).toEqual(['Hello AI!', 'Hello! How are you?']);
    socket.close();
  });

  it('answers twelve quick messages in their order, each once', async () => {
    const socket = await connect();
    const numbers = Array.from({ length: 12 }, (_, at) => `${at + 1}`);
    for (const message of numbers) socket.send({ message });
    for (const number of numbers) {
      const call = await server.models.call();
      expect(call.request.messages.at(-1)!.content).toBe(number);
      call.text(`answer ${number}`);
      call.finish();
    }
    expect((await frames(socket, 12)).map(({ response }) => response)).toEqual(numbers.map((number) => `answer ${number}`));
    expect((await history()).messages.map(({ content }: Json) => content)).toEqual(numbers.flatMap((number) => [number, `answer ${number}`]));
    socket.close();
  });

  it('answers faults with an error in the place of the reply, and stays open', async () => {
    const socket = await connect();
    socket.send({ message: 'one' });
    socket.send({ message: '   ' });
    socket.send({ message: 'two' });
    const first = await server.models.call();
    first.say({ type: 'error', error: { code: 'provider_error', message: 'It broke.', serviceFault: true } });
    const second = await server.models.call();
    second.text('fine');
    second.finish();
    expect(await frames(socket, 3)).toMatchObject([
      { error: 'It broke.', error_code: 'provider_error', timestamp: expect.any(String) },
      { error: 'Message content cannot be empty', error_code: 'empty_message' },
      { response: 'fine' },
    ]);
    expect(Object.keys(socket.frames[0])).toEqual(['error', 'error_code', 'timestamp']);
    expect(socket.socket.readyState).toBe(1);
    socket.close();
  });

  it('forgives malformed frames, but not three in a row', async () => {
    const socket = await connect();
    socket.sendRaw('{no json');
    socket.send({ type: 'dance' });
    server.models.answerWith(['fine']);
    socket.send({ message: 'Hello?' });
    await frames(socket, 3);
    for (const frame of [[1], { message: 7 }]) socket.send(frame);
    socket.sendRaw(Buffer.from([1, 2]));
    expect((await socket.closed).code).toBe(4400);
    expect(socket.frames.map((frame) => frame.error_code)).toEqual(['invalid_json', 'unknown_message_type', undefined, 'validation_failed', 'validation_failed', 'invalid_json']);
  });

  it.each([
    ['no token', () => '/api/chat/ws/ann', 4401],
    ['a forged token', () => '/api/chat/ws/ann?token=eyJhbGciOiJub25lIn0.e30.', 4401],
    ['the path of another user', () => `/api/chat/ws/bob?token=${ann.token}`, 4403],
    ['a path that is no name', () => `/api/chat/ws/%00?token=${ann.token}`, 4403],
  ])('closes with %s', async (_name, path, code) => {
    const socket = await openSocket(server, path());
    expect((await socket.closed).code).toBe(code);
    expect(socket.frames).toEqual([]);
  });

  it('takes the name of the user however it is written', async () => {
    const socket = await connect(ann, 'ANN');
    server.models.answerWith(['fine']);
    socket.send({ message: 'Hello?' });
    await frames(socket, 1);
    socket.close();
  });

  it('closes at once when the token is revoked or its user disabled, and not those of other sign-ins', async () => {
    const login = (await server.request('POST', '/api/auth/login', { body: ann })).json.access_token;
    const [one, other] = [await openSocket(server, `/api/chat/ws/ann?token=${login}`), await connect()];
    await server.request('POST', '/api/auth/logout', { headers: { authorization: `Bearer ${login}` } });
    expect((await one.closed).code).toBe(4401);
    expect(other.socket.readyState).toBe(1);
    const bob = await server.user('bob');
    const third = await connect(bob);
    await server.parts.accounts.setDisabled(bob.userId, true);
    expect((await third.closed).code).toBe(4401);
    other.close();
  });

  it('closes after five minutes without a frame of the client, and when the token expires', async () => {
    const [silent, talking] = [await connect(), await connect()];
    movedMs += 290_000;
    talking.send({ type: 'heartbeat' });
    server.models.answerWith(['fine']);
    talking.send({ message: 'Hello?' });
    await frames(talking, 1);
    movedMs += 15_000;
    expect((await silent.closed).code).toBe(4408);
    expect(talking.socket.readyState).toBe(1);
    movedMs += 31 * 86_400_000;
    expect([4401, 4408]).toContain((await talking.closed).code);
  });

  it('names replies and gives their pieces to who asks for them', async () => {
    const socket = await connect();
    socket.send({ message: 'Hello?', stream: true });
    const call = await server.models.call();
    const [start] = await frames(socket, 1);
    expect(start).toMatchObject({ type: 'start', message_id: 2, session_id: (await history()).session_id });
    call.text('Hi, ');
    expect((await frames(socket, 2))[1]).toEqual({ type: 'chunk', session_id: start.session_id, message_id: 2, text: 'Hi, ', offset: 0 });
    call.text('Ann.');
    expect((await frames(socket, 3))[2]).toMatchObject({ type: 'chunk', text: 'Ann.', offset: 4 });
    call.finish();
    expect((await frames(socket, 4))[3]).toMatchObject({ type: 'reply', message_id: 2, response: 'Hi, Ann.', emotion: null });
    socket.close();
  });

  it('goes on with a reply on another socket exactly where the first was', async () => {
    const first = await connect();
    first.send({ message: 'Hello?', stream: true });
    const call = await server.models.call();
    call.text('One two ');
    await frames(first, 2);
    first.close();
    await first.closed;
    const second = await connect();
    second.send({ type: 'attach', message_id: 2, after: 4 });
    expect((await frames(second, 1))[0]).toMatchObject({ type: 'chunk', text: 'two ', offset: 4 });
    call.text('three');
    call.finish();
    expect((await frames(second, 3)).slice(1)).toMatchObject([{ type: 'chunk', text: 'three', offset: 8 }, { type: 'reply', message_id: 2, response: 'One two three' }]);
    second.send({ type: 'attach', message_id: 1 });
    second.send({ type: 'attach', message_id: 99 });
    expect((await frames(second, 5)).slice(3)).toMatchObject([{ type: 'error', frame: 'attach', error_code: 'conflict' }, { type: 'error', frame: 'attach', error_code: 'not_found' }]);
    second.close();
  });

  it('stops a reply for whoever waits for it', async () => {
    const [one, two] = [await connect(), await connect()];
    one.send({ message: 'Hello?' });
    const call = await server.models.call();
    two.send({ type: 'cancel', message_id: 2 });
    expect((await frames(one, 1))[0]).toMatchObject({ error_code: 'cancelled' });
    expect(call.signal.aborted).toBe(true);
    one.close();
    two.close();
  });

  it('goes on with the reply when the socket closes', async () => {
    const socket = await connect();
    socket.send({ message: 'Hello?' });
    const call = await server.models.call();
    socket.close();
    await socket.closed;
    call.text('Still here.');
    call.finish();
    while ((await history()).messages[1]?.content !== 'Still here.') await new Promise((resolve) => setTimeout(resolve, 5));
    expect(call.signal.aborted).toBe(false);
  });

  it('takes the cookie of the page only from origins of this server', async () => {
    const login = await server.request('POST', '/api/auth/login', { body: ann });
    const cookie = login.headers.getSetCookie().map((text) => text.split(';')[0]).join('; ');
    server.models.answerWith(['fine']);
    const own = await openSocket(server, '/api/chat/ws/ann', { cookie, origin: server.url });
    own.send({ message: 'Hello?' });
    await frames(own, 1);
    own.close();
    const foreign = await openSocket(server, '/api/chat/ws/ann', { cookie, origin: 'https://elsewhere.example' });
    expect((await foreign.closed).code).toBe(4403);
  });
});

describe('A socket whose user sends too much', () => {
  it('gets errors, and is closed with 4429 when it goes on', async () => {
    const server = await startTestServer({ settings: { LIMIT_FRIEND_MESSAGES_PER_MINUTE: '2' } });
    try {
      const ann = await server.user('ann');
      server.models.answerWith(['fine']);
      await server.request('POST', '/api/chat/send', { as: ann, body: { message: 'this counts as well' } });
      const socket = await openSocket(server, `/api/chat/ws/ann?token=${ann.token}`);
      for (const message of ['one', 'two', 'three', 'four']) socket.send({ message });
      expect((await socket.closed).code).toBe(4429);
      expect(socket.frames.at(-1)).toMatchObject({ error_code: 'rate_limited' });
      expect(socket.frames.filter((frame) => frame.error_code === 'rate_limited').length).toBeGreaterThanOrEqual(1);
    } finally {
      await server.stop();
    }
  });
});
