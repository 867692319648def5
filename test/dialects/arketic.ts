import { openSocket, sendRequest, type Json, type TestSocket, type TestUser } from '../../src/dialects/testing.ts';
import { Refused, serverSentEvents } from './event-source.ts';
import { endingOf, Gate, Hearing, type Client, type Mark, type Pausing, type Tongue } from './tongue.ts';
import { spoken, type Server } from './world.ts';

const chats = '/api/v1/chat/chats';
const roles: Record<string, string> = { USER: 'user', AI: 'assistant', SYSTEM: 'system' };

async function newConversation(at: Server, user: TestUser): Promise<string> {
  const { json } = await sendRequest(at.url, 'POST', chats, { as: user, body: { title: 'A chat', ai_model: spoken.id, temperature: null, max_tokens: null } });
  return json.id;
}

async function read(at: Server, user: TestUser, id: string): Promise<[string, string][]> {
  const { json } = await sendRequest(at.url, 'GET', `${chats}/${id}`, { as: user });
  return json.messages.map((message: Json) => [roles[message.message_type], message.content]);
}

/** Sends over REST; the answer in the making. */
async function sent(at: Server, user: TestUser, id: string, text: string): Promise<Json> {
  const { status, json } = await sendRequest(at.url, 'POST', `${chats}/${id}/messages?include=answer`, { as: user, body: { content: text } });
  if (status !== 200) throw new Refused(status);
  return json.answer;
}

const refusal = (status: number): number | null => (status < 300 ? null : status);

async function refusedToSend(at: Server, token: string | null, _username: string, id: string): Promise<number | null> {
  const { status } = await sendRequest(at.url, 'POST', `${chats}/${id}/messages`, { headers: token === null ? {} : { authorization: `Bearer ${token}` }, body: { content: 'Let me in' } });
  return refusal(status);
}

const refusedToCancel = async (at: Server, user: TestUser, mark: Mark): Promise<number | null> =>
  refusal((await sendRequest(at.url, 'POST', `${chats}/${mark.conversationId}/messages/${mark.answerId}/cancel`, { as: user })).status);

async function malformed(at: Server, user: TestUser, id: string): Promise<(number | null)[]> {
  const bodies = [{}, { content: 7 }, { content: '' }, { content: 'x'.repeat(50_001) }, { content: 'Hello', reply_to_id: {} }, []];
  return Promise.all(bodies.map(async (body) => refusal((await sendRequest(at.url, 'POST', `${chats}/${id}/messages`, { as: user, body })).status)));
}

/** Follows an answer by server-sent events. */
function follow(at: Server, user: TestUser, { conversationId, answerId, place }: Mark): Hearing {
  const abort = new AbortController();
  const gate = new Gate();
  const hearing = new Hearing({ conversationId, answerId, place }, () => abort.abort(), gate);
  void (async () => {
    const url = `${at.url}${chats}/${conversationId}/messages/${answerId}/stream?after=${place}`;
    for await (const { event, data, id } of serverSentEvents(url, { headers: user.headers, signal: abort.signal })) {
      await gate.pass();
      if (event === 'text') hearing.piece(JSON.parse(data).text, Number(id));
      if (event === 'end') return hearing.ended(endingOf(JSON.parse(data).status));
    }
    hearing.broken('the stream broke');
  })().catch((error: Error) => hearing.broken(error.message));
  return hearing;
}

export const arketicEvents: Tongue = {
  name: 'arketic', transport: 'SSE', streams: true, limit: 'LIMIT_MESSAGES_PER_HOUR', newConversation, read, refusedToSend, refusedToCancel, malformed,
  async open(at, user, conversationId): Promise<Client> {
    return {
      conversationId,
      say: async (text) => follow(at, user, { conversationId, answerId: (await sent(at, user, conversationId, text)).id, place: 0 }),
      hear: async (mark) => follow(at, user, mark),
      async cancel({ answerId }) {
        await sendRequest(at.url, 'POST', `${chats}/${conversationId}/messages/${answerId}/cancel`, { as: user });
      },
      close: () => undefined,
    };
  },
  refusedToHear: async (at, user, mark) => refusal((await sendRequest(at.url, 'GET', `${chats}/${mark.conversationId}/messages/${mark.answerId}/stream`, { as: user })).status),
};

export const arketicRest: Tongue = {
  ...arketicEvents, transport: 'REST', streams: false,
  without: { pieces: 'a plain answer has no pieces', slow: 'nothing is streamed', revoked: 'nothing stays open' },
  async open(at, user, conversationId): Promise<Client> {
    const wait = (answerId: string): Hearing => {
      const hearing = new Hearing({ conversationId, answerId, place: 0 }, () => undefined);
      void (async () => {
        for (;;) {
          const { json } = await sendRequest(at.url, 'GET', `${chats}/${conversationId}/messages/${answerId}`, { as: user });
          if (json.ended_at !== null) {
            hearing.piece(json.content, 1);
            return hearing.ended(endingOf(json.status));
          }
        }
      })().catch((error: Error) => hearing.broken(error.message));
      return hearing;
    };
    return {
      conversationId,
      say: async (text) => wait((await sent(at, user, conversationId, text)).id),
      hear: async ({ answerId }) => wait(answerId),
      async cancel({ answerId }) {
        await sendRequest(at.url, 'POST', `${chats}/${conversationId}/messages/${answerId}/cancel`, { as: user });
      },
      close: () => undefined,
    };
  },
  refusedToHear: async (at, user, mark) => refusal((await sendRequest(at.url, 'GET', `${chats}/${mark.conversationId}`, { as: user })).status),
};

