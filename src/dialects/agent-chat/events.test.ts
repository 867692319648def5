import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { openSocketIo, startTestServer, type Json, type TestServer, type TestSocketIo, type TestUser } from '../testing.ts';

const one = '0.0.6154098';
const two = '0.0.6153500';
const list = '/api/agent-chat/sessions';

describe.each(engines)('The events of /agent-chat on %s', (engine) => {
  let server: TestServer;
  let ann: TestUser;
  const sockets: TestSocketIo[] = [];

  beforeAll(async () => {
    server = await startTestServer({ engine, settings: { LIMIT_MESSAGES_PER_HOUR: '100000' } });
    ann = await server.user('ann');
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await server.stop();
  });

  async function newSession(body: Json = {}): Promise<string> {
    const made = await server.request('POST', list, { as: ann, body: { agent1Id: one, agent2Id: two, agent2Role: 'travel', ...body } });
    expect([made.status, made.json.success]).toEqual([201, true]);
    return made.json.data.sessionId;
  }

  async function open(as: TestUser | null = ann): Promise<TestSocketIo> {
    const socket = await openSocketIo(server, { namespace: '/agent-chat', ...(as ? { auth: { token: as.token } } : {}) });
    sockets.push(socket);
    return socket;
  }

  async function join(sessionId: string, agentAccountId = one, as: TestUser | null = ann): Promise<TestSocketIo> {
    const socket = await open(as);
    await socket.ask('agent-join-session', { sessionId, agentAccountId });
    return socket;
  }

  /** Events so far; those that are on their way come before the answer to one more. */
  async function heard({ events, ask, next }: TestSocketIo, sessionId: string): Promise<Json[]> {
    const before = events.length;
    await ask('get-session-status', { sessionId });
    await next('session-status');
    return events.slice(0, Math.max(before, events.length - 1)).map(({ event, payload }) => [event, payload]);
  }

  const names = (events: Json[]): string[] => events.map(([name]: Json) => name);
  const said = (from: string, message: string, metadata: Json): Json => ({ from, message, timestamp: expect.stringMatching(/^\d{4}-.*Z$/), metadata });
  const byUser = { sentBy: 'user', onBehalfOf: one };

  it('a client that joins is told who is there, and the history once', async () => {
    const id = await newSession();
    const first = await join(id);
    expect(first.events).toEqual([{ event: 'session-info', payload: { sessionId: id, otherAgentId: two, messageCount: 0 } }, { event: 'conversation-history', payload: [] }]);
    await first.ask('agent-join-session', { sessionId: id, agentAccountId: one });
    expect(names(await heard(first, id))).toEqual(['session-info', 'conversation-history', 'session-info']);
    const second = await join(id, two);
    expect(second.events[0]!.payload).toEqual({ sessionId: id, otherAgentId: one, messageCount: 0 });
    expect(await first.next('agent-joined')).toEqual({ agentId: two });
    expect(names(second.events.map(({ event }) => [event]))).toEqual(['session-info', 'conversation-history']);
  });

  it('the history is sent once for each client, unless it is forced', async () => {
    const id = await newSession();
    const speaker = await join(id);
    const reader = await open();
    await reader.ask('get-conversation-history', { sessionId: id });
    await reader.ask('get-conversation-history', { sessionId: id, force: false });
    await speaker.ask('user-send-message-on-behalf', { sessionId: id, agentId: one, message: 'Hello' });
    await reader.ask('get-conversation-history', { sessionId: id, force: true });
    await reader.ask('agent-join-session', { sessionId: id, agentAccountId: one });
    expect(reader.events.map(({ event, payload }) => [event, payload])).toEqual([
      ['conversation-history', []],
      ['conversation-history-cached', { message: 'Conversation history already sent to this client' }],
      ['conversation-history', [said(one, 'Hello', byUser)]],
      ['session-info', { sessionId: id, otherAgentId: two, messageCount: 1 }],
    ]);
  });

  it('a message on behalf is confirmed, then told to everybody; without triggerAI nothing follows', async () => {
    const id = await newSession();
    const [first, second] = [await join(id), await join(id, two)];
    const calls = server.models.calls.length;
    await first.ask('user-send-message-on-behalf', { sessionId: id, agentId: `${one}-vfqyo`, message: 'I want to visit Japan for 10 days' });
    await Promise.all([first.next('new-message'), second.next('new-message')]);
    expect((await heard(first, id)).slice(2)).toEqual([
      ['agent-joined', { agentId: two }],
      ['message-sent-on-behalf', { sessionId: id, agentId: one, success: true }],
      ['new-message', said(one, 'I want to visit Japan for 10 days', byUser)],
    ]);
    expect(names(await heard(second, id))).toEqual(['session-info', 'conversation-history', 'new-message']);
    expect(server.models.calls.length).toBe(calls);
  });

  it('with triggerAI the other agent answers, once, and never as a new message', async () => {
    const id = await newSession({ agent2Prompt: 'Ask for the budget.' });
    const [first, second] = [await join(id), await join(id, two)];
    await first.next('agent-joined');
    await first.ask('user-send-message-on-behalf', { sessionId: id, agentId: one, message: 'A trip to Paris', triggerAI: true });
    const call = await server.models.call();
    expect(await second.next('ai-thinking')).toEqual({ agentId: two });
    expect(call.request.messages.at(-1)).toEqual({ role: 'user', content: 'A trip to Paris' });
    expect(call.request.messages[0]!.content).toContain('travel');
    expect(call.request.messages[0]!.content).toContain('Ask for the budget.');
    call.text("What's your budget? I can suggest itineraries and help with bookings!");
    call.finish();
    const reply = await first.next('ai-response-generated');
    await second.next('ai-response-generated');
    expect(reply).toEqual(said(two, "What's your budget? I can suggest itineraries and help with bookings!", {
      aiModel: 'one', aiProvider: 'scripted', processingTime: expect.any(Number), tokensUsed: 10,
      containsQuestion: true, suggestsAction: true, requestsInformation: true, agentRole: 'travel', responseType: 'information_request',
    }));
    expect(names(await heard(first, id)).slice(3)).toEqual(['message-sent-on-behalf', 'new-message', 'ai-thinking', 'ai-response-generated']);
    expect(names(await heard(second, id)).slice(2)).toEqual(['new-message', 'ai-thinking', 'ai-response-generated']);
    await first.ask('get-conversation-history', { sessionId: id, force: true });
    expect((await first.next('conversation-history', (messages) => messages.length > 0)).at(-1)).toEqual(reply);
  });

  it('each agent sees its own words as its own, and those of the other as what it is told', async () => {
    const id = await newSession();
    const socket = await join(id);
    await socket.ask('user-send-message-on-behalf', { sessionId: id, agentId: one, message: 'First' });
    for (const [agent, words] of [[two, 'Second'], [one, 'Third'], [two, 'Fourth']] as const) {
      await socket.ask('trigger-ai-response', { sessionId: id, agentAccountId: agent });
      const call = await server.models.call();
      call.text(words);
      call.finish();
      await socket.next('ai-response-generated', ({ message }) => message === words);
    }
    const roles = server.models.calls.slice(-2).map(({ request }) => request.messages.slice(1).map(({ role, content }) => `${role} ${content}`));
    expect(roles).toEqual([['assistant First', 'user Second'], ['user First', 'assistant Second', 'user Third']]);
  });

  it('loops are prevented before anything is asked', async () => {
    const id = await newSession({ limits: { depth: 3 } });
    const socket = await join(id);
    const trigger = async (agentAccountId: string): Promise<void> => void (await socket.ask('trigger-ai-response', { sessionId: id, agentAccountId }));
    await trigger(two);
    expect(await socket.next('ai-skip')).toEqual({ agentId: two, reason: 'no-message-to-answer' });
    await socket.ask('user-send-message-on-behalf', { sessionId: id, agentId: one, message: 'Hello' });
    await Promise.all([trigger(two), trigger(two)]);
    expect(await socket.next('ai-skip')).toEqual({ agentId: two, reason: 'already-generating' });
    const first = await server.models.call();
    first.text('Good day.');
    first.finish();
    await socket.next('ai-response-generated');
    await trigger(two);
    expect(await socket.next('ai-skip')).toEqual({ agentId: two, reason: 'loop-prevention' });
    server.models.answerWith(['Well.']);
    await trigger(one);
    await socket.next('ai-response-generated');
    await trigger(two);
    await socket.next('ai-response-generated');
    server.models.answerWith(null);
    const calls = server.models.calls.length;
    await trigger(one);
    expect(await socket.next('ai-skip')).toEqual({ agentId: one, reason: 'loop-prevention' });
    expect(server.models.calls.length).toBe(calls);
    for (let index = server.models.calls.length; index > 0 && index > calls - 2; index -= 1) await server.models.call();
  });

  it('what fails is told to whoever triggered it as an error, and to the others as a skip', async () => {
    const id = await newSession({ agent2Model: 'missing' });
    const [first, second] = [await join(id), await join(id, two)];
    await first.next('agent-joined');
    await first.ask('user-send-message-on-behalf', { sessionId: id, agentId: one, message: 'Anybody?', triggerAI: true });
    expect(await first.next('error')).toMatchObject({ code: 'AI_TRIGGER_ERROR', message: expect.any(String) });
    expect(await second.next('ai-skip')).toEqual({ agentId: two, reason: 'generation-failed' });
    expect(names(await heard(first, id)).slice(3)).toEqual(['message-sent-on-behalf', 'new-message', 'ai-thinking', 'error']);
    expect(names(await heard(second, id)).slice(2)).toEqual(['new-message', 'ai-thinking', 'ai-skip']);
    await first.ask('get-session-status', { sessionId: id });
    expect(await first.next('session-status', ({ messageCount }) => messageCount === 1)).toBeTruthy();
  });

  it('an agent speaks for itself, and nobody speaks for the other', async () => {
    const id = await newSession();
    const [first, second] = [await join(id), await join(id, two)];
    expect(await second.ask('agent-send-message', { sessionId: id, fromAgentId: one, message: 'As somebody else' })).toMatchObject({ code: 'forbidden' });
    expect(await second.next('error')).toMatchObject({ code: 'MESSAGE_ERROR' });
    await second.ask('agent-send-message', { sessionId: id, fromAgentId: two, message: 'Hello' });
    expect(await first.next('new-message')).toEqual(said(two, 'Hello', { sentBy: 'ai' }));
    await first.ask('trigger-ai-response', { sessionId: id, agentAccountId: two });
    expect(await first.next('ai-skip')).toEqual({ agentId: two, reason: 'loop-prevention' });
  });

  it('messages are streamed in batches that add up to the history', async () => {
    const id = await newSession();
    const socket = await join(id);
    for (let count = 0; count < 25; count += 1) await socket.ask('user-send-message-on-behalf', { sessionId: id, agentId: one, message: `Message ${count}` });
    const streamed: Json[] = [];
    for (const [startIndex, batchSize, complete] of [
      [0, 10, { totalMessages: 25, sentCount: 10, nextStartIndex: 10, hasMore: true }],
      [10, 10, { totalMessages: 25, sentCount: 10, nextStartIndex: 20, hasMore: true }],
      [20, 10, { totalMessages: 25, sentCount: 5, nextStartIndex: 25, hasMore: false }],
      [15, 10, { totalMessages: 25, sentCount: 10, nextStartIndex: 25, hasMore: false }],
      [25, 10, { totalMessages: 25, sentCount: 0, nextStartIndex: 25, hasMore: false }],
      [400, 1, { totalMessages: 25, sentCount: 0, nextStartIndex: 25, hasMore: false }],
    ] as const) {
      const before = socket.events.length;
      await socket.ask('stream-conversation-messages', { sessionId: id, startIndex, batchSize });
      expect(await socket.next('message-stream-complete')).toEqual(complete);
      const batch = socket.events.slice(before).filter(({ event }) => event === 'message-stream').map(({ payload }) => payload);
      expect(batch.map(({ index }) => index)).toEqual(Array.from({ length: complete.sentCount }, (_, at) => startIndex + at));
      expect(batch.map(({ isLast }) => isLast)).toEqual(batch.map(({ index }) => index === 24));
      if (streamed.length === startIndex) streamed.push(...batch);
    }
    await socket.ask('get-conversation-history', { sessionId: id, force: true });
    const history = await socket.next('conversation-history', (messages) => messages.length > 0);
    expect(streamed).toEqual(history.map((message: Json, index: number) => ({ ...message, index, isLast: index === 24 })));
    for (const wrong of [{ startIndex: -1 }, { startIndex: 0.5 }, { batchSize: 0 }, { batchSize: '10' }]) {
      await socket.ask('stream-conversation-messages', { sessionId: id, ...wrong });
      expect(await socket.next('error')).toMatchObject({ code: 'HISTORY_ERROR' });
    }
  });

  it('who ends a session ends it for everybody, once', async () => {
    const id = await newSession();
    const [first, second, local] = [await join(id), await join(id, two), await join(id, two, null)];
    await first.ask('user-send-message-on-behalf', { sessionId: id, agentId: one, message: 'Bye', triggerAI: true });
    const call = await server.models.call();
    await second.next('ai-thinking');
    await local.ask('end-session', { sessionId: id });
    expect(await local.next('error')).toMatchObject({ code: 'END_SESSION_ERROR' });
    await first.ask('end-session', { sessionId: id });
    expect(await second.next('session-ended')).toEqual({ sessionId: id, transcriptSubmitted: false });
    expect(await first.next('session-ended')).toEqual({ sessionId: id, transcriptSubmitted: false });
    expect(call.signal.aborted).toBe(true);
    expect(names(await heard(second, id)).slice(2)).toEqual(['agent-joined', 'new-message', 'ai-thinking', 'ai-skip', 'session-ended']);
    for (const [event, payload, code] of [
      ['user-send-message-on-behalf', { agentId: one, message: 'More' }, 'MESSAGE_ERROR'], ['agent-send-message', { fromAgentId: one, message: 'More' }, 'MESSAGE_ERROR'],
      ['trigger-ai-response', { agentAccountId: two }, 'AI_TRIGGER_ERROR'], ['agent-join-session', { agentAccountId: one }, 'JOIN_ERROR'],
    ] as const) {
      await first.ask(event, { sessionId: id, ...payload });
      expect([event, await first.next('error', (error) => error.code === code)]).toEqual([event, expect.objectContaining({ code })]);
    }
    await first.ask('end-session', { sessionId: id });
    expect(await first.next('session-ended')).toEqual({ sessionId: id, transcriptSubmitted: false });
    expect(names(await heard(second, id)).filter((name) => name === 'session-ended')).toHaveLength(1);
    const status = await first.ask('get-session-status', { sessionId: id }).then(() => first.next('session-status', ({ status: state }) => state === 'ended'));
    expect(status).toEqual({ sessionId: id, status: 'ended', messageCount: 1, startTime: expect.any(String), endTime: expect.any(String), transcriptSubmitted: false });
    const chat = await server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'By the back door', answer: false } });
    expect(chat.status).toBe(403);
  });

  it('a socket is in one session at a time', async () => {
    const [here, there] = [await newSession(), await newSession()];
    const socket = await join(here);
    const other = await join(here, two);
    await socket.ask('agent-join-session', { sessionId: there, agentAccountId: one });
    await other.ask('agent-send-message', { sessionId: here, fromAgentId: two, message: 'Gone?' });
    expect(names(await heard(socket, there))).toEqual(['session-info', 'conversation-history', 'agent-joined', 'session-info', 'conversation-history']);
    await socket.ask('user-send-message-on-behalf', { sessionId: here, agentId: one, message: 'Back?' });
    expect(await socket.next('error')).toMatchObject({ code: 'MESSAGE_ERROR' });
  });

  it('strangers learn nothing, and those without credentials get in only where the machine vouches for them', async () => {
    const id = await newSession();
    const ben = await open(await server.user('ben'));
    for (const [event, payload, code] of [
      ['agent-join-session', { agentAccountId: two }, 'JOIN_ERROR'], ['get-conversation-history', {}, 'HISTORY_ERROR'], ['stream-conversation-messages', {}, 'HISTORY_ERROR'],
      ['get-session-status', {}, 'STATUS_ERROR'], ['end-session', {}, 'END_SESSION_ERROR'], ['trigger-ai-response', { agentAccountId: two }, 'AI_TRIGGER_ERROR'],
    ] as const) {
      await ben.ask(event, { sessionId: id, ...payload });
      expect(await ben.next('error')).toMatchObject({ code });
    }
    expect(ben.events.every(({ event }) => event === 'error')).toBe(true);
    await expect(openSocketIo(server, { namespace: '/agent-chat', auth: { token: 'nonsense' } })).rejects.toThrow();
  });

  it('what was said by way of another dialect is a part of it', async () => {
    const id = await newSession();
    const socket = await join(id);
    expect((await server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'From the page' } })).status).toBe(200);
    expect(await socket.next('new-message')).toEqual(said(one, 'From the page', byUser));
    const shown = await server.request('GET', `/api/v1/chat/chats/${id}`, { as: ann });
    expect(shown.json.messages.map(({ content }: Json) => content)).toEqual(['From the page']);
    const [message] = shown.json.messages;
    expect((await server.request('POST', `/api/v1/chat/chats/${id}/messages/${message.id}/edit`, { as: ann, body: { content: 'Unsaid' } })).status).toBe(409);
  });
});
