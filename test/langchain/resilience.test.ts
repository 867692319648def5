import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestUser } from '../../src/dialects/testing.ts';
import { chats, servicePids, startWorld, type World } from './world.ts';

const trial = { message: 'Are you there?', model: 'gpt-4', system_prompt: 'Be brief.' };

describe('The LangChain service and its breaker', () => {
  let world: World;
  let ann: TestUser;
  let chatId: string;
  const begin = async (settings: Record<string, string> = {}): Promise<void> => {
    world = await startWorld(settings);
    ann = await world.user('ann');
    chatId = await world.chat(ann);
  };
  afterEach(() => world.close());

  const ask = () => world.ask(ann, chatId, { save_to_history: false });
  const fail = async () => {
    world.openai.next({ status: 500 });
    return (await ask()).status;
  };
  /** Resolves when the server has noticed that its process is gone. */
  const noticed = () => expect.poll(async () => (await world.call('GET', '/langchain/health', ann)).json.data.service_health.error, { timeout: 10_000 }).toContain('ended unexpectedly');
  const breaker = async () => (await world.call('GET', '/langchain/health', ann)).json.data.circuit_breaker;

  it('counts failures in a row: four, a success and four more leave it closed', async () => {
    await begin();
    for (let times = 0; times < 4; times += 1) expect(await fail()).toBe(503);
    expect(await breaker()).toMatchObject({ state: 'CLOSED', failure_count: 4, failure_threshold: 5, timeout_seconds: 60, last_failure_time: expect.any(String) });
    expect((await ask()).status).toBe(200);
    for (let times = 0; times < 4; times += 1) expect(await fail()).toBe(503);
    expect(await breaker()).toMatchObject({ state: 'CLOSED', failure_count: 4 });
  });

  it('opens at five: nothing goes out for a minute, then one trial of ten', async () => {
    await begin();
    for (let times = 0; times < 5; times += 1) await fail();
    const before = chats(world.openai).length;
    expect(before).toBe(5);
    const times: number[] = [];
    for (let call = 6; call <= 20; call += 1) {
      const { status, json, ms, headers } = await ask();
      expect([status, json.error_code, json.service_info.circuit_breaker_state]).toEqual([503, 'langchain_service_unavailable', 'OPEN']);
      times.push(ms);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(times.sort((one, other) => one - other)[7]).toBeLessThan(50);
    expect(chats(world.openai)).toHaveLength(before);
    // A probe that goes well changes nothing.
    expect((await world.call('GET', '/langchain/health', ann)).json.data).toMatchObject({ service_health: { status: 'healthy', circuit_breaker_state: 'OPEN' }, circuit_breaker: { state: 'OPEN', failure_count: 5 } });

    world.pass(60_000);
    world.openai.next({ status: 500 });
    expect((await Promise.all(Array.from({ length: 10 }, ask))).map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 503));
    expect(chats(world.openai)).toHaveLength(before + 1);
    expect(await breaker()).toMatchObject({ state: 'OPEN' });

    world.pass(60_000);
    const trialCall = world.openai.next({ pieces: ['fine'], gated: true });
    const all = Array.from({ length: 10 }, ask);
    await trialCall.request;
    expect(await breaker()).toMatchObject({ state: 'HALF_OPEN' });
    trialCall.release(Infinity);
    expect((await Promise.all(all)).filter(({ status }) => status === 200)).toHaveLength(1);
    expect(chats(world.openai)).toHaveLength(before + 2);
    expect(await breaker()).toMatchObject({ state: 'CLOSED', failure_count: 0 });
  });

  it('is out when its process was killed: ai-message says so, the test falls back, and a moment later all is well', async () => {
    await begin();
    expect((await ask()).status).toBe(200);
    const [pid] = servicePids();
    process.kill(pid!, 'SIGKILL');
    await noticed();
    const before = chats(world.openai).length;
    for (const fields of [{ save_to_history: false }, {}, { stream: true }]) {
      const { status, json } = await world.ask(ann, chatId, fields);
      expect([status, json]).toEqual([503, { success: false, error: expect.stringMatching(/^LangChain service temporarily unavailable/), error_code: 'langchain_service_unavailable', service_info: { circuit_breaker_state: 'CLOSED', service_health: 'unhealthy' }, timestamp: expect.any(String) }]);
    }
    expect(chats(world.openai)).toHaveLength(before);
    expect((await world.call('GET', `/chats/${chatId}`, ann)).json.messages).toEqual([]);
    const health = (await world.call('GET', '/langchain/health', ann)).json.data;
    expect(health).toMatchObject({ service_health: { status: 'unhealthy', failure_count: 3, error: expect.stringContaining('ended unexpectedly') }, fallback_available: true, integration_status: 'active' });
    expect(health.service_health).not.toHaveProperty('response_time_ms');

    const fallen = (await world.call('POST', '/langchain/test', ann, trial)).json;
    expect(fallen.data).toMatchObject({ response: { fallback_used: true, content: 'Hello from the stand-in.', tokens_used: 50 }, service_info: { integration_type: 'LangChain Service (Fallback)' }, request: { ...trial, temperature: 0.7 } });
    expect(String(chats(world.openai).at(-1)!.headers['user-agent'])).not.toContain('langchain');

    world.pass(10_000);
    const risen = (await world.call('POST', '/langchain/test', ann, trial)).json;
    expect(risen.data).toMatchObject({ response: { fallback_used: false }, service_info: { integration_type: 'LangChain Service', circuit_breaker_state: 'CLOSED', service_url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) } });
    expect(String(chats(world.openai).at(-1)!.headers['user-agent'])).toContain('langchain');
  });

  it('fails an answer that is being made when its process dies, and keeps what was said', async () => {
    await begin();
    const script = world.openai.next({ pieces: ['one', ' two'], gated: true });
    const socket = await world.socket(ann, chatId);
    const { json } = await world.ask(ann, chatId, { stream: true });
    await script.request;
    script.release();
    await socket.next('ai_response_chunk');
    process.kill(servicePids()[0]!, 'SIGKILL');
    expect(await socket.next('ai_error')).toMatchObject({ message_id: json.data.ai_message_id });
    const [, answer] = (await world.call('GET', `/chats/${chatId}`, ann)).json.messages;
    expect(answer).toMatchObject({ status: 'FAILED', content: 'one' });
    socket.close();
  });

  it('is replaced when its process hangs', async () => {
    await begin();
    await ask();
    const [pid] = servicePids();
    process.kill(pid!, 'SIGSTOP');
    const { status, ms } = await ask();
    expect(status).toBe(503);
    expect(ms).toBeLessThan(8000);
    await noticed();
    world.pass(10_000);
    expect((await ask()).status).toBe(200);
    expect(servicePids()).not.toContain(pid);
  });

  it('tells the time of its probe', async () => {
    await begin();
    const { service_health: first } = (await world.call('GET', '/langchain/health', ann)).json.data;
    expect(first).toMatchObject({ status: 'healthy', response_time_ms: expect.any(Number), service_url: expect.stringMatching(/:\d+$/) });
    expect(servicePids()).toHaveLength(1);
    const [pid] = servicePids();
    process.kill(pid!, 'SIGSTOP');
    const late = world.call('GET', '/langchain/health', ann);
    await delay(300);
    process.kill(pid!, 'SIGCONT');
    expect((await late).json.data.service_health.response_time_ms).toBeGreaterThan(250);
  });

  it('ends when it is not used, and with its server', async () => {
    await begin({ LANGCHAIN_IDLE_SECONDS: '0.2' });
    await ask();
    expect(servicePids()).toHaveLength(1);
    await expect.poll(servicePids).toEqual([]);
    expect((await ask()).status).toBe(200);
  });
});

