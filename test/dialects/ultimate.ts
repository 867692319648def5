import { openSocket, openSocketIo, sendRequest, type Json, type TestUser } from '../../src/dialects/testing.ts';
import { Hearing, type Client, type Mark, type Pausing, type Refusal, type Tongue } from './tongue.ts';
import { spoken, spokenByOllama, type Server } from './world.ts';

const conversations = '/api/ai/conversations';

/** @param model the one behind the profile */
function beginWith(model: string): Tongue['newConversation'] {
  return async (at, user) => (await sendRequest(at.url, 'POST', conversations, { as: user, body: { user_id: 'a label', backend_model: model } })).json.conversation_id;
}

async function read(at: Server, user: TestUser, id: string): Promise<[string, string][]> {
  const { json } = await sendRequest(at.url, 'GET', `${conversations}/${id}`, { as: user });
  return json.conversation.messages.map((message: Json) => [message.role, message.content]);
}

const refusal = (status: number): number | null => (status < 300 ? null : status);
const noCancel = 'the document has no word for stopping an answer';
const bad = [{ input: 7 }, { input: '' }, { input: 'x'.repeat(50_001) }, { input: 'Hello', model: 'gpt-4' }, { input: 'Hello', options: 'none' }];

export const ultimateRest: Tongue = {
  name: 'ultimate', transport: 'REST', streams: false, limit: 'LIMIT_MESSAGES_PER_HOUR', newConversation: beginWith(spoken.id), read,
  without: {
    pieces: 'a plain answer has no pieces', slow: 'nothing is streamed', revoked: 'nothing stays open',
    attach: 'the answer has no name before its end', resume: 'the answer has no name before its end', cancel: noCancel,
  },
  async open(at, user, conversationId): Promise<Client> {
    return {
      conversationId,
      async say(text) {
        const hearing = new Hearing({ conversationId, answerId: '', place: 0 }, () => undefined);
        void sendRequest(at.url, 'POST', '/api/ai/chat', { as: user, body: { input: text, conversation_id: conversationId } }).then(
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
    return refusal((await sendRequest(at.url, 'POST', '/api/ai/chat', { headers: token === null ? {} : { authorization: `Bearer ${token}` }, body: { input: 'Let me in', conversation_id: id } })).status);
  },
  refusedToHear: async (at, user, mark) => refusal((await sendRequest(at.url, 'GET', `${conversations}/${mark.conversationId}`, { as: user })).status),
  malformed: (at, user, id) => Promise.all([...bad.map((body) => ({ conversation_id: id, ...body })), {}, []].map(async (body) => refusal((await sendRequest(at.url, 'POST', '/api/ai/chat', { as: user, body })).status))),
};

/** A socket of either framing. */
interface Framing {
  emit(event: string, payload: unknown): void;
  /** Tells every event, those that came already first. */
  listen(heard: (event: string, payload: Json) => void): void;
  gone: Promise<Refusal>;
  /** Loses the connection without a word. */
  lose(): void;
  close(): void;
  below: Pausing;
}

async function socketIo(at: Server, token: string | null): Promise<Framing> {
  const { socket, events, gone, close } = await openSocketIo(at, token === null ? {} : { auth: { token } });
  return {
    emit: (event, payload) => void socket.emit(event, payload),
    listen(heard) {
      for (const { event, payload } of events) heard(event, payload);
      socket.onAny(heard);
    },
    gone, close, lose: () => void socket.disconnect(), below: (socket.io.engine.transport as unknown as { ws: Pausing }).ws,
  };
}

async function plainFrames(at: Server, token: string | null): Promise<Framing> {
  const client = await openSocket(at, '/socket.io/', token === null ? {} : { authorization: `Bearer ${token}` });
  return {
    emit: (type, data) => client.send({ type, data }),
    listen(heard) {
      for (const { type, data } of client.frames) heard(type, data);
      client.socket.on('message', (text: Buffer) => {
        const { type, data } = JSON.parse(text.toString());
        heard(type, data);
      });
    },
    gone: client.closed.then(({ code }) => code), close: client.close, lose: () => client.socket.terminate(), below: client.socket,
  };
}

type Connect = (at: Server, token: string | null) => Promise<Framing>;

/** Sends one event; the code it is refused with, or null as soon as `taken` is told. */
async function sentOnce(connect: Connect, at: Server, token: string | null, event: string, payload: unknown, taken: string): Promise<Refusal | null> {
  const socket = await connect(at, token).catch((error: Error & { data?: { code?: string } }) => error.data?.code ?? error.message);
  if (typeof socket === 'string') return socket;
  const told = new Promise<Refusal | null>((resolve) => socket.listen((name, answer) => {
    if (name === 'agent_error' && (answer.event === event || answer.event === null)) resolve(answer.code);
    if (name === taken) resolve(null);
  }));
  socket.emit(event, payload);
  return Promise.race([told, socket.gone]).finally(() => socket.close());
}

/** Answers come in the order of their questions: each event of one belongs to the first that has not ended. */
function clientOf(socket: Framing, conversationId: string): Client {
  const open: Hearing[] = [];
  const echoes: (() => void)[] = [];
  const refusals: ((error: Error) => void)[] = [];
  socket.listen((event, payload) => {
    if (event === 'chat_message') echoes.shift()?.();
    if (event === 'ollama_streaming_chunk' && !payload.done) open[0]?.piece(payload.chunk, open[0].pieces.join('').length + payload.chunk.length);
    if (event === 'chat_response') open.shift()?.ended('whole', payload.response);
    if (event !== 'agent_error') return;
    if (payload.conversation_id === undefined) refusals.shift()?.(new Error(payload.code));
    else open.shift()?.ended('failed');
  });
  void socket.gone.then((reason) => {
    for (const hearing of open) hearing.broken(String(reason));
  });
  const hearing = (mark: Mark): Hearing => {
    const made = new Hearing({ ...mark }, socket.lose, socket.below);
    open.push(made);
    return made;
  };
  return {
    conversationId,
    async say(text) {
      const answer = hearing({ conversationId, answerId: '', place: 0 });
      socket.emit('chat_message', { message: text, conversation_id: conversationId });
      await new Promise<void>((resolve, reject) => {
        echoes.push(resolve);
        refusals.push(reject);
      });
      return answer;
    },
    hear: async (mark) => hearing(mark),
    close: socket.close,
  };
}

/** The refusal of an event that there is not. */
type Unknown = (at: Server, user: TestUser) => Promise<Refusal | null>;

function overSockets(transport: Tongue['transport'], connect: Connect, unknown: Unknown, wrongFrames: readonly string[]): Tongue {
  return {
    ...ultimateRest, transport, streams: true, newConversation: beginWith(spokenByOllama),
    without: { resume: 'pieces name no place: whoever comes back hears the rest, and the whole text with the end', cancel: noCancel },
    async open(at, user, conversationId) {
      const socket = await connect(at, user.token);
      // Whoever reads the history is in the conversation's room from then on.
      const entered = new Promise<void>((resolve, reject) => {
        socket.listen((event, payload) => {
          if (event === 'conversation_history') resolve();
          if (event === 'agent_error') reject(new Error(payload.code));
        });
      });
      socket.emit('get_conversation_history', { conversation_id: conversationId });
      await entered;
      return clientOf(socket, conversationId);
    },
    refusedToSend: (at, token, _username, id) => sentOnce(connect, at, token, 'chat_message', { message: 'Let me in', conversation_id: id }, 'chat_message'),
    refusedToHear: (at, user, mark) => sentOnce(connect, at, user.token, 'get_conversation_history', { conversation_id: mark.conversationId }, 'conversation_history'),
    async malformed(at, user, id) {
      const payloads: Json[] = [{}, null, 'text', [], { message: 7 }, { message: '' }, { message: 'x'.repeat(50_001) }, { message: 'Hello', model: 'gpt-4' }, { message: 'Hello', conversation_id: {} }];
      const refusals: (Refusal | null)[] = [];
      for (const payload of payloads) {
        const whole = payload === null || typeof payload === 'string' || Array.isArray(payload) ? payload : { conversation_id: id, ...payload };
        refusals.push(await sentOnce(connect, at, user.token, 'chat_message', whole, 'chat_message'));
      }
      refusals.push(await unknown(at, user));
      for (const text of wrongFrames) {
        const client = await openSocket(at, '/socket.io/', user.headers);
        client.sendRaw(text);
        refusals.push((await client.next('agent_error')).data.code);
        client.close();
      }
      return refusals;
    },
  };
}

/** Pieces are told of answers that Ollama makes. */
export const ultimateSocket: Tongue = overSockets('Socket.IO', socketIo, async (at, user) => {
  // The namespace is that of another dialect, too: what neither knows is told to whoever asks for an acknowledgement.
  const socket = await openSocketIo(at, { auth: { token: user.token } });
  const { code } = await socket.ask('dance', {});
  socket.close();
  return code;
}, []);
export const ultimatePlain: Tongue = overSockets('WebSocket', plainFrames, (at, user) => sentOnce(plainFrames, at, user.token, 'dance', {}, 'chat_message'), ['no JSON', '[]', '{"data":{}}']);

/** The same with the model of the other dialects. */
export const inSpokenModel = (tongue: Tongue): Tongue => ({ ...tongue, newConversation: ultimateRest.newConversation });
