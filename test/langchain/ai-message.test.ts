import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestUser } from '../../src/dialects/testing.ts';
import { chats, startWorld, type World } from './world.ts';

describe('ai-message', () => {
  let world: World;
  let ann: TestUser;
  let bea: TestUser;
  beforeAll(async () => {
    world = await startWorld();
    ann = await world.user('ann');
    bea = await world.user('bea');
  });
  afterAll(() => world.close());

  it('answers through the service, with the key of who asks and the settings of the chat, and keeps both messages', async () => {
    const chatId = await world.chat(bea, { temperature: 0.3, max_tokens: 77, system_prompt: 'Be brief.', ai_persona: 'a teacher' });
    world.openai.next({ pieces: ['Machines', ' learn.'], usage: { tokensIn: 45, tokensOut: 120 }, model: 'gpt-4-0613', finish: 'length' });
    const { status, json } = await world.ask(bea, chatId);
    expect([status, json.success, json.streaming, json.service_used]).toEqual([200, true, false, 'langchain']);
    const { ai_response: answer, chat_info: chat, service_info: service, user_message: question } = json.data;
    expect(answer).toMatchObject({ content: 'Machines learn.', model_used: 'gpt-4-0613', tokens_used: { input: 45, output: 120, total: 165 }, finish_reason: 'length', via_langchain: true });
    expect(chat).toEqual({ chat_id: chatId, total_messages: 2, total_tokens_used: 165 });
    expect(service).toEqual({ circuit_breaker_state: 'CLOSED', service_health: 'healthy' });
    const sent = chats(world.openai).at(-1)!;
    expect(sent.headers.authorization).toBe('Bearer sk-of-bea');
    expect(String(sent.headers['user-agent'])).toContain('langchainjs');
    expect(sent.body).toMatchObject({ model: 'gpt-4', temperature: 0.3, max_tokens: 77, stream: false });
    expect(sent.body.messages).toEqual([{ role: 'system', content: 'You are a teacher.\n\nBe brief.' }, { role: 'user', content: 'What is machine learning?' }]);
    const history = await world.call('GET', `/chats/${chatId}`, bea);
    expect(history.json.messages.map((message: { id: string }) => message.id)).toEqual([question.id, answer.id]);
    expect(history.json.messages[1]).toMatchObject({ ai_model_used: 'gpt-4-0613', processing_time_ms: answer.processing_time_ms, tokens_used: 165 });
  });

  it('remembers what was said, and sums over the history', async () => {
    const chatId = await world.chat(ann);
    await world.ask(ann, chatId, { message: 'My name is Zoe.' });
    const { json } = await world.ask(ann, chatId, { message: 'What is my name?' });
    expect(chats(world.openai).at(-1)!.body.messages!.map(({ content }) => content)).toEqual(['My name is Zoe.', 'Hello from the stand-in.', 'What is my name?']);
    const history = await world.call('GET', `/chats/${chatId}`, ann);
    const sum = history.json.messages.reduce((total: number, message: { tokens_used: number | null }) => total + (message.tokens_used ?? 0), 0);
    expect(json.data.chat_info).toEqual({ chat_id: chatId, total_messages: 4, total_tokens_used: sum });
    expect(sum).toBe(100);
  });

  it('leaves no trace when it is not to be kept, and still reads the chat', async () => {
    const chatId = await world.chat(ann);
    await world.ask(ann, chatId, { message: 'Kept.' });
    const { status, json } = await world.ask(ann, chatId, { message: 'Not kept.', save_to_history: false });
    expect(status).toBe(200);
    expect(chats(world.openai).at(-1)!.body.messages!.map(({ content }) => content)).toEqual(['Kept.', 'Hello from the stand-in.', 'Not kept.']);
    expect(json.data.user_message.id).not.toBe(json.data.ai_response.id);
    expect(json.data.chat_info).toMatchObject({ total_messages: 2, total_tokens_used: 100 });
    const history = await world.call('GET', `/chats/${chatId}`, ann);
    expect(history.json.messages).toHaveLength(2);
    expect((await world.ask(ann, chatId, { message: 'Again.' })).json.data.chat_info).toMatchObject({ total_messages: 4, total_tokens_used: 100 });
  });

  it('streams to every socket of the chat: each piece before the next one is made', async () => {
    const chatId = await world.chat(ann);
    const sockets = await Promise.all([world.socket(ann, chatId), world.socket(ann, chatId, '&full_content=false')]);
    for (const socket of sockets) await socket.next('welcome');
    const script = world.openai.next({ pieces: ['one', ' two', ' three'], gated: true });
    const { status, json, ms } = await world.ask(ann, chatId, { stream: true });
    expect([status, json.streaming, json.data.stream_via, json.data.service_info]).toEqual([200, true, 'websocket', { circuit_breaker_state: 'CLOSED', langchain_available: true }]);
    expect(ms).toBeLessThan(5000);
    const { ai_message_id: id } = json.data;
    for (const piece of ['one', ' two', ' three']) {
      script.release();
      for (const socket of sockets) expect((await socket.next('ai_response_chunk')).chunk).toBe(piece);
    }
    for (const socket of sockets) {
      const end = await socket.next('ai_response_complete');
      expect(end.message).toMatchObject({ id, content: 'one two three', status: 'DELIVERED', ai_model_used: 'gpt-4' });
      socket.close();
    }
  });

  it('streams what is not kept in the same frames, and refuses when nobody would get it', async () => {
    const chatId = await world.chat(ann);
    const nobody = await world.ask(ann, chatId, { stream: true, save_to_history: false });
    expect([nobody.status, nobody.json.detail]).toEqual([400, expect.stringContaining('no socket of this chat is open')]);
    const sockets = await Promise.all([world.socket(ann, chatId), world.socket(ann, chatId)]);
    for (const socket of sockets) await socket.next('welcome');
    const script = world.openai.next({ pieces: ['un', ' deux'], gated: true });
    const { status, json } = await world.ask(ann, chatId, { stream: true, save_to_history: false });
    expect(status).toBe(200);
    const { ai_message_id: id } = json.data;
    for (const socket of sockets) expect((await socket.next('ai_response_start')).message.id).toBe(id);
    for (const full of ['un', 'un deux']) {
      script.release();
      for (const socket of sockets) expect(await socket.next('ai_response_chunk')).toMatchObject({ message_id: id, full_content: full });
    }
    for (const socket of sockets) {
      expect((await socket.next('ai_response_complete')).message).toMatchObject({ id, content: 'un deux', status: 'DELIVERED' });
      socket.close();
    }
    expect((await world.call('GET', `/chats/${chatId}`, ann)).json.messages).toEqual([]);
  });

  it('ends what is not kept when its last socket is gone', async () => {
    const chatId = await world.chat(ann);
    const socket = await world.socket(ann, chatId);
    await socket.next('welcome');
    const script = world.openai.next({ pieces: Array.from({ length: 50 }, () => 'more '), gated: true });
    await world.ask(ann, chatId, { stream: true, save_to_history: false });
    const request = await script.request;
    script.release();
    await socket.next('ai_response_chunk');
    socket.socket.terminate();
    await expect.poll(async () => (await world.call('GET', '/stats', ann)).json.websocket_connections.total_connections).toBe(0);
    script.release(2);
    await request.aborted;
    expect(request.piecesSent).toBeLessThan(10);
  });

  it('counts as a message: beyond the limit it is 429, with the time to wait', async () => {
    const small = await startWorld({ LIMIT_MESSAGES_PER_HOUR: '2' });
    try {
      const carl = await small.user('carl');
      const chatId = await small.chat(carl);
      expect((await small.ask(carl, chatId)).status).toBe(200);
      expect((await small.call('POST', '/langchain/test', carl, { message: 'Hello' })).status).toBe(200);
      const refused = await small.ask(carl, chatId);
      expect([refused.status, refused.json]).toEqual([429, { detail: 'Rate limit exceeded' }]);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      const dora = await small.user('dora');
      expect((await small.ask(dora, await small.chat(dora))).status).toBe(200);
    } finally {
      await small.close();
    }
  });

  it('ends the call to the model within a second of a cancel', async () => {
    const chatId = await world.chat(ann);
    const socket = await world.socket(ann, chatId);
    const script = world.openai.next({ pieces: ['one', ' two'], gated: true });
    const { json } = await world.ask(ann, chatId, { stream: true });
    const request = await script.request;
    script.release();
    await socket.next('ai_response_chunk');
    const cancelledAt = performance.now();
    socket.send({ type: 'cancel', message_id: json.data.ai_message_id });
    await request.aborted;
    expect(request.abortedAt! - cancelledAt).toBeLessThan(1000);
    expect((await socket.next('ai_response_complete')).message).toMatchObject({ status: 'CANCELLED', content: 'one' });
    socket.close();
  });

  it('refuses what it cannot send: nothing, a strange chat, a user without a key, no model', async () => {
    const chatId = await world.chat(ann);
    expect((await world.ask(ann, chatId, { message: '  ' })).status).toBe(400);
    expect((await world.ask(ann, chatId, { message: 'x'.repeat(50_001) })).status).toBe(422);
    expect((await world.ask(bea, chatId)).status).toBe(403);
    expect((await world.ask(bea, '0190a0b0-0000-7000-8000-000000000000')).status).toBe(404);
    await world.call('DELETE', '/keys/openai', bea);
    const keyless = await world.ask(bea, await world.chat(bea));
    expect([keyless.status, keyless.json.detail]).toEqual([400, expect.stringMatching(/API key/)]);
    await world.call('PUT', '/keys/openai', bea, { key: 'sk-of-bea' });
    expect((await world.ask(ann, await world.chat(ann, { ai_model: null }))).status).toBe(400);
    expect((await world.ask(ann, await world.chat(ann, { ai_model: 'builtin/parley' }))).status).toBe(400);
  });

  it('lays a bad key and a quota to the sender: 400, however often', async () => {
    const chatId = await world.chat(bea);
    for (let times = 0; times < 10; times += 1) {
      world.openai.next(times % 2 ? { status: 401 } : { status: 429, errorCode: 'insufficient_quota' });
      expect((await world.ask(bea, chatId, { save_to_history: false })).status).toBe(400);
    }
    const health = await world.call('GET', '/langchain/health', ann);
    expect(health.json.data.circuit_breaker).toMatchObject({ state: 'CLOSED', failure_count: 0, last_failure_time: null });
  });

  it('asks a local model by calling back, once counted and for this user only', async () => {
    const chatId = await world.chat(bea, { ai_model: 'ollama/llama2:latest', system_prompt: 'Be kind.' });
    world.ollama.next({ pieces: ['From', ' here.'], usage: { tokensIn: 11, tokensOut: 3 } });
    const { status, json } = await world.ask(bea, chatId);
    expect([status, json.data?.ai_response]).toEqual([200, expect.objectContaining({ content: 'From here.', model_used: 'llama2:latest', tokens_used: { input: 11, output: 3, total: 14 } })]);
    expect(chats(world.ollama).at(-1)!.body.messages!.map(({ content }) => content)).toEqual(['Be kind.', 'What is machine learning?']);
    const usage = await world.call('GET', '/usage?group_by=model', bea);
    const rows = usage.json.usage.filter((row: { group: string }) => row.group.includes('llama2'));
    expect(rows).toMatchObject([{ group: 'langchain/ollama/llama2:latest', calls: 1, tokens: { input: 11, output: 3 } }]);
    world.ollama.next({ pieces: ['From', ' there.'] });
    const socket = await world.socket(bea, chatId);
    await world.ask(bea, chatId, { stream: true });
    expect((await socket.next('ai_response_complete')).message).toMatchObject({ content: 'From there.' });
    socket.close();
  });
});