describe('The switches of the integration', () => {
  let world: World;
  afterEach(() => world.close());

  const features = async (user: TestUser) => (await world.call('GET', '/services/status', user)).json.data.integration_features;

  it('are all on, and the status says so', async () => {
    world = await startWorld();
    const ann = await world.user('ann');
    expect((await world.call('GET', '/services/status', ann)).json.data).toMatchObject({
      langchain_service: { health: { status: 'healthy' }, circuit_breaker: { state: 'CLOSED' } },
      websocket_manager: { status: 'operational', connections: { total_connections: 0, active_chats: 0, connections_per_chat: {} } },
      fallback_services: { direct_openai: { status: 'available' } },
      integration_features: { circuit_breaker: 'enabled', automatic_fallback: 'enabled', streaming_support: 'enabled', health_monitoring: 'enabled' },
    });
  });

  it('without the breaker the sixth failure goes out, too', async () => {
    world = await startWorld({ LANGCHAIN_CIRCUIT_BREAKER: 'off' });
    const ann = await world.user('ann');
    const chatId = await world.chat(ann);
    for (let times = 0; times < 7; times += 1) {
      world.openai.next({ status: 500 });
      expect((await world.ask(ann, chatId, { save_to_history: false })).status).toBe(503);
    }
    expect(chats(world.openai)).toHaveLength(7);
    expect(await features(ann)).toMatchObject({ circuit_breaker: 'disabled' });
  });

  it('without the fallback the test fails with the service', async () => {
    world = await startWorld({ LANGCHAIN_FALLBACK: 'off' });
    const ann = await world.user('ann');
    world.openai.next({ status: 500 });
    const { status, json } = await world.call('POST', '/langchain/test', ann, trial);
    expect([status, json.error_code]).toEqual([503, 'langchain_service_unavailable']);
    expect(chats(world.openai)).toHaveLength(1);
    expect(await features(ann)).toMatchObject({ automatic_fallback: 'disabled' });
    expect((await world.call('GET', '/langchain/health', ann)).json.data.fallback_available).toBe(false);
  });

  it('without streaming the text is in the answer, whatever was asked for', async () => {
    world = await startWorld({ LANGCHAIN_STREAMING: 'off' });
    const ann = await world.user('ann');
    const { json } = await world.ask(ann, await world.chat(ann), { stream: true });
    expect(json).toMatchObject({ streaming: false, data: { ai_response: { content: 'Hello from the stand-in.' } } });
    expect(chats(world.openai)[0]!.body.stream).toBe(false);
    expect(await features(ann)).toMatchObject({ streaming_support: 'disabled' });
  });

  it('without health checks nobody asks the service, and nobody says that it is well', async () => {
    world = await startWorld({ LANGCHAIN_HEALTH_CHECKS: 'off' });
    const ann = await world.user('ann');
    const { json } = await world.call('GET', '/langchain/health', ann);
    expect(json.data.service_health).toMatchObject({ status: 'unknown', error: expect.stringContaining('switched off') });
    expect(servicePids()).toEqual([]);
    expect(await features(ann)).toMatchObject({ health_monitoring: 'disabled' });
  });

  it('switched off altogether it says so, and ai-message is out', async () => {
    world = await startWorld({ LANGCHAIN_SERVICE_URL: 'off' });
    const ann = await world.user('ann');
    expect((await world.call('GET', '/langchain/health', ann)).json.data).toMatchObject({ integration_status: 'inactive', service_health: { status: 'unknown' } });
    expect((await world.ask(ann, await world.chat(ann))).status).toBe(503);
    expect(servicePids()).toEqual([]);
  });
});

