import { openSocketIo, sendRequest, type Json, type TestSocketIo, type TestUser } from '../../src/dialects/testing.ts';
import { Hearing, type Client, type Tongue } from './tongue.ts';
import { spoken, type Server } from './world.ts';

const sessions = '/api/agent-chat/sessions';

/** The agent in whose name people speak, and the one whose model answers. */
export const [speaker, replier] = ['0.0.6154098', '0.0.6153500'] as const;

async function newConversation(at: Server, user: TestUser): Promise<string> {
  const body = { agent1Id: speaker, agent2Id: replier, agent1Model: spoken.id, agent2Model: spoken.id };
  return (await sendRequest(at.url, 'POST', sessions, { as: user, body })).json.data.sessionId;
}

async function read(at: Server, user: TestUser, id: string): Promise<[string, string][]> {
  const { json } = await sendRequest(at.url, 'GET', `${sessions}/${id}/messages?batchSize=1000`, { as: user });
  return json.data.messages.map(({ from, message }: Json) => [from === speaker ? 'user' : 'assistant', message]);
}

const connect = (at: Server, token: string | null): Promise<TestSocketIo> => openSocketIo(at, { namespace: '/agent-chat', ...(token === null ? {} : { auth: { token } }) });

/** Joins as the agent in whose name people speak; the code of the refusal, or null. */
const join = async (socket: TestSocketIo, sessionId: string): Promise<string | null> => (await socket.ask('agent-join-session', { sessionId, agentAccountId: speaker })).code ?? null;

function listen({ socket, events }: TestSocketIo, conversationId: string): Hearing {
  const hearing = new Hearing({ conversationId, answerId: '', place: 0 }, () => void socket.disconnect());
  const take = (event: string, payload: Json): void => {
    if (event === 'ai-response-generated' && payload.from === replier) {
      hearing.piece(payload.message, 1);
      hearing.ended('whole');
    }
    if ((event === 'error' && payload.code === 'AI_TRIGGER_ERROR') || event === 'ai-skip') hearing.ended('failed');
    // Whoever joins behind the end finds the reply in the history.
    if (event === 'conversation-history' && payload.at(-1)?.from === replier) {
      hearing.piece(payload.at(-1).message, 1);
      hearing.ended('whole');
    }
  };
  for (const { event, payload } of events.splice(0)) take(event, payload);
  socket.onAny(take);
  socket.on('disconnect', (reason) => hearing.broken(reason));
  void hearing.end.finally(() => socket.offAny(take)).catch(() => undefined);
  return hearing;
}

/** A session is a conversation whose two parties are agents: a person speaks in the name of one, the other's model answers. */
export const agentChatSocket: Tongue = {
  name: 'agent-chat', transport: 'Socket.IO', streams: false, limit: 'LIMIT_MESSAGES_PER_HOUR', newConversation, read,
  without: {
    order: 'an agent that is replying is not triggered once more: quick messages are skipped over, not queued for a reply each',
    pieces: 'a reply is told when it is whole', slow: 'a reply is told when it is whole', cancel: 'what is broken off is no part of a session',
  },
  async open(at, user, conversationId): Promise<Client> {
    const socket = await connect(at, user.token);
    const refused = await join(socket, conversationId);
    if (refused !== null) throw new Error(refused);
    return {
      conversationId,
      async say(text) {
        // The history that came with the join is of earlier replies.
        socket.events.length = 0;
        const hearing = listen(socket, conversationId);
        const taken = await socket.ask('user-send-message-on-behalf', { sessionId: conversationId, agentId: speaker, message: text, triggerAI: true });
        if (taken.code !== undefined) throw new Error(taken.code);
        return hearing;
      },
      hear: async () => listen(socket, conversationId),
      close: socket.close,
    };
  },
  async refusedToSend(at, token, _username, id) {
    const socket = await connect(at, token).catch((error: Error & { data?: { code?: string } }) => error.data?.code ?? error.message);
    if (typeof socket === 'string') return socket;
    const refused = (await join(socket, id)) ?? (await socket.ask('user-send-message-on-behalf', { sessionId: id, agentId: speaker, message: 'Let me in' })).code ?? null;
    socket.close();
    return refused;
  },
  async refusedToHear(at, user, mark) {
    const socket = await connect(at, user.token);
    const refused = (await join(socket, mark.conversationId)) ?? (await socket.ask('get-conversation-history', { sessionId: mark.conversationId })).code ?? null;
    socket.close();
    return refused;
  },
  async malformed(at, user, id) {
    const socket = await connect(at, user.token);
    await join(socket, id);
    const said = { sessionId: id, agentId: speaker };
    const payloads: Json[] = [null, 'text', [], {}, said, { ...said, message: 7 }, { ...said, message: '' }, { ...said, message: 'x'.repeat(50_001) }, { ...said, message: 'x', triggerAI: 'yes' }, { ...said, message: 'x', agentId: '0.0.1' }];
    const refusals: (string | null)[] = [];
    for (const payload of payloads) refusals.push((await socket.ask('user-send-message-on-behalf', payload)).code ?? null);
    refusals.push((await socket.ask('dance', {})).code ?? null);
    socket.close();
    return refusals;
  },
};
