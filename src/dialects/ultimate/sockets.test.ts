import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScriptedCall } from '../../core/conversations/testing.ts';
import { openSocket, openSocketIo, startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

/** A proxy header: local trust does not hold for who sends it. */
const remote = { 'x-forwarded-for': '192.0.2.1' };

/** One client over either framing. */
interface Client {
  /** The next event of this name that fits. */
  next(event: string, fits?: (payload: Json) => boolean): Promise<Json>;
  heard(event: string): Json[];
  emit(event: string, payload?: unknown): void;
  close(): void;
  gone: Promise<unknown>;
}

async function overSocketIo(server: TestServer, user: TestUser | null): Promise<Client & { greeting: Json }> {
  const client = await openSocketIo(server, user ? { auth: { token: user.token } } : {});
  return {
    next: client.next, heard: (event) => client.events.filter((told) => told.event === event).map(({ payload }) => payload), emit: (event, payload) => void client.socket.emit(event, payload),
    close: client.close, gone: client.gone, greeting: await client.greeting,
  };
}

async function overPlainFrames(server: TestServer, user: TestUser | null): Promise<Client & { greeting: Json }> {
  const client = await openSocket(server, '/socket.io/', user ? user.headers : {});
  return {
    next: async (event, fits = () => true) => (await client.next(event, ({ data }) => fits(data))).data, heard: (event) => client.frames.filter(({ type }) => type === event).map(({ data }) => data),
    emit: (event, payload) => client.send({ type: event, data: payload }), close: client.close, gone: client.closed, greeting: (await client.next('connected')).data,
  };
}

describe.each([['Socket.IO', overSocketIo], ['plain frames', overPlainFrames]] as const)('Events over %s', (_name, connect) => {
  let server: TestServer;
  let ann: TestUser;
  let ben: TestUser;
  const open: Client[] = [];

  beforeAll(async () => {
    server = await startTestServer();
    ann = await server.user('ann');
    ben = await server.user('ben');
    server.models.answerWith(['It', ' is', ' so.']);
  });
  afterAll(async () => {
    for (const client of open) client.close();
    await server.stop();
  });

  async function come(user: TestUser | null = ann): Promise<Client & { greeting: Json }> {
    const client = await connect(server, user);
    open.push(client);
    return client;
  }
  async function callOf(at = server.models.calls.length): Promise<ScriptedCall> {
    await expect.poll(() => server.models.calls.length).toBeGreaterThan(at);
    return server.models.calls[at]!;
  }

  it('greet each socket once with what there is', async () => {
    const client = await come();
    expect(client.greeting).toEqual({
      agent_id: expect.stringMatching(/^ultimate-/), version: '4.1.0-enhanced', p2p_enabled: false, chat_enabled: true,
      enhanced_features: { real_time_chat: true, context_memory: true, voice_support: false, file_analysis: false, multi_model_pipeline: false, p2p_coordination: false },
    });
  });

  it('carry a conversation: its beginning, the echo, the answer, its history', async () => {
    const client = await come();
    client.emit('start_conversation', { model_type: 'technical', user_id: 'user123' });
    const begun = await client.next('conversation_started');
    expect(begun).toMatchObject({ success: true, model_type: 'technical', welcome_message: expect.any(String) });
    client.emit('chat_message', { message: 'Explain machine learning', conversation_id: begun.conversation_id, model: 'technical' });
    expect(await client.next('chat_message')).toMatchObject({ message: 'Explain machine learning', model: 'technical', conversation_id: begun.conversation_id });
    const answer = await client.next('chat_response');
    expect(answer).toMatchObject({ success: true, response: 'It is so.', confidence: null, conversation_id: begun.conversation_id, message_count: 2, strategy: 'technical' });
    client.emit('get_conversation_history', { conversation_id: begun.conversation_id, limit: 1 });
    expect((await client.next('conversation_history')).conversation).toMatchObject({ user_id: 'user123', messages: [{ content: 'It is so.' }], metadata: { message_count: 2 } });
    // Nothing more is named: the conversation used last goes on.
    client.emit('chat_message', { message: 'Hello' });
    expect(await client.next('chat_response')).toMatchObject({ conversation_id: begun.conversation_id, message_count: 4, context_used: true });
  });

  it('make a conversation for a message that names none', async () => {
    const client = await come();
    client.emit('chat_message', { message: 'Hello' });
    const { conversation_id: id } = await client.next('chat_message');
    expect((await client.next('chat_response')).conversation_id).toBe(id);
  });

  it('reach every socket in the conversation, in order, and no other', async () => {
    const [one, two, outside, foreign] = [await come(), await come(), await come(), await come(ben)];
    one.emit('start_conversation', { user_id: 'x' });
    const { conversation_id: id } = await one.next('conversation_started');
    two.emit('get_conversation_history', { conversation_id: id });
    await two.next('conversation_history');
    foreign.emit('get_conversation_history', { conversation_id: id });
    expect(await foreign.next('agent_error')).toEqual({ event: 'get_conversation_history', code: 'not_found', message: 'There is no such conversation.' });
    for (const text of ['First', 'Second', 'Third']) one.emit('chat_message', { message: text, conversation_id: id });
    for (const client of [one, two]) {
      await expect.poll(() => client.heard('chat_response').length, { timeout: 10_000 }).toBe(3);
      expect(client.heard('chat_message').map(({ message }) => message)).toEqual(['First', 'Second', 'Third']);
      expect(client.heard('chat_response').map(({ message_count: count }) => count)).toEqual(expect.arrayContaining([6]));
    }
    // What is said by REST is heard, too.
    await server.request('POST', '/api/ai/chat', { as: ann, body: { input: 'By REST', conversation_id: id } });
    expect(await two.next('chat_message', ({ message }) => message === 'By REST')).toMatchObject({ conversation_id: id });
    expect([outside.heard('chat_message'), outside.heard('chat_response'), foreign.heard('chat_message'), foreign.heard('chat_response')]).toEqual([[], [], [], []]);
  });

  it('tell pieces only where Ollama makes them, one of them as the last', async () => {
    const client = await come();
    server.models.answerWith(null);
    const { resolve } = server.models;
    server.models.resolve = async (...given) => ({ ...(await resolve.call(server.models, ...given)), id: 'ollama/llama2', provider: 'ollama', model: 'llama2' });
    const coming = callOf();
    client.emit('chat_message', { message: 'Stream' });
    const call = await coming;
    server.models.resolve = resolve;
    call.text('Here');
    expect(await client.next('ollama_streaming_chunk')).toMatchObject({ chunk: 'Here', done: false });
    call.text(' it is.');
    call.finish();
    await client.next('chat_response', ({ response }) => response === 'Here it is.');
    server.models.answerWith(['It', ' is', ' so.']);
    const chunks = client.heard('ollama_streaming_chunk');
    expect(chunks.map(({ chunk }) => chunk).join('')).toBe('Here it is.');
    expect(chunks.map(({ done }) => done)).toEqual([...chunks.slice(1).map(() => false), true]);
    client.emit('chat_message', { message: 'Again' });
    await client.next('chat_response', ({ response }) => response === 'It is so.');
    expect(client.heard('ollama_streaming_chunk')).toHaveLength(chunks.length);
  });

  it('say why there is no answer, once', async () => {
    const client = await come();
    server.models.answerWith(null);
    const coming = callOf();
    client.emit('chat_message', { message: 'Break' });
    (await coming).say({ type: 'error', error: { code: 'provider_error', message: 'It broke.', serviceFault: false } });
    expect(await client.next('agent_error')).toMatchObject({ event: 'chat_message', code: 'provider_error', message: 'It broke.' });
    server.models.answerWith(['It', ' is', ' so.']);
    client.emit('chat_message', { message: 'Go on' });
    await client.next('chat_response');
    expect(client.heard('agent_error')).toHaveLength(1);
  });

  it('refuse what is wrong, unknown or not built, and go on', async () => {
    const client = await come();
    for (const [event, payload, code] of [
      ['chat_message', {}, 'validation_failed'], ['chat_message', { message: '' }, 'validation_failed'], ['chat_message', { message: 'x', model: 'gpt-4' }, 'validation_failed'],
      ['chat_message', { message: 'x', conversation_id: 'conv_abc123' }, 'not_found'], ['start_conversation', undefined, 'validation_failed'], ['get_p2p_status', undefined, 'not_implemented'],
      ['voice_message', { audio_data: 'GkXfow==' }, 'not_implemented'],
    ] as const) {
      client.emit(event, payload);
      expect(await client.next('agent_error')).toMatchObject({ event, code });
    }
    client.emit('get_comprehensive_health');
    expect(await client.next('comprehensive_health')).toMatchObject({ overall_health: expect.any(String), components: { core_agent: {} } });
  });

  it('need the permission of the event, and accept the owner on this machine', async () => {
    const { key } = await server.parts.accounts.createApiKey(ann.userId, 'reader', ['read']);
    const reader = await come({ ...ann, token: key, headers: { authorization: `Bearer ${key}` } });
    reader.emit('chat_message', { message: 'x' });
    expect(await reader.next('agent_error')).toMatchObject({ code: 'forbidden' });
    const { key: chatKey } = await server.parts.accounts.createApiKey(ann.userId, 'chatter', ['chat']);
    const chatter = await come({ ...ann, token: chatKey, headers: { authorization: `Bearer ${chatKey}` } });
    chatter.emit('chat_message', { message: 'x' });
    await chatter.next('chat_response');
    const local = await come(null);
    local.emit('chat_message', { message: 'From this machine' });
    expect(await local.next('chat_response')).toMatchObject({ success: true });
  });

  it('end with the credential', async () => {
    const login = await server.request('POST', '/api/auth/login', { body: { username: 'ben', password: ben.password } });
    const headers = { authorization: `Bearer ${login.json.access_token}` };
    const client = await come({ ...ben, token: login.json.access_token, headers });
    await server.request('POST', '/api/auth/logout', { headers });
    await client.gone;
  });
});

describe('Acknowledgements', () => {
  it('are the bodies of the same requests over REST, that of a message when it is answered', async () => {
    const server = await startTestServer();
    try {
      const ann = await server.user('ann');
      const client = await openSocketIo(server, { auth: { token: ann.token } });
      const begun = await client.ask('start_conversation', { user_id: 'x' });
      expect(begun).toMatchObject({ success: true, model_type: 'general' });
      const answered = client.ask('chat_message', { message: 'Slow', conversation_id: begun.conversation_id });
      const call = await server.models.call();
      // Another event is handled while the model thinks.
      expect(await client.ask('get_conversation_history', { conversation_id: begun.conversation_id })).toMatchObject({ success: true, conversation: { messages: [{ content: 'Slow' }] } });
      call.text('At last.');
      call.finish();
      expect(await answered).toMatchObject({ success: true, response: 'At last.', message_count: 2 });
      const failing = client.ask('chat_message', { message: 'Break', conversation_id: begun.conversation_id });
      (await server.models.call()).say({ type: 'error', error: { code: 'provider_error', message: 'It broke.', serviceFault: false } });
      expect(await failing).toEqual({ error: 'It broke.', code: 'provider_error' });
      expect(await client.ask('get_p2p_status')).toEqual({ error: 'This is not built yet.', code: 'not_implemented' });
      client.close();
    } finally {
      await server.stop();
    }
  });
});

describe('The plain socket', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
    await server.user('ann');
  });
  afterAll(() => server.stop());

  it('is closed to whoever proves nothing, and to foreign pages', async () => {
    const ann = await server.user('ann');
    expect((await (await openSocket(server, '/socket.io/', remote)).closed).code).toBe(4401);
    expect((await (await openSocket(server, '/socket.io/', { authorization: 'Bearer wrong' })).closed).code).toBe(4401);
    expect((await (await openSocket(server, '/socket.io/', { origin: 'https://elsewhere.example' })).closed).code).toBe(4401);
    const byQuery = await openSocket(server, `/socket.io/?token=${ann.token}`, remote);
    expect((await byQuery.next('connected')).data.chat_enabled).toBe(true);
    byQuery.close();
  });

  it('answers what is no frame, and closes after three of them in a row', async () => {
    const ann = await server.user('ann');
    const client = await openSocket(server, '/socket.io/', ann.headers);
    client.sendRaw('{');
    expect((await client.next('agent_error')).data).toMatchObject({ event: null, code: 'invalid_json' });
    client.send({ type: 'sing' });
    expect((await client.next('agent_error')).data).toEqual({ event: 'sing', code: 'invalid_request', message: 'Unknown event: sing' });
    for (const text of ['[]', '{"data": 1}', 'null']) client.sendRaw(text);
    expect((await client.closed).code).toBe(4400);
  });

  it('stays open for programs that only listen, as long as they answer', async () => {
    let ahead = 0;
    const clock = { now: () => Date.now(), monotonic: () => performance.now() + ahead };
    const other = await startTestServer({ clock });
    try {
      const ann = await other.user('ann');
      const [listener, dead] = [await openSocket(other, '/socket.io/', ann.headers), await openSocket(other, '/socket.io/', ann.headers)];
      (dead.socket as unknown as { pong(): void }).pong = () => undefined;
      dead.socket.removeAllListeners('ping');
      const asked = new Promise((resolve) => listener.socket.once('ping', resolve));
      ahead = 61_000;
      await asked;
      // The answer has arrived when the next frame is answered.
      listener.send({ type: 'sing' });
      await listener.next('agent_error');
      ahead = 301_000;
      expect((await dead.closed).code).toBe(4408);
      listener.send({ type: 'sing' });
      await listener.next('agent_error');
      listener.close();
    } finally {
      await other.stop();
    }
  });
});