describe('Figures of sockets, and the tests', () => {
  let world: World;
  let ann: TestUser;
  let bea: TestUser;
  beforeAll(async () => {
    world = await startWorld();
    ann = await world.user('ann');
    bea = await world.user('bea');
  });
  afterAll(() => world.close());

  const stats = async (as: TestUser) => (await world.call('GET', '/stats', as)).json.websocket_connections;

  it('are those that are open now, by chat; chats of strangers are counted and not named', async () => {
    const [one, two] = [await world.chat(bea), await world.chat(bea)];
    const sockets = await Promise.all([world.socket(bea, one), world.socket(bea, one), world.socket(bea, two)]);
    for (const socket of sockets) await socket.next('welcome');
    expect(await stats(bea)).toEqual({ total_connections: 3, active_chats: 2, connections_per_chat: { [one]: 2, [two]: 1 } });
    expect(await stats(ann)).toEqual({ total_connections: 3, active_chats: 2, connections_per_chat: { [one]: 2, [two]: 1 } });
    const carl = await world.user('carl');
    const own = await world.chat(carl);
    const socket = await world.socket(carl, own);
    await socket.next('welcome');
    expect(await stats(carl)).toEqual({ total_connections: 4, active_chats: 3, connections_per_chat: { [own]: 1 } });
    expect((await world.call('GET', '/services/status', bea)).json.data.websocket_manager.connections.total_connections).toBe(4);
    expect((await world.call('POST', '/test/connection', bea)).json.data).toMatchObject({ database: 'ok', langchain_service: 'healthy', open_websockets: 3, username: 'bea', latency_ms: expect.any(Number) });
    socket.close();
    sockets[0]!.close();
    sockets[1]!.socket.terminate();
    await expect.poll(() => stats(bea)).toEqual({ total_connections: 1, active_chats: 1, connections_per_chat: { [two]: 1 } });
    sockets[2]!.close();
    await expect.poll(() => stats(bea)).toEqual({ total_connections: 0, active_chats: 0, connections_per_chat: {} });
  });

  it('openai/test asks OpenAI itself', async () => {
    world.openai.next({ pieces: ['Directly.'], usage: { tokensIn: 9, tokensOut: 4 }, model: 'gpt-4-0613' });
    const { json } = await world.call('POST', '/openai/test', bea, { ...trial, temperature: 0.2 });
    expect(json.data).toMatchObject({
      request: { ...trial, temperature: 0.2 }, response: { content: 'Directly.', model_used: 'gpt-4-0613', tokens_used: 13, finish_reason: 'stop' },
      service_info: { integration_type: 'Direct OpenAI', service_url: `${world.openai.url}/v1` }, user_info: { user_id: bea.userId, username: 'bea' },
    });
    const sent = chats(world.openai).at(-1)!;
    expect([sent.headers.authorization, String(sent.headers['user-agent']).includes('langchain')]).toEqual(['Bearer sk-of-bea', false]);
    expect(sent.body.messages!.map(({ content }) => content)).toEqual(['Be brief.', 'Are you there?']);
    for (const [body, status] of [[{ message: ' ' }, 400], [{}, 422], [{ ...trial, temperature: 1.1 }, 422], [{ ...trial, model: 'ollama/llama2' }, 400]] as const) {
      for (const path of ['/openai/test', '/langchain/test']) {
        if (status !== 400 || path === '/openai/test' || body.message === ' ') expect([path, body, (await world.call('POST', path, bea, body)).status]).toEqual([path, body, status]);
      }
    }
  });

  it('need credentials', async () => {
    const nobody = { ...ann, headers: {} };
    for (const [method, path] of [['GET', '/stats'], ['GET', '/langchain/health'], ['POST', '/langchain/test'], ['GET', '/services/status'], ['POST', '/test/connection'], ['POST', '/openai/test'], ['POST', '/chats/x/ai-message']] as const) {
      expect([path, (await world.call(method, path, nobody, method === 'POST' ? {} : undefined)).status]).toEqual([path, 401]);
    }
  });
});
