import { openSocket, sendRequest, type Json, type TestUser } from '../../src/dialects/testing.ts';
import { serverSentEvents, Refused } from './event-source.ts';
import { Gate, Hearing, type Client, type Mark, type Tongue } from './tongue.ts';
import type { Server } from './world.ts';

/** A conversation of its own, beside the user's current one. */
async function newConversation(at: Server, user: TestUser): Promise<string> {
  return (await sendRequest(at.url, 'DELETE', '/api/chat/clear', { as: user })).json.new_session_id;
}

async function read(at: Server, user: TestUser, id: string): Promise<[string, string][]> {
  const { json } = await sendRequest(at.url, 'GET', `/api/chat/history?limit=1000&session_id=${id}`, { as: user });
  return json.messages.map((message: Json) => [message.role, message.content]);
}

const refusal = (status: number): number | null => (status < 300 ? null : status);
const bad = [{}, { message: 7 }, { message: '' }, { message: 'x'.repeat(50_001) }, { message: 'Hello', context: 'no object' }];

export const friendRest: Tongue = {
  name: 'friend', transport: 'REST', streams: false, limit: 'LIMIT_FRIEND_MESSAGES_PER_MINUTE', newConversation, read,
  without: {
    pieces: 'a plain answer has no pieces', slow: 'nothing is streamed', revoked: 'nothing stays open',
    attach: 'the answer has no name before its end', resume: 'the answer has no name before its end', cancel: 'the answer has no name before its end',
  },
  async open(at, user, conversationId): Promise<Client> {
    return {
      conversationId,
      async say(text) {
        const hearing = new Hearing({ conversationId, answerId: '', place: 0 }, () => undefined);
        void sendRequest(at.url, 'POST', '/api/chat/send', { as: user, body: { message: text, session_id: conversationId } }).then(
          ({ status, json }) => {
            if (status === 200) hearing.piece(json.response, 1);
            hearing.ended(status === 200 ? 'whole' : 'failed');
          },
          (error: Error) => hearing.broken(error.message),
        );
        return hearing;
      },
      close: () => undefined,
    };
  },
  async refusedToSend(at, token, _username, id) {
    return refusal((await sendRequest(at.url, 'POST', '/api/chat/send', { headers: token === null ? {} : { authorization: `Bearer ${token}` }, body: { message: 'Let me in', session_id: id } })).status);
  },
  refusedToHear: async (at, user, mark) => refusal((await sendRequest(at.url, 'GET', `/api/chat/history?session_id=${mark.conversationId}`, { as: user })).status),
  malformed: (at, user, id) => Promise.all(bad.map(async (body) => refusal((await sendRequest(at.url, 'POST', '/api/chat/send', { as: user, body: { session_id: id, ...body } })).status))),
};

const streamUrl = (at: Server, token: string | null, id: string, message: string): string =>
  `${at.url}/api/chat/stream?${new URLSearchParams({ message, session_id: id, ...(token === null ? {} : { token }) })}`;

/** Follows the words of a reply; `lastId` goes on behind what was heard, as an EventSource that comes back does. */
async function words(at: Server, user: TestUser, conversationId: string, message: string, lastId: string | null): Promise<Hearing> {
  const opened = Promise.withResolvers<void>();
  const abort = new AbortController();
  const gate = new Gate();
  const hearing = new Hearing({ conversationId, answerId: '', place: lastId ?? 0 }, () => abort.abort(), gate);
  void (async () => {
    let first = lastId === null;
    const headers = lastId === null ? undefined : { 'last-event-id': lastId };
    for await (const { event, data, id } of serverSentEvents(streamUrl(at, user.token, conversationId, message), { headers, signal: abort.signal }, opened.resolve)) {
      await gate.pass();
      if (event === 'done') return hearing.ended('whole');
      if (event === 'error') return hearing.ended(JSON.parse(data).error_code === 'cancelled' ? 'cancelled' : 'failed');
      hearing.piece(first ? data : ` ${data}`, id!);
      first = false;
    }
    hearing.broken('the stream broke');
  })().catch((error: Error) => hearing.broken(error.message)).finally(opened.resolve);
  await opened.promise;
  return hearing;
}

