import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { openSocket, startTestServer, type Json, type TestServer, type TestSocket, type TestUser } from '../testing.ts';

const unknown = '01a1fc38-478b-7429-a13b-4e704d793342';

describe.each(engines)('Chats of several people on %s', (engine) => {
  let server: TestServer;
  let [ann, bob, cleo]: TestUser[] = [];
  beforeAll(async () => {
    server = await startTestServer({ engine });
    [ann, bob, cleo] = [await server.user('ann'), await server.user('bob'), await server.user('cleo')];
  });
  afterAll(() => server.stop());

  const url = (id: string, rest = ''): string => `/api/v1/chat/chats/${id}${rest}`;
  const make = async (fields: object = {}): Promise<string> =>
    (await server.request('POST', '/api/v1/chat/chats', { as: ann!, body: { title: 'A chat', chat_type: 'GROUP', ai_model: 'default', ...fields } })).json.id;
  const join = (id: string, as: TestUser) => server.request('POST', url(id, '/join'), { as });
  const say = (id: string, as: TestUser, content = 'Hello?', more: object = { answer: false }) => server.request('POST', url(id, '/messages?include=answer'), { as, body: { content, ...more } });
  const change = (id: string, as: TestUser, who: TestUser, body: object) => server.request('PATCH', url(id, `/participants/${who.userId}`), { as, body });
  const remove = (id: string, as: TestUser, who: TestUser) => server.request('DELETE', url(id, `/participants/${who.userId}`), { as });
  const connect = async (id: string, user: TestUser, query = ''): Promise<TestSocket> => {
    const socket = await openSocket(server, `${url(id, '/ws')}?token=${user.token}${query}`);
    await socket.next('welcome');
    return socket;
  };
  const participants = async (id: string, as = ann!): Promise<Record<string, Json>> => {
    const { json } = await server.request('GET', url(id, '/participants?include=username'), { as });
    return Object.fromEntries(json.participants.map((one: Json) => [one.username, one]));
  };
  /** Waits until everything sent to this socket so far has come. */
  const pong = async (socket: TestSocket): Promise<void> => {
    socket.send({ type: 'ping', timestamp: 'x' });
    await socket.next('pong');
  };

  describe('of each type', () => {
    it('GROUP: everybody joins, writes, and hears everybody', async () => {
      const id = await make();
      const joined = await join(id, bob!);
      expect([joined.status, joined.json]).toEqual([200, {
        user_id: bob!.userId, username: 'bob', role: 'MEMBER', joined_at: expect.any(String), can_send_messages: true, can_upload_files: true, message_count: 0, last_read_at: null,
      }]);
      await join(id, cleo!);
      const sockets = await Promise.all([ann!, bob!, cleo!].map((user) => connect(id, user)));
      for (const user of [ann!, bob!, cleo!]) {
        const sent = await say(id, user);
        expect(sent.status).toBe(200);
        for (const socket of sockets) expect((await socket.next('new_message')).message).toMatchObject({ id: sent.json.message.id, sender_id: user.userId });
      }
      for (const socket of sockets) socket.close();
    });

    it('CHANNEL: members hear, and are refused when they write, by message, edit and typing', async () => {
      const id = await make({ chat_type: 'CHANNEL' });
      expect((await join(id, bob!)).json).toMatchObject({ role: 'MEMBER', can_send_messages: false });
      const socket = await connect(id, bob!);
      const sent = await say(id, ann!);
      await socket.next('new_message');
      for (const attempt of [
        await say(id, bob!), await server.request('POST', url(id, '/typing'), { as: bob! }), await server.request('POST', url(id, `/messages/${sent.json.message.id}/edit`), { as: bob!, body: { content: 'x' } }),
      ]) expect([attempt.status, Object.keys(attempt.json)]).toEqual([403, ['detail']]);
      expect((await say(id, bob!)).json).toEqual({ detail: 'Cannot send messages to this chat' });
      await change(id, ann!, bob!, { role: 'ADMIN' });
      expect(await socket.next('participant_changed')).toMatchObject({ chat_id: id, participant: { username: 'bob', role: 'ADMIN', can_send_messages: true } });
      expect((await say(id, bob!)).status).toBe(200);
      socket.close();
    });

    it('DIRECT: nobody joins, one is invited, and a third is refused', async () => {
      const id = await make({ chat_type: 'DIRECT' });
      expect((await join(id, bob!)).status).toBe(403);
      const invite = (username: string) => server.request('POST', url(id, '/participants'), { as: ann!, body: { username } });
      expect((await invite('bob')).json).toMatchObject({ username: 'bob', role: 'MEMBER', can_send_messages: true });
      expect([(await invite('cleo')).status, (await join(id, cleo!)).status]).toEqual([409, 403]);
      expect((await invite('nobody-of-this-name')).status).toBe(404);
      expect((await say(id, bob!)).status).toBe(200);
    });

    it('private: joining is refused, and the list of public chats does not show it', async () => {
      const [open, closed] = [await make({ title: 'Open', tags: ['trees'] }), await make({ title: 'Closed', is_private: true })];
      expect([(await join(open, bob!)).status, (await join(closed, bob!)).status]).toEqual([200, 403]);
      const listed = await server.request('GET', '/api/v1/chat/public?limit=1000', { as: cleo! });
      expect(listed.json.find((chat: Json) => chat.id === open)).toEqual({
        id: open, title: 'Open', description: null, chat_type: 'GROUP', tags: ['trees'], message_count: 0, participant_count: 2, last_activity_at: expect.any(String), created_at: expect.any(String), is_participant: false,
      });
      expect(listed.text).not.toContain(closed);
      // Public is who may join, not who may read.
      expect((await server.request('GET', url(open), { as: cleo! })).status).toBe(403);
      expect((await server.request('POST', url(closed, '/participants'), { as: ann!, body: { username: 'bob' } })).status).toBe(200);
      expect((await server.request('GET', url(closed), { as: bob! })).status).toBe(200);
    });
  });

  it('refuses who takes no part on every address and the socket, and does not find what is unknown or archived', async () => {
    const id = await make({ chat_type: 'DIRECT' });
    const { message } = (await say(id, ann!)).json;
    const requests: [string, string, object?][] = [
      ['GET', ''], ['PATCH', '', { title: 'x' }], ['DELETE', ''], ['GET', '/participants'], ['POST', '/participants', { username: 'bob' }], ['PATCH', `/participants/${ann!.userId}`, { role: 'MEMBER' }],
      ['DELETE', `/participants/${ann!.userId}`], ['POST', '/join'], ['POST', '/leave'], ['POST', '/read'], ['POST', '/typing'], ['POST', '/messages', { content: 'x' }], ['GET', `/messages/${message.id}`],
      ['GET', `/messages/${message.id}/stream`], ...['cancel', 'continue', 'regenerate', 'select'].map((action): [string, string, object] => ['POST', `/messages/${message.id}/${action}`, {}]),
      ['POST', `/messages/${message.id}/edit`, { content: 'x' }], ['POST', '/archive'], ['POST', '/trash'], ['POST', '/restore'], ['POST', '/pin'],
    ];
    for (const [method, rest, body] of requests) {
      expect([method, rest, (await server.request(method, url(id, rest), { as: bob!, body })).status]).toEqual([method, rest, 403]);
      expect([method, rest, (await server.request(method, url(unknown, rest), { as: bob!, body })).status]).toEqual([method, rest, 404]);
    }
    expect((await (await openSocket(server, `${url(id, '/ws')}?token=${bob!.token}`)).closed).code).toBe(4403);
    expect((await (await openSocket(server, `${url(unknown, '/ws')}?token=${bob!.token}`)).closed).code).toBe(4404);
    const archived = await make();
    await join(archived, bob!);
    await server.request('POST', url(archived, '/archive'), { as: ann! });
    for (const [method, rest, body] of requests.filter(([, path]) => !['', '/archive', '/trash', '/restore', '/pin'].includes(path) && !path.startsWith('/messages/'))) {
      expect([method, rest, (await server.request(method, url(archived, rest), { as: bob!, body })).status]).toEqual([method, rest, 404]);
    }
    expect((await server.request('GET', url(archived), { as: bob! })).status).toBe(404);
    expect((await (await openSocket(server, `${url(archived, '/ws')}?token=${bob!.token}`)).closed).code).toBe(4404);
  });

  it('tells of typing once, on every socket, at the time of the answer', async () => {
    const id = await make();
    await join(id, bob!);
    const sockets = [await connect(id, ann!), await connect(id, bob!), await connect(id, bob!)];
    const typing = await server.request('POST', url(id, '/typing'), { as: bob! });
    for (const socket of sockets) {
      expect(await socket.next('typing_indicator')).toEqual({ type: 'typing_indicator', chat_id: id, user_id: bob!.userId, username: 'bob', timestamp: typing.json.timestamp });
      await pong(socket);
      expect(socket.frames.filter((frame) => frame.type === 'typing_indicator')).toHaveLength(1);
      socket.close();
    }
  });

  describe('count and mark', () => {
    it('what each has sent, and when each has read: by the history, alone', async () => {
      const id = await make();
      await join(id, bob!);
      await say(id, ann!);
      await say(id, ann!);
      await say(id, bob!);
      const before = await participants(id);
      expect([before['ann'], before['bob']]).toMatchObject([{ message_count: 2, last_read_at: null }, { message_count: 1, last_read_at: null }]);
      await server.request('GET', url(id), { as: bob! });
      const after = await participants(id);
      expect(after['ann']).toEqual(before['ann']);
      expect(after['bob']).toMatchObject({ message_count: 1, last_read_at: expect.any(String) });
      const read = await server.request('POST', url(id, '/read'), { as: ann! });
      expect(read.json).toEqual({ chat_id: id, last_read_at: (await participants(id))['ann'].last_read_at });
      const plain = await server.request('GET', url(id, '/participants'), { as: ann! });
      expect([plain.json.total_participants, Object.keys(plain.json.participants[0])]).toEqual([2, ['user_id', 'role', 'joined_at', 'can_send_messages', 'can_upload_files', 'message_count', 'last_read_at']]);
    });

    it('what comes on an open socket, a message or a whole answer, for who has one', async () => {
      const id = await make();
      await join(id, bob!);
      await join(id, cleo!);
      const socket = await connect(id, bob!);
      await say(id, ann!);
      await socket.next('new_message');
      const first = (await participants(id))['bob'].last_read_at;
      expect(first).toEqual(expect.any(String));
      await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(Date.parse(first)));
      await say(id, ann!, 'And?', {});
      const call = await server.models.call();
      call.text('Yes.');
      await socket.next('ai_response_chunk');
      const during = (await participants(id))['bob'].last_read_at;
      await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(Date.parse(during)));
      call.finish();
      await socket.next('ai_response_complete');
      expect(Date.parse((await participants(id))['bob'].last_read_at)).toBeGreaterThan(Date.parse(during));
      expect((await participants(id))['cleo'].last_read_at).toBeNull();
      // Nothing more of it than this is written a second later.
      const row = () => server.parts.conversations.participants({ userId: bob!.userId } as never, id);
      expect((await row()).find(({ userId }) => userId === bob!.userId)!.lastReadAt).toBe(Date.parse((await participants(id))['bob'].last_read_at));
      socket.close();
    });
  });

  it('flips is_edited on the message that replaces another, keeps what it answers to, and is not found once archived', async () => {
    const id = await make();
    const { message } = (await say(id, ann!)).json;
    const reply = (await say(id, ann!, 'To this', { answer: false, reply_to_id: message.id, message_metadata: { source: 'test' } })).json.message;
    expect(reply).toMatchObject({ is_edited: false, reply_to_id: message.id, message_metadata: { source: 'test' } });
    const edited = (await server.request('POST', url(id, `/messages/${reply.id}/edit`), { as: ann!, body: { content: 'To that' } })).json.message;
    (await server.models.call()).finish();
    const shown = (await server.request('GET', url(id), { as: ann! })).json.messages;
    expect(shown.find((one: Json) => one.id === edited.id)).toMatchObject({ content: 'To that', is_edited: true });
    expect(shown.some((one: Json) => one.id === reply.id)).toBe(false);
    await server.request('POST', url(id, '/archive'), { as: ann! });
    expect((await server.request('GET', url(id), { as: ann! })).json).toEqual({ detail: expect.stringMatching(/not found/) });
  });

  describe('that somebody leaves', () => {
    it('close their sockets and streams at once, and tell the others, for whom everything goes on', async () => {
      const id = await make();
      await join(id, bob!);
      await join(id, cleo!);
      // Bob's socket opened the room: what is read for all of them is read under his name so far.
      const [first, second] = [await connect(id, bob!, '&full_content=false'), await connect(id, bob!)];
      const [other, owner] = [await connect(id, cleo!, '&full_content=false'), await connect(id, ann!)];
      const { answer } = (await say(id, bob!, 'What is an oak?', {})).json;
      const call = await server.models.call();
      call.text('An oak ');
      await other.next('ai_response_chunk');
      first.send({ type: 'attach', message_id: answer.id, after_seq: 0 });
      const stream = await fetch(server.url + url(id, `/messages/${answer.id}/stream`), { headers: bob!.headers });
      const reader = stream.body!.getReader();
      await reader.read();
      expect((await remove(id, ann!, bob!)).status).toBe(204);
      for (const socket of [first, second]) expect(await socket.closed).toMatchObject({ code: 4403 });
      for (let piece = await reader.read(); !piece.done; piece = await reader.read());
      for (const socket of [other, owner]) expect(await socket.next('participant_left')).toEqual({ type: 'participant_left', chat_id: id, user_id: bob!.userId, username: 'bob' });
      call.text('is a tree.');
      call.finish();
      for (const socket of [other, owner]) expect((await socket.next('ai_response_complete')).message).toMatchObject({ id: answer.id, content: 'An oak is a tree.' });
      expect(other.frames.filter(({ type }) => type === 'ai_response_chunk').map(({ chunk }) => chunk).join('')).toBe('An oak is a tree.');
      const question = await say(id, cleo!, 'And an elm?', {});
      const next = await server.models.call();
      next.finish();
      await other.next('ai_response_complete', (frame) => frame.message.id === question.json.answer.id);
      for (const socket of [first, second]) expect(JSON.stringify(socket.frames)).not.toContain('is a tree');
      expect((await server.request('GET', url(id, `/messages/${answer.id}/stream`), { as: bob! })).status).toBe(403);
      expect((await (await openSocket(server, `${url(id, '/ws')}?token=${bob!.token}`)).closed).code).toBe(4403);
      other.close();
      owner.close();
    });

    it('leave nobody inside who was taken out while the socket opened', async () => {
      const id = await make();
      await join(id, bob!);
      const owner = await connect(id, ann!);
      const { conversations } = server.parts;
      const get = conversations.get.bind(conversations);
      const spy = vi.spyOn(conversations, 'get').mockImplementationOnce(async (viewer, chatId) => {
        const seen = await get(viewer, chatId);
        await remove(id, ann!, bob!);
        await owner.next('participant_left');
        return seen;
      });
      expect((await (await openSocket(server, `${url(id, '/ws')}?token=${bob!.token}`)).closed).code).toBe(4403);
      spy.mockRestore();
      owner.close();
    });

    it('leave its owner in until it is handed over; whose right to send was taken goes on reading', async () => {
      const id = await make();
      await join(id, bob!);
      expect((await server.request('POST', url(id, '/leave'), { as: ann! })).status).toBe(409);
      const socket = await connect(id, bob!);
      await change(id, ann!, bob!, { can_send_messages: false });
      await socket.next('participant_changed');
      expect((await say(id, bob!)).status).toBe(403);
      await say(id, ann!);
      await socket.next('new_message');
      expect((await change(id, ann!, bob!, { role: 'OWNER' })).json).toMatchObject({ role: 'OWNER', can_send_messages: true });
      expect((await server.request('POST', url(id, '/leave'), { as: ann! })).status).toBe(204);
      expect((await server.request('GET', url(id), { as: ann! })).status).toBe(403);
      expect((await server.request('DELETE', url(id), { as: bob! })).status).toBe(204);
      expect((await socket.closed).code).toBe(4404);
    });
  });
});
