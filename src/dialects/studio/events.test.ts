import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { openSocketIo, startTestServer, type Json, type TestServer, type TestSocketIo, type TestUser } from '../testing.ts';
import { mostSeats } from './seats.ts';

const list = '/api/chat/conversations';

for (const engine of engines) {
  describe(`On ${engine}`, () => suite(() => startTestServer({ engine, settings: { LIMIT_SOCKETS_PER_ADDRESS: '2000' } })));
}

function suite(start: () => Promise<TestServer>): void {
  let server: TestServer;
  let ann: TestUser;
  let bob: TestUser;
  const open: TestSocketIo[] = [];
  beforeAll(async () => {
    server = await start();
    [ann, bob] = [await server.user('ann'), await server.user('bob')];
  });
  afterAll(async () => {
    for (const client of open) client.close();
    await server.stop();
  });

  async function make(as = ann): Promise<string> {
    return (await server.request('POST', list, { as, body: { model_provider: 'scripted', model_name: 'one' } })).json.id;
  }

  /** A client of a user, in these conversations. */
  async function client(user: TestUser, joins: readonly string[] = [], stream = false): Promise<TestSocketIo> {
    const made = await openSocketIo(server, { auth: { token: user.token } });
    open.push(made);
    for (const id of joins) expect(await made.ask('join_conversation', { conversation_id: id, stream })).toEqual({ ok: true });
    return made;
  }

  /** Lets the model answer at once while `work` goes on. */
  async function answering<Result>(words: string[], work: () => Promise<Result>): Promise<Result> {
    const before = server.models.calls.length;
    server.models.answerWith(words);
    try {
      return await work();
    } finally {
      server.models.answerWith(null);
      for (let at = before; at < server.models.calls.length; at += 1) await server.models.call();
    }
  }

  /** What a client has heard of an event, after everything that was said before this call has reached it. */
  async function heard(of: TestSocketIo, event: string): Promise<Json[]> {
    await of.ask('leave_conversation', { conversation_id: 'none' });
    return of.events.filter((entry) => entry.event === event).map(({ payload }) => payload);
  }

  /** Sends over a socket and lets the model answer these words. */
  async function converse(sender: TestSocketIo, id: string, words: string[]): Promise<{ message_id: string; answer_id: string }> {
    const sent = await sender.ask('send_message', { conversation_id: id, content: 'Hello AI!', model: 'one', provider: 'scripted' });
    expect(sent).toEqual({ ok: true, message_id: expect.any(String), answer_id: expect.any(String) });
    const call = await server.models.call();
    for (const word of words) call.text(word);
    call.finish();
    return sent;
  }

  const texts = (payloads: Json[]): string => payloads.map(({ content }) => content).join('');

  describe("The rooms of the studio dialect's conversations", () => {
    it('hear both rows, in order, on every socket that joined, the sender included', async () => {
      const id = await make();
      const [sender, other, outside] = [await client(ann, [id]), await client(ann, [id]), await client(ann)];
      const sent = await converse(sender, id, ['Hi, ', 'Ann.']);
      for (const listener of [sender, other]) {
        expect(await listener.next('message_received')).toEqual({
          id: sent.message_id, conversation_id: id, role: 'user', content: 'Hello AI!', metadata: {}, tokens_used: 0, cost: 0, created_at: expect.any(String),
        });
        expect(await listener.next('message_received')).toEqual({
          id: sent.answer_id, conversation_id: id, role: 'assistant', content: 'Hi, Ann.', metadata: { model_used: 'one', provider: 'scripted' }, model: 'one', provider: 'scripted', tokens_used: 10, cost: 0,
          created_at: expect.any(String),
        });
        expect(await heard(listener, 'message_received')).toHaveLength(2);
      }
      expect(outside.events).toEqual([]);
      const kept = await server.request('GET', `${list}/${id}/messages`, { as: ann });
      expect(kept.json.map((row: Json) => row.id)).toEqual([sent.message_id, sent.answer_id]);
    });

    it('hear what is sent over REST, and in any other dialect', async () => {
      const id = await make();
      const listener = await client(ann, [id]);
      const got: string[] = [];
      await answering(['Yes.'], async () => {
        await server.request('POST', `${list}/${id}/messages`, { as: ann, body: { content: 'Over REST?' } });
        await server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'Over arketic?' } });
        for (let at = 0; at < 4; at += 1) got.push((await listener.next('message_received')).content);
      });
      expect(got).toEqual(['Over REST?', 'Yes.', 'Over arketic?', 'Yes.']);
    });

    it('are left by leaving, and joined twice without hearing twice', async () => {
      const id = await make();
      const [stays, leaves] = [await client(ann, [id, id]), await client(ann, [id])];
      expect(await leaves.ask('leave_conversation', { conversation_id: id })).toEqual({ ok: true });
      expect(await leaves.ask('leave_conversation', { conversation_id: id })).toEqual({ ok: true });
      await converse(stays, id, ['Hi.']);
      await stays.next('message_received', ({ role }) => role === 'assistant');
      expect(await heard(stays, 'message_received')).toHaveLength(2);
      expect(await heard(leaves, 'message_received')).toEqual([]);
      await leaves.ask('join_conversation', { conversation_id: id });
      await converse(stays, id, ['Again.']);
      expect((await leaves.next('message_received')).role).toBe('user');
    });

    it('are closed to everybody else, and look as if they were not there', async () => {
      const id = await make();
      const foreign = await client(bob);
      for (const conversation_id of [id, 'none', '01a1fc38-478b-7429-a13b-4e704d793342']) {
        expect(await foreign.ask('join_conversation', { conversation_id })).toEqual({ error: 'Not found', code: 'not_found' });
        expect(await foreign.ask('send_message', { conversation_id, content: 'Hello?' })).toEqual({ error: 'Not found', code: 'not_found' });
        expect(await foreign.ask('typing_indicator', { conversation_id, is_typing: true })).toEqual({ error: 'Not found', code: 'not_found' });
      }
      const own = await client(ann, [id]);
      const sent = await converse(own, id, ['A secret.']);
      await own.next('message_received', ({ role }) => role === 'assistant');
      for (const message_id of [sent.message_id, sent.answer_id, 'none']) {
        expect(await foreign.ask('attach_answer', { message_id, after: 0 })).toEqual({ error: 'Not found', code: 'not_found' });
        expect(await foreign.ask('cancel_answer', { message_id })).toEqual({ error: 'Not found', code: 'not_found' });
      }
      expect(foreign.events).toEqual([]);
      // Also those that are shared in other dialects.
      const { json: group } = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A group', chat_type: 'CHANNEL' } });
      await server.request('POST', `/api/v1/chat/chats/${group.id}/join`, { as: bob });
      expect(await foreign.ask('join_conversation', { conversation_id: group.id })).toMatchObject({ code: 'not_found' });
    });

    it('show no answer that failed, and the sender hears why when no model can be asked', async () => {
      const id = await make();
      const listener = await client(ann, [id]);
      const refused = await listener.ask('send_message', { conversation_id: id, content: 'Hello?', model: 'missing' });
      expect(refused).toEqual({ error: 'No model of this name is available.', code: 'model_not_found', message_id: expect.any(String), answer_id: expect.any(String) });
      await listener.ask('send_message', { conversation_id: id, content: 'And now?' });
      const call = await server.models.call();
      call.text('Half ');
      call.say({ type: 'error', error: { code: 'provider_error', message: 'Broken.', serviceFault: true } });
      await listener.next('message_received', ({ content }) => content === 'And now?');
      await expect.poll(async () => {
        const chat = await server.request('GET', `/api/v1/chat/chats/${id}`, { as: ann });
        return chat.json.messages.at(-1).status;
      }).toBe('FAILED');
      expect((await heard(listener, 'message_received')).map(({ role }) => role)).toEqual(['user', 'user']);
    });

    it('answer five quick messages in order', async () => {
      const id = await make();
      const listener = await client(ann, [id]);
      await answering(['Yes.'], async () => {
        for (const content of ['1', '2', '3', '4', '5']) expect(await listener.ask('send_message', { conversation_id: id, content })).toMatchObject({ ok: true });
        for (let at = 0; at < 5; at += 1) await listener.next('message_received', ({ role }) => role === 'assistant');
      });
      const kept = await server.request('GET', `${list}/${id}/messages`, { as: ann });
      expect(kept.json.map(({ content }: Json) => content)).toEqual(['1', 'Yes.', '2', 'Yes.', '3', 'Yes.', '4', 'Yes.', '5', 'Yes.']);
    });

    it('are gone when the conversation is deleted, and the socket stays', async () => {
      const id = await make();
      const [kept, listener] = [await make(), await client(ann)];
      for (const conversation_id of [id, kept]) await listener.ask('join_conversation', { conversation_id });
      await server.request('DELETE', `/api/v1/chat/chats/${id}`, { as: ann });
      await converse(listener, kept, ['Still here.']);
      expect((await listener.next('message_received', ({ role }) => role === 'assistant')).content).toBe('Still here.');
      expect(await listener.ask('join_conversation', { conversation_id: id })).toMatchObject({ code: 'not_found' });
    });

    it('are bounded in number for one socket', { timeout: 30_000 }, async () => {
      const own = await client(ann);
      for (let at = 0; at < mostSeats; at += 1) expect(await own.ask('join_conversation', { conversation_id: await make() })).toEqual({ ok: true });
      expect(await own.ask('join_conversation', { conversation_id: await make() })).toMatchObject({ code: 'rate_limited' });
      own.close();
    });
  });

  describe('Typing', () => {
    it('is told to the other sockets of the room, with the real user, also when it ends', async () => {
      const id = await make();
      const [sender, other, outside] = [await client(ann, [id]), await client(ann, [id]), await client(ann)];
      expect(await sender.ask('typing_indicator', { conversation_id: id, is_typing: true, user_id: bob.userId })).toEqual({ ok: true });
      expect(await other.next('user_typing')).toEqual({ user_id: ann.userId, conversation_id: id, is_typing: true });
      await sender.ask('typing_indicator', { conversation_id: id, is_typing: false });
      expect(await other.next('user_typing')).toEqual({ user_id: ann.userId, conversation_id: id, is_typing: false });
      expect(await heard(other, 'user_typing')).toHaveLength(2);
      expect(await heard(sender, 'user_typing')).toEqual([]);
      expect(await heard(outside, 'user_typing')).toEqual([]);
      expect((await server.request('GET', `${list}/${id}/messages`, { as: ann })).json).toEqual([]);
    });

    it('is heard when another dialect says it', async () => {
      const id = await make();
      const listener = await client(ann, [id]);
      await server.request('POST', `/api/v1/chat/chats/${id}/typing`, { as: ann });
      expect(await listener.next('user_typing')).toEqual({ user_id: ann.userId, conversation_id: id, is_typing: true });
    });
  });

  describe('Growing answers', () => {
    it('are told piece by piece to sockets that joined for it, before the next piece exists', async () => {
      const id = await make();
      const [plain, streaming] = [await client(ann, [id]), await client(ann, [id], true)];
      const { answer_id: answer } = await plain.ask('send_message', { conversation_id: id, content: 'Hello?' });
      const call = await server.models.call();
      expect(await streaming.next('answer_started')).toEqual({ message_id: answer, conversation_id: id, model: 'one', provider: 'scripted' });
      call.text('Hi, ');
      const first = await streaming.next('answer_chunk');
      expect(first).toEqual({ message_id: answer, conversation_id: id, seq: expect.any(Number), offset: 0, content: 'Hi, ' });
      call.text('Ann.');
      expect(await streaming.next('answer_chunk')).toMatchObject({ offset: 4, content: 'Ann.' });
      call.finish();
      expect(await streaming.next('answer_ended')).toMatchObject({ message_id: answer, status: 'delivered', error: null, model: 'one', provider: 'scripted', tokens_used: 10, cost: 0 });
      await plain.next('message_received', ({ role }) => role === 'assistant');
      expect(plain.events.map(({ event }) => event)).toEqual(['message_received', 'message_received']);
    });

    it('are resumed behind a seq without a gap and without a repeat', async () => {
      const id = await make();
      const first = await client(ann, [id], true);
      const { answer_id: answer } = await first.ask('send_message', { conversation_id: id, content: 'Hello?' });
      const call = await server.models.call();
      call.text('One ');
      const { seq } = await first.next('answer_chunk');
      first.close();
      call.text('two ');
      const second = await client(ann);
      expect(await second.ask('attach_answer', { message_id: answer, after: seq })).toEqual({ ok: true });
      expect(await second.next('answer_chunk')).toMatchObject({ content: 'two ', offset: 4 });
      call.text('three.');
      call.finish();
      await second.next('answer_ended');
      expect(texts(await heard(second, 'answer_chunk'))).toBe('two three.');
      // Long after its end, and from the beginning.
      const third = await client(ann);
      await third.ask('attach_answer', { message_id: answer });
      await third.next('answer_ended');
      expect(texts(await heard(third, 'answer_chunk'))).toBe('One two three.');
    });

    it('are told once to a socket that both joined and attached', async () => {
      const id = await make();
      const both = await client(ann, [id], true);
      const { answer_id: answer } = await both.ask('send_message', { conversation_id: id, content: 'Hello?' });
      const call = await server.models.call();
      call.text('One ');
      await both.next('answer_chunk');
      await both.ask('attach_answer', { message_id: answer, after: 0 });
      call.text('two.');
      call.finish();
      await both.next('answer_ended');
      const chunks = await heard(both, 'answer_chunk');
      expect(texts(chunks.slice(1))).toBe('One two.');
      expect(await heard(both, 'answer_ended')).toHaveLength(1);
    });

    it('are stopped by cancel_answer, for everybody', async () => {
      const id = await make();
      const own = await client(ann, [id], true);
      const { answer_id: answer, message_id: question } = await own.ask('send_message', { conversation_id: id, content: 'Hello?' });
      const call = await server.models.call();
      call.text('Half');
      await own.next('answer_chunk');
      expect(await own.ask('cancel_answer', { message_id: answer })).toEqual({ ok: true, status: 'cancelled' });
      expect(call.signal.aborted).toBe(true);
      expect(await own.next('answer_ended')).toMatchObject({ status: 'cancelled', error: null });
      expect(await own.next('message_received', ({ role }) => role === 'assistant')).toMatchObject({ content: 'Half', metadata: { status: 'cancelled' } });
      expect(await own.ask('cancel_answer', { message_id: question })).toMatchObject({ code: 'conflict' });
    });

    it('that fail say so to who follows them', async () => {
      const id = await make();
      const own = await client(ann, [id], true);
      await own.ask('send_message', { conversation_id: id, content: 'Hello?' });
      (await server.models.call()).say({ type: 'error', error: { code: 'provider_error', message: 'Broken.', serviceFault: true } });
      expect(await own.next('answer_ended')).toMatchObject({ status: 'failed', error: { code: 'provider_error', message: 'Broken.' } });
    });

    it('reach a client that reads slowly in fewer, larger pieces, and hold nobody up', { timeout: 60_000 }, async () => {
      const id = await make();
      const [slow, quick] = [await client(ann, [id], true), await client(ann, [id], true)];
      const wire = (slow.socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }).ws;
      wire.pause();
      // More than the system keeps for a connection, so that the server itself has to wait.
      const [answers, pieces, piece] = [4, 30, 'x'.repeat(100_000)];
      for (let answer = 0; answer < answers; answer += 1) {
        await quick.ask('send_message', { conversation_id: id, content: 'More?' });
        const call = await server.models.call();
        for (let at = 0; at < pieces; at += 1) {
          call.text(piece);
          await quick.next('answer_chunk');
        }
        call.finish();
        await quick.next('answer_ended');
      }
      wire.resume();
      for (let answer = 0; answer < answers; answer += 1) await slow.next('answer_ended');
      const chunks = await heard(slow, 'answer_chunk');
      expect(chunks.length).toBeLessThan(answers * pieces);
      const lengths = new Map<string, number>();
      for (const chunk of chunks) {
        expect(chunk.offset).toBe(lengths.get(chunk.message_id) ?? 0);
        lengths.set(chunk.message_id, chunk.offset + chunk.content.length);
      }
      expect([...lengths.values()]).toEqual(Array.from({ length: answers }, () => piece.length * pieces));
    });
  });

  describe('Sockets that come and go', () => {
    it('leave no room open', { timeout: 60_000 }, async () => {
      const id = await make();
      const { conversations } = server.parts;
      const watch = conversations.watch.bind(conversations);
      let watching = 0;
      conversations.watch = async (...given) => {
        const stop = await watch(...given);
        watching += 1;
        return () => {
          watching -= 1;
          stop();
        };
      };
      try {
        for (let round = 0; round < 20; round += 1) {
          const some = await Promise.all(Array.from({ length: 10 }, () => client(ann, [id], round % 2 === 0)));
          expect(watching).toBe(1);
          // Some leave first, some go just while they join.
          await Promise.all(some.slice(0, 3).map((one) => one.ask('leave_conversation', { conversation_id: id })));
          some[4]!.socket.emit('join_conversation', { conversation_id: await make() });
          for (const one of some) one.close();
          await expect.poll(() => watching).toBe(0);
        }
      } finally {
        conversations.watch = watch;
      }
    });
  });
}

describe('The documented client', () => {
  it('connects with nothing but the session cookie, and hears the answer', async () => {
    const server = await startTestServer();
    try {
      const ann = await server.user('ann');
      const login = await server.request('POST', '/api/auth/login', { body: { username: 'ann', password: ann.password } });
      const cookie = login.headers.getSetCookie().map((header) => header.split(';')[0]!).join('; ');
      const { json } = await server.request('POST', list, { headers: { cookie }, body: {} });
      const client = await openSocketIo(server, { transports: ['polling', 'websocket'], extraHeaders: { cookie } });
      client.socket.emit('join_conversation', { conversation_id: json.id });
      server.models.answerWith(['Hello!']);
      client.socket.emit('send_message', { conversation_id: json.id, content: 'Hello AI!', model: 'gpt-4o', provider: 'openai' });
      expect((await client.next('message_received', ({ role }) => role === 'assistant')).content).toBe('Hello!');
      client.close();
    } finally {
      await server.stop();
    }
  });
});