export const friendEvents: Tongue = {
  ...friendRest, transport: 'SSE', streams: true,
  without: { cancel: 'a stream takes nothing; replies are stopped by POST /api/chat/cancel' },
  async open(at, user, conversationId): Promise<Client> {
    return {
      conversationId,
      say: async (text) => words(at, user, conversationId, text, null),
      hear: async (mark) => words(at, user, conversationId, 'ignored when it comes back', String(mark.place)),
      close: () => undefined,
    };
  },
  async refusedToSend(at, token, _username, id) {
    try {
      for await (const _ of serverSentEvents(streamUrl(at, token, id, 'Let me in'), { signal: AbortSignal.timeout(10_000) })) return null;
      return null;
    } catch (error) {
      if (error instanceof Refused) return error.status;
      throw error;
    }
  },
  async refusedToHear(at, user, mark) {
    const response = await fetch(streamUrl(at, user.token, mark.conversationId, 'Hello'), { headers: { 'last-event-id': String(mark.place) }, signal: AbortSignal.timeout(10_000) });
    await response.body?.cancel();
    return response.status === 200 ? null : response.status;
  },
  malformed: (at, user) =>
    Promise.all([`?token=${user.token}`, `?message=&token=${user.token}`, `?message=${'x'.repeat(5001)}&token=${user.token}`].map(async (query) => refusal((await sendRequest(at.url, 'GET', `/api/chat/stream${query}`)).status))),
};

/** A socket whose messages ask for pieces, an addition of this dialect. */
export const friendSocket: Tongue = {
  ...friendRest, transport: 'WebSocket', streams: true, without: {},
  async open(at, user, conversationId): Promise<Client> {
    const socket = await openSocket(at, `/api/chat/ws/${user.username}?token=${user.token}`);
    const lose = (): void => socket.socket.terminate();
    const listen = (mark: Mark): Hearing => {
      let length = Number(mark.place);
      const hearing = new Hearing({ ...mark }, lose, socket.socket);
      const take = (frame: Json): void => {
        if (frame.type === 'error' || String(frame.message_id) !== mark.answerId) return;
        if (frame.type === 'chunk' && frame.offset === length) {
          length += frame.text.length;
          hearing.piece(frame.text, length);
        }
        if (frame.type === 'reply') hearing.ended('whole');
      };
      for (const frame of socket.frames) take(frame);
      socket.socket.on('message', (data: Buffer) => {
        const frame = JSON.parse(data.toString());
        take(frame);
        // A reply that was stopped is told as the error of its message.
        if (frame.error_code === 'cancelled') hearing.ended('cancelled');
      });
      socket.socket.on('close', () => hearing.broken('the socket was closed'));
      return hearing;
    };
    return {
      conversationId,
      async say(text) {
        socket.send({ message: text, session_id: conversationId, stream: true });
        const start = await socket.next('start');
        return listen({ conversationId, answerId: String(start.message_id), place: 0 });
      },
      async hear(mark) {
        const hearing = listen(mark);
        socket.send({ type: 'attach', message_id: Number(mark.answerId), session_id: conversationId, after: Number(mark.place) });
        return hearing;
      },
      cancel: async ({ answerId }) => socket.send({ type: 'cancel', message_id: Number(answerId), session_id: conversationId }),
      close: () => socket.close(),
    };
  },
  async refusedToSend(at, token, username, id) {
    const socket = await openSocket(at, `/api/chat/ws/${username}${token === null ? '' : `?token=${token}`}`);
    socket.send({ message: 'Let me in', session_id: id });
    return Promise.race([socket.closed.then(({ code }) => code), firstFrame(socket.frames).then((frame) => frame.error_code ?? null)]).finally(() => socket.close());
  },
  refusedToHear: (at, user, mark) => control(at, user, { type: 'attach', message_id: Number(mark.answerId), session_id: mark.conversationId }),
  refusedToCancel: (at, user, mark) => control(at, user, { type: 'cancel', message_id: Number(mark.answerId), session_id: mark.conversationId }),
  async malformed(at, user, id) {
    const refusals: string[] = [];
    for (const text of ['no JSON', '[]', '{"type":"dance"}', '{"message":7}', JSON.stringify({ message: '', session_id: id }), '{"type":"cancel"}']) {
      const socket = await openSocket(at, `/api/chat/ws/${user.username}?token=${user.token}`);
      socket.sendRaw(text);
      refusals.push((await firstFrame(socket.frames)).error_code);
      socket.close();
    }
    return refusals;
  },
};

async function control(at: Server, user: TestUser, frame: Json): Promise<string | null> {
  const socket = await openSocket(at, `/api/chat/ws/${user.username}?token=${user.token}`);
  socket.send(frame);
  const answer = await firstFrame(socket.frames);
  socket.close();
  return answer.error_code ?? null;
}

async function firstFrame(frames: readonly Json[]): Promise<Json> {
  while (frames.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return frames[0];
}
