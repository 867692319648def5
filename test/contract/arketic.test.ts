import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocket, type Json, type TestSocket, type TestUser } from '../../src/dialects/testing.ts';
import { Contract, documents } from './contract.ts';
import { startContractWorld, type ContractWorld } from './world.ts';

const channel = '/api/v1/chat/chats/{chat_id}/ws';

describe.skipIf(!documents)('The contract of arketic', () => {
  let world: ContractWorld;
  let ann: TestUser;
  let ben: TestUser;
  const contract = new Contract('arketic', () => world.url);
  const events = contract.document['x-events'][channel];
  const forms = new Map<string, Json>((events?.server_messages ?? []).map((message: Json) => [message.name, message.schema]));

  beforeAll(async () => {
    world = await startContractWorld();
    ann = await world.user('ann');
    ben = await world.user('ben');
  });
  afterAll(() => world.stop());

  const newChat = async (fields: Json = {}, as = ann): Promise<Json> => (await contract.call('createChat', { as, body: { title: 'A chat', ...fields } })).json;
  const open = (chatId: string, as = ann): Promise<TestSocket> => openSocket(world, `/api/v1/chat/chats/${chatId}/ws?token=${as.token}`);
  const row = (id: string): Promise<Json> => world.parts.storage.read.selectFrom('messages').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  /** Sends a message and waits for the end of its answer. */
  async function ask(chatId: string, content: string, as = ann): Promise<{ sent: Json; frames: Json[] }> {
    const socket = await open(chatId, as);
    await socket.next('welcome');
    const sent = (await contract.call('sendMessage', { as, path: { chat_id: chatId }, body: { content } })).json;
    await socket.next('ai_response_complete');
    hear(socket.frames);
    socket.close();
    await socket.closed;
    return { sent, frames: socket.frames };
  }
  /** Holds frames against their schemas. */
  function hear(frames: readonly Json[]): void {
    for (const frame of frames) if (forms.has(frame.type)) contract.hear(channel, frame.type, frame, forms.get(frame.type));
  }

  it('chats are made as the document says, with other values and with the defaults', async () => {
    const before = Date.now();
    for (const body of contract.examples('createChat')) {
      const { json } = await contract.call('createChat', { as: ann, body });
      expect(json).toMatchObject({ title: body.title, ai_model: body.ai_model ?? 'gpt-3.5-turbo', message_count: 0 });
      expect(json.created_at).toBe(json.last_activity_at);
      expect(Date.parse(json.created_at)).toBeGreaterThanOrEqual(before - 1000);
    }
    const other = { title: 'Übung 🦜', chat_type: 'GROUP', ai_model: null, ai_persona: 'pirate', temperature: 0, max_tokens: 32_000, is_private: true, tags: ['a', 'b'], description: null, system_prompt: null };
    const made = (await contract.call('createChat', { as: ann, body: other })).json;
    expect(made).toMatchObject({ title: 'Übung 🦜', chat_type: 'GROUP', ai_model: null, ai_persona: 'pirate', is_private: true, tags: ['a', 'b'], description: null });
  });

  it.each([
    ['title', ''], ['title', '   '], ['title', 'x'.repeat(201)], ['description', 'x'.repeat(1001)], ['chat_type', 'CIRCLE'],
    ['temperature', -0.01], ['temperature', 1.01], ['max_tokens', 0], ['max_tokens', 32_001], ['max_tokens', 1.5], ['is_private', 'yes'], ['tags', 'ai'],
  ])('a chat with %s %j is refused in the form of the document', async (field, value) => {
    const refused = await contract.call('createChat', { as: ann, body: { title: 'A chat', [field]: value }, status: 422 });
    expect(refused.json.detail[0].loc).toEqual(['body', field]);
  });

  it.each([
    ['title', 'x'], ['title', 'x'.repeat(200)], ['description', 'x'.repeat(1000)], ['temperature', 0], ['temperature', 1], ['max_tokens', 1], ['max_tokens', 32_000],
  ])('a chat with %s at its edge is made', async (field, value) => {
    await contract.call('createChat', { as: ann, body: { title: 'A chat', [field]: value } });
  });

  it('the list is one’s own, the most recently active first, in pages that neither overlap nor skip', async () => {
    const cat = await world.user('cat');
    const made: Json[] = [];
    for (const title of ['one', 'two', 'three']) made.push(await newChat({ title, ai_model: null }, cat));
    await contract.call('sendMessage', { as: cat, path: { chat_id: made[0].id }, body: { content: 'Up again' } });
    const all = (await contract.call('listChats', { as: cat })).json;
    expect(all.map((chat: Json) => chat.title)).toEqual(['one', 'three', 'two']);
    expect(all[0].message_count).toBe(1);
    const paged = [];
    for (const offset of [0, 1, 2, 3]) paged.push(...(await contract.call('listChats', { as: cat, query: { limit: 1, offset } })).json);
    expect(paged).toEqual(all);
    await contract.call('listChats', { status: 401 });
    await contract.call('listChats', { as: cat, query: { limit: 0 }, status: 422 });
  });

  it('history carries what the model, the rows and the clock say', async () => {
    const chat = await newChat({ ai_model: 'gpt-4', system_prompt: 'Answer briefly.', temperature: 0.2, max_tokens: 77 });
    const asked = world.standIn.next({ pieces: ['Well', ', ', 'yes.'], usage: { tokensIn: 21, tokensOut: 5 }, model: 'gpt-4-0613' });
    const { sent } = await ask(chat.id, 'Is it so?');
    const request = await asked.request;
    expect(request.body).toMatchObject({ model: 'gpt-4', temperature: 0.2 });
    expect(JSON.stringify(request.body)).toContain('77');
    expect(request.body.messages).toEqual([{ role: 'system', content: 'Answer briefly.' }, { role: 'user', content: 'Is it so?' }]);
    expect(request.headers.authorization).toBe('Bearer sk-key-of-ann-0123456789');
    const history = (await contract.call('getChatHistory', { as: ann, path: { chat_id: chat.id } })).json;
    expect(history.chat.message_count).toBe(2);
    expect(history.participant_count).toBe(1);
    const [question, answer] = history.messages;
    expect(question).toMatchObject({ id: sent.id, message_type: 'USER', sender_id: ann.userId, ai_model_used: null, tokens_used: null, processing_time_ms: null, status: 'DELIVERED' });
    expect(answer).toMatchObject({ message_type: 'AI', sender_id: null, content: 'Well, yes.', ai_model_used: 'gpt-4-0613', tokens_used: 26, status: 'DELIVERED', is_edited: false });
    const stored = await row(answer.id);
    expect(answer.processing_time_ms).toBe(Math.round(stored.duration_ms));
    expect(answer.tokens_used).toBe(stored.tokens_in + stored.tokens_out);
    expect(Date.parse(answer.created_at)).toBe(stored.created_at);
    expect(Date.parse(history.chat.last_activity_at)).toBeGreaterThanOrEqual(stored.created_at);
    await contract.call('getChatHistory', { as: ann, path: { chat_id: chat.id }, query: { limit: 1001 }, status: 422 });
    await contract.call('getChatHistory', { as: ben, path: { chat_id: chat.id }, status: 403 });
    await contract.call('getChatHistory', { as: ann, path: { chat_id: '123e4567-e89b-12d3-a456-426614174000' }, status: 404 });
  });

  it('messages: the examples, the edges, and what is refused', async () => {
    const chat = await newChat({ ai_model: null });
    const path = { chat_id: chat.id };
    for (const body of contract.examples('sendMessage')) await contract.call('sendMessage', { as: ann, path, body });
    await contract.call('sendMessage', { as: ann, path, body: { content: 'x'.repeat(50_000) } });
    await contract.call('sendMessage', { as: ann, path, body: { content: 'x'.repeat(50_001) }, status: 422 });
    await contract.call('sendMessage', { as: ann, path, body: { content: '' }, status: 400 });
    await contract.call('sendMessage', { as: ann, path, body: { content: '  \n' }, status: 400 });
    for (const message_type of ['AI', 'SYSTEM']) await contract.call('sendMessage', { as: ann, path, body: { content: 'Forged', message_type }, status: 403 });
    await contract.call('sendMessage', { as: ben, path, body: { content: 'Hello' }, status: 403 });
    await contract.call('sendMessage', { path, body: { content: 'Hello' }, status: 401 });
    expect((await contract.call('getChatHistory', { as: ann, path })).json.chat.message_count).toBe(contract.examples('sendMessage').length + 1);
  });

  it('participants and typing agree with the rows and with the sockets', async () => {
    const chat = await newChat({ ai_model: null, chat_type: 'GROUP' });
    const path = { chat_id: chat.id };
    for (let count = 0; count < 2; count += 1) await contract.call('sendMessage', { as: ann, path, body: { content: 'Hello' } });
    const { json } = await contract.call('getParticipants', { as: ann, path });
    expect(json).toMatchObject({ chat_id: chat.id, total_participants: 1, participants: [{ user_id: ann.userId, role: 'OWNER', can_send_messages: true, message_count: 2 }] });
    const socket = await open(chat.id);
    await socket.next('welcome');
    const typed = (await contract.call('sendTyping', { as: ann, path })).json;
    const heard = await socket.next('typing_indicator');
    expect(heard).toMatchObject({ user_id: ann.userId, username: 'ann', timestamp: typed.timestamp });
    hear(socket.frames);
    socket.close();
    await contract.call('getParticipants', { as: ben, path, status: 403 });
    await contract.call('sendTyping', { as: ben, path, status: 403 });
  });

  it('every frame of the socket has its form, in the documented order, and its text is what history keeps', async () => {
    const chat = await newChat({ ai_model: 'gpt-4' });
    const socket = await open(chat.id);
    expect((await socket.next('welcome')).user_id).toBe(ann.userId);
    for (const { documented, name, example } of events.client_messages) {
      if (!documented) continue;
      socket.send(example);
      contract.took(channel, name);
    }
    const pong = await socket.next('pong');
    expect(pong.timestamp).toBe(events.client_messages.find((message: Json) => message.name === 'ping').example.timestamp);
    await contract.call('sendTyping', { as: ann, path: { chat_id: chat.id } });
    const gated = world.standIn.next({ pieces: ['Hello!', ' How', ' are you?'], gated: true });
    await contract.call('sendMessage', { as: ann, path: { chat_id: chat.id }, body: { content: 'Hello everyone!' } });
    gated.release();
    await socket.next('ai_response_chunk');
    expect((await gated.request).piecesSent).toBe(1);
    gated.release(Infinity);
    const complete = await socket.next('ai_response_complete');
    const chunks = socket.frames.filter((frame) => frame.type === 'ai_response_chunk');
    expect(chunks.map((frame) => frame.chunk).join('')).toBe(complete.message.content);
    expect(chunks.at(-1).full_content).toBe(complete.message.content);
    const order = socket.frames.map((frame) => frame.type).filter((type) => !['pong', 'typing_indicator', 'welcome'].includes(type));
    expect(order.indexOf('new_message')).toBeLessThan(order.indexOf('ai_response_start'));
    expect((await contract.call('getChatHistory', { as: ann, path: { chat_id: chat.id } })).json.messages[1].content).toBe(complete.message.content);

    const stopped = world.standIn.next({ pieces: ['Never', ' ending'], gated: true });
    await contract.call('sendMessage', { as: ann, path: { chat_id: chat.id }, body: { content: 'Go on for ever' } });
    stopped.release();
    const cut = await socket.next('ai_response_chunk', (frame) => frame.message_id !== complete.message.id);
    socket.send({ type: 'cancel', message_id: cut.message_id });
    contract.took(channel, 'cancel');
    expect((await socket.next('ai_response_complete', (frame) => frame.message.id === cut.message_id)).message).toMatchObject({ status: 'CANCELLED', content: 'Never' });
    await (await stopped.request).aborted;

    world.standIn.next({ status: 401, errorCode: 'invalid_api_key' });
    await contract.call('sendMessage', { as: ann, path: { chat_id: chat.id }, body: { content: 'With a bad key' } });
    expect((await socket.next('ai_error')).error_code).toBe('invalid_api_key');
    socket.send({ type: 'dance' });
    await socket.next('error');
    hear(socket.frames);
    socket.close();
  });

  it('ai-message: whole, by the service alone, with figures that add up', async () => {
    const chat = await newChat({ ai_model: 'gpt-4', system_prompt: 'Be kind.' });
    const path = { chat_id: chat.id };
    const [plain] = contract.examples('sendAiMessage').filter((body: Json) => body.stream === false);
    const asked = world.standIn.next({ pieces: ['It', ' learns.'], usage: { tokensIn: 40, tokensOut: 9 }, model: 'gpt-4-0613' });
    const { json } = await contract.call('sendAiMessage', { as: ann, path, body: plain });
    expect((await asked.request).headers.authorization).toBe('Bearer sk-key-of-ann-0123456789');
    expect(json).toMatchObject({ success: true, streaming: false, service_used: 'langchain' });
    const { user_message: question, ai_response: answer, chat_info: info, service_info: service } = json.data;
    expect(answer).toMatchObject({ content: 'It learns.', model_used: 'gpt-4-0613', tokens_used: { input: 40, output: 9, total: 49 }, finish_reason: 'stop', via_langchain: true });
    expect(question.content).toBe(plain.message);
    expect(info).toMatchObject({ chat_id: chat.id, total_messages: 2, total_tokens_used: 49 });
    expect(service).toMatchObject({ circuit_breaker_state: 'CLOSED', service_health: 'healthy' });
    const stored = await row(answer.id);
    expect(answer.processing_time_ms).toBe(Math.round(stored.duration_ms));
    const history = (await contract.call('getChatHistory', { as: ann, path })).json;
    expect(history.messages.map(({ id }: Json) => id)).toEqual([question.id, answer.id]);
    const sum = history.messages.reduce((total: number, message: Json) => total + (message.tokens_used ?? 0), 0);
    expect(sum).toBe(info.total_tokens_used);

    world.standIn.next({ pieces: ['Unsaved.'], usage: { tokensIn: 50, tokensOut: 1 } });
    const unsaved = (await contract.call('sendAiMessage', { as: ann, path, body: { message: 'Forget this', save_to_history: false } })).json.data;
    expect(unsaved.ai_response).toMatchObject({ id: expect.any(String), content: 'Unsaved.' });
    expect(unsaved.chat_info.total_messages).toBe(2);
    expect((await contract.call('getChatHistory', { as: ann, path })).json.chat.message_count).toBe(2);
    await contract.call('sendAiMessage', { as: ann, path, body: { message: '   ' }, status: 400 });
    await contract.call('sendAiMessage', { as: ann, path, body: { message: 'x'.repeat(50_001) }, status: 422 });
    await contract.call('sendAiMessage', { as: ben, path, body: plain, status: 403 });
    await contract.call('sendAiMessage', { as: ann, path: { chat_id: '123e4567-e89b-12d3-a456-426614174000' }, body: plain, status: 404 });
    await contract.call('sendAiMessage', { path, body: plain, status: 401 });
  });

  it('ai-message: streamed, the text comes over the sockets under the id of the answer', async () => {
    const chat = await newChat({ ai_model: 'gpt-4' });
    const socket = await open(chat.id);
    await socket.next('welcome');
    const [streamed] = contract.examples('sendAiMessage').filter((body: Json) => body.stream === true);
    world.standIn.next({ pieces: ['Bit', ' by', ' bit'] });
    const { json } = await contract.call('sendAiMessage', { as: ann, path: { chat_id: chat.id }, body: streamed });
    expect(json).toMatchObject({ streaming: true, service_used: 'langchain', data: { chat_id: chat.id, stream_via: 'websocket', service_info: { langchain_available: true } } });
    const complete = await socket.next('ai_response_complete', (frame) => frame.message.id === json.data.ai_message_id);
    expect(complete.message.content).toBe('Bit by bit');
    hear(socket.frames);
    socket.close();
    const lost = await contract.call('sendAiMessage', { as: ann, path: { chat_id: (await newChat({ ai_model: 'gpt-4' })).id }, body: { message: 'To nobody', stream: true, save_to_history: false }, status: 400 });
    expect(lost.json.detail).toEqual(expect.any(String));
  });

  it('the diagnostics measure what they say', async () => {
    const health = (await contract.call('getLangchainHealth', { as: ann })).json;
    expect(health.data.service_health).toMatchObject({ status: 'healthy', circuit_breaker_state: health.data.circuit_breaker.state });
    expect(health.data.circuit_breaker).toMatchObject({ state: 'CLOSED', failure_threshold: 5, timeout_seconds: 60 });
    expect(health.data).toMatchObject({ integration_status: 'active', fallback_available: true });
    const status = (await contract.call('getServicesStatus', { as: ann })).json.data;
    expect(status.langchain_service.base_url).toBe(status.langchain_service.health.service_url);
    expect(status.websocket_manager.connections).toEqual((await contract.call('getChatStats', { as: ann })).json.websocket_connections);

    for (const id of ['testLangchain', 'testOpenai']) {
      const [body] = contract.examples(id);
      world.standIn.next({ pieces: ['Fine.'], usage: { tokensIn: 11, tokensOut: 2 } });
      const { json } = await contract.call(id, { as: ann, body });
      expect(json.data.request).toEqual(body);
      expect(json.data.response).toMatchObject({ content: 'Fine.', tokens_used: 13, finish_reason: 'stop' });
      expect(json.data.user_info).toEqual({ user_id: ann.userId, username: 'ann' });
      await contract.call(id, { as: ann, body: {}, status: 422 });
      await contract.call(id, { body, status: 401 });
    }
    const connection = (await contract.call('testConnection', { as: ann })).json.data;
    expect(connection).toMatchObject({ user_id: ann.userId, username: 'ann', database: 'ok', langchain_service: 'healthy', open_websockets: 0 });
  });

  it('the gauge of sockets counts what is open, and shows strangers no ids of chats', async () => {
    const chats = [await newChat({ ai_model: null }), await newChat({ ai_model: null })];
    const gauge = async (as = ann): Promise<Json> => (await contract.call('getChatStats', { as })).json.websocket_connections;
    const before = await gauge();
    const sockets = [await open(chats[0].id), await open(chats[0].id), await open(chats[1].id)];
    for (const socket of sockets) await socket.next('welcome');
    const three = await gauge();
    expect(three.total_connections).toBe(before.total_connections + 3);
    expect(three.connections_per_chat).toMatchObject({ [chats[0].id]: 2, [chats[1].id]: 1 });
    expect(Object.keys((await gauge(ben)).connections_per_chat)).toEqual([]);
    sockets[0]!.close();
    sockets[2]!.socket.terminate();
    await expect.poll(async () => (await gauge()).connections_per_chat).toEqual({ [chats[0].id]: 1 });
    sockets[1]!.close();
    await expect.poll(async () => (await gauge()).total_connections).toBe(before.total_connections);
  });

  it('who has no key is told so on the socket', async () => {
    const dan = await world.userWithoutKey('dan');
    const chat = await newChat({ ai_model: 'gpt-4' }, dan);
    const socket = await open(chat.id, dan);
    await socket.next('welcome');
    await contract.call('sendMessage', { as: dan, path: { chat_id: chat.id }, body: { content: 'Hello' } });
    const error = await socket.next('ai_error');
    expect(error).toMatchObject(events.error_messages.documented[0]);
    hear(socket.frames);
    socket.close();
  });

  it('every operation and every event of the document has been called and heard', () => {
    expect(contract.uncalled()).toEqual([]);
    expect(contract.unheard(channel, [...events.client_messages, ...events.server_messages].map(({ name }: Json) => name))).toEqual([]);
  });
});
