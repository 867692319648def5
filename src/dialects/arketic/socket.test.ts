import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.ts';
import { openSocket, startTestServer, type Json, type TestServer, type TestSocket, type TestUser } from '../testing.ts';

/** The machine's clock, moved on. */
let movedMs = 0;
const clock: Clock = { now: () => systemClock.now() + movedMs, monotonic: () => systemClock.monotonic() + movedMs };

let server: TestServer;
let ann: TestUser;
let bob: TestUser;
beforeAll(async () => {
  server = await startTestServer({ clock });
  ann = await server.user('ann');
  bob = await server.user('bob');
});
afterAll(() => server.stop());

const newChat = async (): Promise<string> =>
  (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A chat', ai_model: 'default' } })).json.id;
const say = (id: string, content = 'Hello?', query = ''): Promise<Json> =>
  server.request('POST', `/api/v1/chat/chats/${id}/messages${query}`, { as: ann, body: { content } }).then(({ json }) => json);
const connect = (id: string, query = '', user = ann) => openSocket(server, `/api/v1/chat/chats/${id}/ws?token=${user.token}${query}`);
const ready = async (id: string, query = '', user = ann) => {
  const socket = await connect(id, query, user);
  await socket.next('welcome');
  return socket;
};

/** Waits until everything sent to the server, and by it, has been handled. */
const pong = async (socket: TestSocket): Promise<void> => {
  socket.send({ type: 'ping', timestamp: '2024-01-01T12:00:00Z' });
  await socket.next('pong');
};

describe('The socket of a chat', () => {
  it('welcomes first, and answers a ping with its own timestamp', async () => {
    const id = await newChat();
    const socket = await connect(id);
    expect(await socket.next('welcome')).toEqual({
      type: 'welcome', message: 'Connected to chat', chat_id: id, user_id: ann.userId, username: 'ann', timestamp: expect.any(String), server_time: expect.any(String),
    });
    socket.send({ type: 'heartbeat', timestamp: '2024-01-01T12:00:00Z' });
    socket.send({ type: 'ping', timestamp: '2024-01-01T12:00:00Z' });
    expect(await socket.next('pong')).toEqual({ type: 'pong', timestamp: '2024-01-01T12:00:00Z', server_time: expect.any(String) });
    expect(socket.frames.map((frame) => frame.type)).toEqual(['welcome', 'pong']);
    socket.close();
  });

  it('takes the token also as a header', async () => {
    const socket = await openSocket(server, `/api/v1/chat/chats/${await newChat()}/ws`, ann.headers);
    await socket.next('welcome');
    socket.close();
  });

  it('streams an answer piece by piece, before the next piece exists', async () => {
    const id = await newChat();
    const [one, two] = [await ready(id), await ready(id)];
    const sent = await say(id);
    const call = await server.models.call();
    expect(await one.next('new_message')).toEqual({
      type: 'new_message',
      message: { id: sent.id, chat_id: id, sender_id: ann.userId, content: 'Hello?', message_type: 'USER', created_at: sent.created_at },
    });
    call.text('Hi, ');
    const first = await one.next('ai_response_chunk');
    expect(first).toMatchObject({ chat_id: id, chunk: 'Hi, ', full_content: 'Hi, ', offset: 0 });
    call.text('Ann.');
    expect(await one.next('ai_response_chunk')).toMatchObject({ chunk: 'Ann.', full_content: 'Hi, Ann.', offset: 4 });
    call.finish();
    const complete = await one.next('ai_response_complete');
    expect(complete.message).toMatchObject({ id: first.message_id, content: 'Hi, Ann.', status: 'DELIVERED', is_streaming: false, ai_model_used: 'one', tokens_used: 10, parent_id: sent.id });
    await two.next('ai_response_complete');
    expect(two.frames.map((frame) => frame.type)).toEqual(one.frames.map((frame) => frame.type));
    expect(one.frames.map((frame) => frame.type)).toEqual(['welcome', 'new_message', 'ai_response_start', 'ai_response_chunk', 'ai_response_chunk', 'ai_response_complete']);
    expect(one.frames[2].message).toMatchObject({ content: '', status: 'PROCESSING', is_streaming: true, ai_model_used: 'one', sender_id: null });
    one.close();
    two.close();
  });

  it('begins an answer when it begins to run, with the model that was asked, and ends it with the one that spoke', async () => {
    const id = await newChat();
    const socket = await ready(id);
    const { answer } = await say(id, 'Hello?', '?include=answer');
    const { answer: second } = await say(id, 'And?', '?include=answer');
    const call = await server.models.call();
    expect((await socket.next('ai_response_start')).message).toMatchObject({ id: answer.id, ai_model_used: 'one', content: '', status: 'PROCESSING' });
    // Nothing has been said yet: who comes now is told, too.
    const late = await ready(id);
    const attached = await ready(id);
    attached.send({ type: 'attach', message_id: answer.id, after_seq: 0 });
    await attached.next('ai_response_start');
    call.say({ type: 'model', model: 'scripted/two' }, { type: 'text', text: 'Hi.' });
    expect((await late.next('ai_response_start')).message).toMatchObject({ id: answer.id, content: '' });
    call.finish();
    for (const each of [socket, late, attached]) {
      expect((await each.next('ai_response_complete')).message).toMatchObject({ id: answer.id, ai_model_used: 'two', content: 'Hi.' });
      expect((await each.next('ai_response_start')).message).toMatchObject({ id: second.id, ai_model_used: 'one' });
    }
    (await server.models.call()).finish();
    for (const each of [socket, late, attached]) {
      await each.next('ai_response_complete', (frame) => frame.message.id === second.id);
      const starts = each.frames.filter((frame) => frame.type === 'ai_response_start').map((frame) => frame.message.id);
      expect(starts).toEqual([answer.id, second.id]);
      each.close();
    }
  });

  it('tells nothing twice to who attached and was ahead of the others', async () => {
    const id = await newChat();
    const [attached, other] = [await ready(id, '&full_content=false'), await ready(id, '&full_content=false')];
    const { answer } = await say(id, 'Hello?', '?include=answer');
    const call = await server.models.call();
    call.text('One ');
    const { seq } = await attached.next('ai_response_chunk');
    attached.send({ type: 'attach', message_id: answer.id, after_seq: seq });
    await pong(attached);
    for (const word of ['two ', 'three ', 'four ']) {
      call.text(word);
      await attached.next('ai_response_chunk');
    }
    call.text('five.');
    call.finish();
    // The others are told in steps: their end comes later, and with it nothing more for the one that has ended.
    await Promise.all([attached.next('ai_response_complete'), other.next('ai_response_complete')]);
    await pong(attached);
    for (const each of [attached, other]) {
      expect(each.frames.filter((frame) => frame.type === 'ai_response_chunk').map((frame) => frame.chunk).join('')).toBe('One two three four five.');
      expect(each.frames.filter((frame) => frame.type === 'ai_response_complete')).toHaveLength(1);
      each.close();
    }
    // Who asks again is told again.
    const again = await ready(id, '&full_content=false');
    for (const _ of [1, 2]) {
      again.send({ type: 'attach', message_id: answer.id, after_seq: 0 });
      await again.next('ai_response_start');
      expect(await again.next('ai_response_chunk')).toMatchObject({ chunk: 'One two three four five.', offset: 0 });
      await again.next('ai_response_complete');
    }
    again.close();
  });

  it('leaves the whole text out where it is not wanted, and then tells the reasoning', async () => {
    const id = await newChat();
    const [plain, whole] = [await ready(id, '&full_content=false'), await ready(id)];
    await say(id);
    const call = await server.models.call();
    call.say({ type: 'reasoning', text: 'Hm.' });
    expect(await plain.next('ai_reasoning_chunk')).toMatchObject({ chunk: 'Hm.', offset: 0 });
    call.text('Yes.');
    const chunk = await plain.next('ai_response_chunk');
    expect(Object.keys(chunk)).toEqual(['type', 'message_id', 'chat_id', 'chunk', 'offset', 'seq']);
    call.finish();
    await whole.next('ai_response_complete');
    expect(whole.frames.some((frame) => frame.type === 'ai_reasoning_chunk')).toBe(false);
    plain.close();
    whole.close();
  });

  it('stops an answer for everyone when one client cancels it', async () => {
    const id = await newChat();
    const [one, two] = [await ready(id), await ready(id)];
    await say(id);
    const call = await server.models.call();
    call.text('Part');
    const { message_id } = await one.next('ai_response_chunk');
    two.send({ type: 'cancel', message_id });
    for (const socket of [one, two]) {
      expect((await socket.next('ai_response_complete')).message).toMatchObject({ id: message_id, status: 'CANCELLED', content: 'Part', is_streaming: false });
    }
    expect(call.signal.aborted).toBe(true);
    one.close();
    two.close();
  });

  it('tells a failed answer once, as ai_error', async () => {
    const id = await newChat();
    const socket = await ready(id);
    await say(id);
    const call = await server.models.call();
    call.say({ type: 'error', error: { code: 'quota_exceeded', message: 'The quota is used up.', serviceFault: false } });
    expect(await socket.next('ai_error')).toMatchObject({ chat_id: id, error: 'The quota is used up.', error_code: 'quota_exceeded', timestamp: expect.any(String) });
    expect(socket.frames.filter((frame) => frame.type === 'ai_response_complete')).toEqual([]);
    socket.close();
  });

  it('keeps a message that no model can answer, and says so on the socket', async () => {
    const id = await newChat();
    await server.request('PATCH', `/api/v1/chat/chats/${id}`, { as: ann, body: { ai_model: 'missing' } });
    const socket = await ready(id);
    const sent = await say(id);
    expect(sent).toMatchObject({ content: 'Hello?', status: 'DELIVERED' });
    expect(await socket.next('ai_error')).toMatchObject({ error_code: 'model_not_found' });
    socket.close();
  });

  it('shows who joins in the middle the whole text, and gives all of it to who attaches', async () => {
    const id = await newChat();
    const { answer } = await say(id, 'Hello?', '?include=answer');
    const call = await server.models.call();
    call.text('One ');
    await eventually(async () => (await message(id, answer.id)).content === 'One ');
    const late = await ready(id);
    const attached = await ready(id, '&full_content=false');
    attached.send({ type: 'attach', message_id: answer.id, after_seq: 0 });
    expect(await attached.next('ai_response_start')).toMatchObject({ message: { id: answer.id } });
    expect(await attached.next('ai_response_chunk')).toMatchObject({ chunk: 'One ', offset: 0 });
    call.text('two.');
    expect(await late.next('ai_response_chunk')).toMatchObject({ chunk: 'two.', full_content: 'One two.', offset: 4 });
    expect(await attached.next('ai_response_chunk')).toMatchObject({ chunk: 'two.', offset: 4 });
    call.finish();
    await Promise.all([late.next('ai_response_complete'), attached.next('ai_response_complete')]);
    // Long after the end the same is told from the rows, also from the middle on and with the whole text.
    late.send({ type: 'attach', message_id: answer.id, after_seq: attached.frames.find((frame) => frame.chunk === 'One ').seq });
    expect(await late.next('ai_response_chunk')).toMatchObject({ chunk: 'two.', full_content: 'One two.', offset: 4 });
    expect((await late.next('ai_response_complete')).message.content).toBe('One two.');
    late.close();
    attached.close();
  });

  async function message(id: string, messageId: string): Promise<Json> {
    return (await server.request('GET', `/api/v1/chat/chats/${id}/messages/${messageId}`, { as: ann })).json;
  }

  it('answers queued questions in order', async () => {
    const id = await newChat();
    const socket = await ready(id);
    for (const content of ['one', 'two', 'three']) await say(id, content);
    for (const content of ['1', '2', '3']) {
      const call = await server.models.call();
      call.text(content);
      call.finish();
      expect((await socket.next('ai_response_complete')).message.content).toBe(content);
    }
    socket.close();
  });

  it('tells of typing, renaming, branches and deletion', async () => {
    const id = await newChat();
    const socket = await ready(id);
    const typing = await server.request('POST', `/api/v1/chat/chats/${id}/typing`, { as: ann });
    expect(await socket.next('typing_indicator')).toEqual({ type: 'typing_indicator', chat_id: id, user_id: ann.userId, username: 'ann', timestamp: typing.json.timestamp });
    await server.request('PATCH', `/api/v1/chat/chats/${id}`, { as: ann, body: { title: 'Renamed' } });
    expect(await socket.next('chat_updated', (frame) => frame.chat.title === 'Renamed')).toMatchObject({ chat_id: id });
    const sent = await say(id, 'Hi', '?include=answer');
    (await server.models.call()).finish();
    await socket.next('ai_response_complete');
    await server.request('POST', `/api/v1/chat/chats/${id}/messages/${sent.answer.id}/regenerate`, { as: ann, body: {} });
    expect(await socket.next('branch_changed')).toMatchObject({ chat_id: id, head_id: expect.not.stringContaining(sent.answer.id) });
    (await server.models.call()).finish();
    await server.request('DELETE', `/api/v1/chat/chats/${id}`, { as: ann });
    expect(await socket.next('chat_deleted')).toEqual({ type: 'chat_deleted', chat_id: id });
    expect((await socket.closed).code).toBe(4404);
  });

  it('forgives malformed frames, but not three in a row', async () => {
    const id = await newChat();
    const socket = await ready(id);
    socket.sendRaw('{no json');
    expect(await socket.next('error')).toMatchObject({ error_code: 'invalid_json', timestamp: expect.any(String) });
    socket.send({ type: 'dance' });
    expect(await socket.next('error')).toMatchObject({ error_code: 'unknown_message_type', error: 'Unknown message type: dance' });
    socket.send({ type: 'ping', timestamp: 'now' });
    await socket.next('pong');
    socket.send({ type: 'ping' });
    expect(await socket.next('error')).toMatchObject({ error_code: 'validation_failed' });
    socket.sendRaw(Buffer.from([1, 2, 3]));
    socket.send([1]);
    expect((await socket.closed).code).toBe(4400);
  });

  it.each([
    ['no token', (id: string) => `/api/v1/chat/chats/${id}/ws`, 4401],
    ['a forged token', (id: string) => `/api/v1/chat/chats/${id}/ws?token=eyJhbGciOiJub25lIn0.e30.`, 4401],
    ['the token of somebody else', (id: string) => `/api/v1/chat/chats/${id}/ws?token=${bob.token}`, 4403],
    ['an unknown chat', () => `/api/v1/chat/chats/01a1fc38-478b-7429-a13b-4e704d793342/ws?token=${ann.token}`, 4404],
    ['a path that is no id', () => `/api/v1/chat/chats/%00/ws?token=${ann.token}`, 4404],
  ])('closes a socket with %s', async (_name, path, code) => {
    const socket = await openSocket(server, path(await newChat()));
    expect((await socket.closed).code).toBe(code);
    expect(socket.frames).toEqual([]);
  });

  it('closes when the token is revoked, at once', async () => {
    const id = await newChat();
    const login = await server.request('POST', '/api/auth/login', { body: ann });
    const socket = await openSocket(server, `/api/v1/chat/chats/${id}/ws?token=${login.json.access_token}`);
    await socket.next('welcome');
    await server.request('POST', '/api/auth/logout', { headers: { authorization: `Bearer ${login.json.access_token}` } });
    expect((await socket.closed).code).toBe(4401);
  });

  it('closes when the token expires', async () => {
    let lateMs = 0;
    const late: Clock = { now: () => systemClock.now() + lateMs, monotonic: () => systemClock.monotonic() };
    const small = await startTestServer({ clock: late, settings: { TOKEN_LIFETIME: '60' } });
    try {
      const user = await small.user('ann');
      const { id } = (await small.request('POST', '/api/v1/chat/chats', { as: user, body: { title: 'A chat' } })).json;
      const socket = await openSocket(small, `/api/v1/chat/chats/${id}/ws?token=${user.token}`);
      await socket.next('welcome');
      lateMs = 61_000;
      expect((await socket.closed).code).toBe(4401);
    } finally {
      await small.stop();
    }
  });

  it('closes a frame over 64 KB with 1009', async () => {
    const socket = await ready(await newChat());
    socket.sendRaw(JSON.stringify({ type: 'ping', timestamp: 'x'.repeat(66_000) }));
    expect((await socket.closed).code).toBe(1009);
  });

  it('takes the cookie of the page only from origins of this server', async () => {
    const id = await newChat();
    const login = await server.request('POST', '/api/auth/login', { body: ann });
    const cookie = login.headers.getSetCookie().map((text) => text.split(';')[0]).join('; ');
    const path = `/api/v1/chat/chats/${id}/ws`;
    const own = await openSocket(server, path, { cookie, origin: server.url });
    await own.next('welcome');
    own.close();
    const foreign = await openSocket(server, path, { cookie, origin: 'https://elsewhere.example' });
    expect((await foreign.closed).code).toBe(4403);
  });

  it('closes after five minutes without a client frame, whatever the server says', async () => {
    const id = await newChat();
    const [silent, talking] = [await ready(id), await ready(id)];
    movedMs += 290_000;
    talking.send({ type: 'heartbeat' });
    talking.send({ type: 'ping', timestamp: 'x' });
    await talking.next('pong');
    await server.request('POST', `/api/v1/chat/chats/${id}/typing`, { as: ann });
    movedMs += 15_000;
    expect((await silent.closed).code).toBe(4408);
    expect(talking.socket.readyState).toBe(1);
    talking.close();
  });
});

describe('Sockets of one address', () => {
  it('are limited', async () => {
    const small = await startTestServer({ settings: { LIMIT_SOCKETS_PER_ADDRESS: '2' } });
    try {
      const user = await small.user('ann');
      const { id } = (await small.request('POST', '/api/v1/chat/chats', { as: user, body: { title: 'A chat' } })).json;
      const open = () => openSocket(small, `/api/v1/chat/chats/${id}/ws?token=${user.token}`);
      const [one, two] = [await open(), await open()];
      await Promise.all([one.next('welcome'), two.next('welcome')]);
      expect((await (await open()).closed).code).toBe(4429);
      one.close();
      await one.closed;
      await (await open()).next('welcome');
    } finally {
      await small.stop();
    }
  });

  it('are closed with 1001 when the server stops', async () => {
    const small = await startTestServer();
    const user = await small.user('ann');
    const { id } = (await small.request('POST', '/api/v1/chat/chats', { as: user, body: { title: 'A chat' } })).json;
    const socket = await openSocket(small, `/api/v1/chat/chats/${id}/ws?token=${user.token}`);
    await socket.next('welcome');
    await small.stop();
    expect((await socket.closed).code).toBe(1001);
  });
});

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
