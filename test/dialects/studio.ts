import { openSocketIo, sendRequest, type Json, type TestSocketIo, type TestUser } from '../../src/dialects/testing.ts';
import { endingOf, Hearing, type Client, type Mark, type Pausing, type Tongue } from './tongue.ts';
import { spoken, type Server } from './world.ts';

const conversations = '/api/chat/conversations';

async function newConversation(at: Server, user: TestUser): Promise<string> {
  const { json } = await sendRequest(at.url, 'POST', conversations, { as: user, body: { model_provider: spoken.provider, model_name: spoken.name } });
  return json.id;
}

async function read(at: Server, user: TestUser, id: string): Promise<[string, string][]> {
  const { json } = await sendRequest(at.url, 'GET', `${conversations}/${id}/messages`, { as: user });
  return json.map((message: Json) => [message.role, message.content]);
}

const refusal = (status: number): number | null => (status < 300 ? null : status);
const bad = [{}, { content: 7 }, { content: '' }, { content: 'x'.repeat(50_001) }, { content: 'Hello', provider: {} }];

export const studioRest: Tongue = {
  name: 'studio', transport: 'REST', streams: false, limit: 'LIMIT_MESSAGES_PER_HOUR', newConversation, read,
  without: {
    pieces: 'a plain answer has no pieces', slow: 'nothing is streamed', revoked: 'nothing stays open',
    attach: 'the answer has no name before its end', resume: 'the answer has no name before its end', cancel: 'the answer has no name before its end',
  },
  async open(at, user, conversationId): Promise<Client> {
    return {
      conversationId,
      async say(text) {
        const hearing = new Hearing({ conversationId, answerId: '', place: 0 }, () => undefined);
        void sendRequest(at.url, 'POST', `${conversations}/${conversationId}/messages`, { as: user, body: { content: text } }).then(
          ({ status, json }) => {
            if (status === 200) hearing.piece(json.content, 1);
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
    return refusal((await sendRequest(at.url, 'POST', `${conversations}/${id}/messages`, { headers: token === null ? {} : { authorization: `Bearer ${token}` }, body: { content: 'Let me in' } })).status);
  },
  refusedToHear: async (at, user, mark) => refusal((await sendRequest(at.url, 'GET', `${conversations}/${mark.conversationId}/messages`, { as: user })).status),
  malformed: (at, user, id) => Promise.all(bad.map(async (body) => refusal((await sendRequest(at.url, 'POST', `${conversations}/${id}/messages`, { as: user, body })).status))),
};

const connect = (at: Server, token: string | null): Promise<TestSocketIo> => openSocketIo(at, token === null ? {} : { auth: { token } });

/** The code an event is refused with; null when it was taken. */
async function asked(at: Server, user: TestUser, event: string, payload: Json): Promise<string | null> {
  const socket = await connect(at, user.token);
  const answer = (await socket.ask(event, payload)) as Json;
  socket.close();
  return answer.error === undefined ? null : answer.code;
}

/** The raw socket below a client of Socket.IO. */
function connectionOf({ socket }: TestSocketIo): Pausing {
  return (socket.io.engine.transport as unknown as { ws: Pausing }).ws;
}

/**
 * Hands the events of one answer to whoever hears it: by their offset, so that what comes twice counts once.
 * @param attached whether everything behind the mark comes by now; an end before that is the room's, which the pieces may follow
 */
function listen(socket: TestSocketIo, mark: Mark, attached = () => true): Hearing {
  let length = Number(String(mark.place).split(':')[1] ?? 0);
  const hearing = new Hearing({ ...mark }, () => void socket.socket.disconnect(), connectionOf(socket));
  const take = (event: string, payload: Json): void => {
    if (payload?.message_id !== mark.answerId) return;
    if (event === 'answer_ended') return attached() ? hearing.ended(endingOf(payload.status)) : undefined;
    if (event !== 'answer_chunk' || payload.offset > length || payload.offset + payload.content.length <= length) return;
    const piece = payload.content.slice(length - payload.offset);
    length += piece.length;
    hearing.piece(piece, `${payload.seq}:${length}`);
  };
  for (const { event, payload } of socket.events) take(event, payload);
  socket.socket.onAny(take);
  socket.socket.on('disconnect', (reason) => hearing.broken(reason));
  return hearing;
}

export const studioSocket: Tongue = {
  ...studioRest, transport: 'Socket.IO', streams: true, without: {},
  async open(at, user, conversationId): Promise<Client> {
    const socket = await connect(at, user.token);
    const joined = (await socket.ask('join_conversation', { conversation_id: conversationId, stream: true })) as Json;
    if (joined.error !== undefined) throw new Error(joined.error);
    return {
      conversationId,
      async say(text) {
        const taken = (await socket.ask('send_message', { conversation_id: conversationId, content: text })) as Json;
        if (taken.error !== undefined) throw new Error(taken.code);
        return listen(socket, { conversationId, answerId: taken.answer_id, place: 0 });
      },
      async hear(mark) {
        let attached = false;
        const hearing = listen(socket, mark, () => attached);
        const payload = { message_id: mark.answerId, after: Number(String(mark.place).split(':')[0]) };
        // In the callback itself: what was attached may follow the acknowledgement within the same read.
        await new Promise<void>((resolve, reject) => {
          socket.socket.timeout(10_000).emit('attach_answer', payload, (late: Error | null, answer?: Json) => {
            attached = true;
            if (late || answer.error !== undefined) reject(late ?? new Error(answer.error));
            else resolve();
          });
        });
        return hearing;
      },
      async cancel({ answerId }) {
        await socket.ask('cancel_answer', { message_id: answerId });
      },
      close: () => socket.close(),
    };
  },
  async refusedToSend(at, token, _username, id) {
    const socket = await connect(at, token).catch((error: Error & { data?: { code?: string } }) => error.data?.code ?? error.message);
    if (typeof socket === 'string') return socket;
    const answer = (await socket.ask('send_message', { conversation_id: id, content: 'Let me in' })) as Json;
    socket.close();
    return answer.error === undefined ? null : answer.code;
  },
  refusedToHear: async (at, user, mark) => (await asked(at, user, 'join_conversation', { conversation_id: mark.conversationId })) ?? asked(at, user, 'attach_answer', { message_id: mark.answerId }),
  refusedToCancel: (at, user, mark) => asked(at, user, 'cancel_answer', { message_id: mark.answerId }),
  async malformed(at, user, id) {
    const socket = await connect(at, user.token);
    const refusals: (string | null)[] = [];
    const payloads: Json[] = [...bad.map((body) => ({ conversation_id: id, ...body })), null, 'text', [], { conversation_id: {}, content: 'Hello' }];
    for (const payload of payloads) refusals.push(((await socket.ask('send_message', payload)) as Json).code ?? null);
    refusals.push(((await socket.ask('dance', {})) as Json).code ?? null);
    socket.close();
    return refusals;
  },
};