const socketPath = (id: string, token: string | null): string => `${chats}/${id}/ws${token === null ? '' : `?token=${token}`}`;

/** Tells answers on a socket apart and hands each its frames. */
function hearOn(socket: TestSocket): (reader: Reader, answerId: string) => void {
  const readers = new Map<string, Reader>();
  socket.socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as Json;
    readers.get(frame.message_id ?? frame.message?.id)?.take(frame);
  });
  socket.socket.on('close', () => {
    for (const { hearing } of readers.values()) hearing.broken('the socket was closed');
  });
  return (reader, answerId) => {
    readers.set(answerId, reader);
    // Frames may have come before the answer's name was known here.
    for (const frame of socket.frames) if ((frame.message_id ?? frame.message?.id) === answerId) reader.take(frame);
  };
}

/** Reads the frames of one answer as docs/arketic.md tells clients to: by their offset, so that what comes twice counts once. */
class Reader {
  readonly hearing: Hearing;
  private length: number;

  constructor({ place, ...mark }: Mark, lose: () => void, socket: Pausing) {
    this.length = Number(String(place).split(':')[1] ?? 0);
    this.hearing = new Hearing({ ...mark, place }, lose, socket);
  }

  take(frame: Json): void {
    if (frame.type === 'ai_response_complete') return this.complete(frame.message);
    if (frame.type === 'ai_error') this.hearing.ended('failed');
    // What lies further on comes once more, behind what is missing.
    if (frame.type !== 'ai_response_chunk' || frame.offset > this.length || frame.offset + frame.chunk.length <= this.length) return;
    const piece = frame.chunk.slice(this.length - frame.offset);
    this.length += piece.length;
    this.hearing.piece(piece, `${frame.seq}:${this.length}`);
  }

  /** The end holds the whole text: who came just before it has the rest from there. */
  private complete({ content, status }: Json): void {
    if (content.length > this.length) this.hearing.piece(content.slice(this.length), 'end');
    this.hearing.ended(endingOf(status));
  }
}

export const arketicSocket: Tongue = {
  ...arketicEvents, transport: 'WebSocket', overLimit: refusedToSend,
  async open(at, user, conversationId): Promise<Client> {
    const socket = await openSocket(at, socketPath(conversationId, user.token));
    await socket.next('welcome');
    const listen = hearOn(socket);
    const lose = (): void => socket.socket.terminate();
    return {
      conversationId,
      async say(text) {
        const { id } = await sent(at, user, conversationId, text);
        const reader = new Reader({ conversationId, answerId: id, place: 0 }, lose, socket.socket);
        listen(reader, id);
        return reader.hearing;
      },
      async hear(mark) {
        const reader = new Reader(mark, lose, socket.socket);
        listen(reader, mark.answerId);
        socket.send({ type: 'attach', message_id: mark.answerId, after_seq: Number(String(mark.place).split(':')[0]) });
        return reader.hearing;
      },
      cancel: async ({ answerId }) => socket.send({ type: 'cancel', message_id: answerId }),
      close: () => socket.close(),
    };
  },
  async refusedToSend(at, token, _username, id) {
    const socket = await openSocket(at, socketPath(id, token));
    const first = await Promise.race([socket.next('welcome').then(() => null), socket.closed.then(({ code }) => code)]);
    socket.close();
    return first;
  },
  async refusedToHear(at, user, mark) {
    const own = await openSocket(at, socketPath(await newConversation(at, user), user.token));
    await own.next('welcome');
    own.send({ type: 'attach', message_id: mark.answerId, after_seq: 0 });
    const { error_code: code } = await own.next('error');
    own.close();
    return (await arketicSocket.refusedToSend(at, user.token, user.username, mark.conversationId)) === null ? null : code;
  },
  async refusedToCancel(at, user, mark) {
    const own = await openSocket(at, socketPath(await newConversation(at, user), user.token));
    await own.next('welcome');
    own.send({ type: 'cancel', message_id: mark.answerId });
    const { error_code: code } = await own.next('error');
    own.close();
    return code;
  },
  async malformed(at, user, id) {
    const socket = await openSocket(at, socketPath(id, user.token));
    await socket.next('welcome');
    const refusals: string[] = [];
    for (const text of ['no JSON', '[]', '{"type":"dance"}', '{"type":"attach","message_id":7}', '{"type":"cancel"}']) {
      socket.sendRaw(text);
      refusals.push((await socket.next('error')).error_code);
      // A good frame in between, so that the socket is not closed for three bad ones in a row.
      socket.send({ type: 'ping', timestamp: '2026-01-01T00:00:00Z' });
      await socket.next('pong');
    }
    socket.close();
    return refusals;
  },
};
