import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { openSocket, openSocketIo, startTestServer, type Json, type TestResponse, type TestServer, type TestUser } from '../testing.ts';

describe.each(engines)('Figures over windows of time on %s', (engine) => {
  let server: TestServer;
  let owner: TestUser;
  let ann: TestUser;
  let ben: TestUser;

  beforeAll(async () => {
    server = await startTestServer({ engine, settings: { LIMIT_MESSAGES_PER_HOUR: '100000' } });
    owner = await server.user('owner');
    ann = await server.user('ann');
    ben = await server.user('ben');
    server.models.answerWith(['It', ' is', ' so.']);
  });
  afterAll(() => server.stop());

  const get = (path: string, as: TestUser | undefined = ann): Promise<TestResponse> => server.request('GET', path, { as, headers: as ? {} : { 'x-forwarded-for': '192.0.2.1' } });
  const analytics = async (query = '', as = ann): Promise<Json> => (await get(`/api/v4/analytics/ai-performance${query}`, as)).json;
  const chat = async (as: TestUser, body: Json = {}): Promise<void> => void (await server.request('POST', '/api/ai/chat', { as, body: { input: 'Why?', ...body } }));

  it('begin with nothing', async () => {
    expect(await analytics()).toEqual({
      timeframe: '24h',
      inference_analytics: {
        total_inferences: 0, successful_inferences: 0, failed_inferences: 0, cancelled_inferences: 0, average_latency_ms: null, model_usage: {},
        performance_trends: { latency_trend: 'unknown', accuracy_trend: 'unknown', throughput_trend: 'unknown' },
      },
      distributed_analytics: { p2p_inferences: 0, consensus_reached: 0, average_consensus_time_ms: null, node_participation: { local_node: null, remote_nodes: null } },
      conversation_analytics: { total_messages: 0, conversations_started: 0, average_conversation_length: null, user_satisfaction_estimate: null, most_used_model: null },
    });
  });

  it('count what each user did, and nobody else', async () => {
    for (let at = 0; at < 3; at += 1) await chat(ann, { model: at === 0 ? 'creative' : 'technical' });
    await chat(ben);
    const mine = await analytics();
    expect(mine).toMatchObject({
      inference_analytics: { total_inferences: 3, successful_inferences: 3, average_latency_ms: expect.any(Number), model_usage: { 'scripted/one': 3 } },
      conversation_analytics: { total_messages: 6, conversations_started: 3, average_conversation_length: 2, most_used_model: 'technical' },
    });
    expect((await analytics('', ben)).inference_analytics.total_inferences).toBe(1);
    expect((await analytics('?whose=all&timeframe=1h', owner))).toMatchObject({ timeframe: '1h', inference_analytics: { total_inferences: 4 }, conversation_analytics: { total_messages: 8 } });
    expect((await analytics('', owner)).inference_analytics.total_inferences).toBe(0);
    const refused = await get('/api/v4/analytics/ai-performance?whose=all');
    expect([refused.status, refused.json.error.code]).toEqual([403, 'forbidden']);
  });

  it('leave out what lies before the window', async () => {
    const before = await analytics('?timeframe=2h');
    await server.parts.storage.write(async (queries) => {
      const first = await queries.selectFrom('usage').select('id').where('user_id', '=', ann.userId).orderBy('created_at').executeTakeFirstOrThrow();
      await queries.updateTable('usage').set({ created_at: Date.now() - 3 * 3_600_000 }).where('id', '=', first.id).execute();
    });
    expect((await analytics('?timeframe=2h')).inference_analytics.total_inferences).toBe(before.inference_analytics.total_inferences - 1);
    expect((await analytics('?timeframe=4h')).inference_analytics.total_inferences).toBe(before.inference_analytics.total_inferences);
  });

  it('refuse what is no window and no component', async () => {
    for (const path of ['analytics/ai-performance?timeframe=', 'analytics/ai-performance?timeframe=yesterday', 'analytics/ai-performance?timeframe=1h&timeframe=2h', 'analytics/ai-performance?whose=ben', 'performance/detailed?timeframe=0h', 'performance/detailed?component=gpu']) {
      const refused = await get(`/api/v4/${path}`);
      expect([path, refused.status, refused.json.error?.code]).toEqual([path, 400, 'validation_failed']);
    }
    for (const path of ['analytics/ai-performance', 'performance/detailed', 'health/alerts']) {
      expect((await server.request('GET', `/api/v4/${path}`, { headers: { 'x-forwarded-for': '192.0.2.1' } })).status).toBe(401);
      expect((await get(`/api/v1/${path}`)).status).toBe(200);
    }
  });
});

describe('Detailed performance', () => {
  it('shows a delay of the model in the percentiles of its component alone', async () => {
    const server = await startTestServer({ settings: { LIMIT_MESSAGES_PER_HOUR: '100000' } });
    try {
      const ann = await server.user('ann');
      const detailed = async (query = ''): Promise<Json> => (await server.request('GET', `/api/v4/performance/detailed${query}`, { as: ann })).json;
      const none = { mean: null, p50: null, p95: null, p99: null };
      expect(await detailed('?component=ai')).toMatchObject({ component: 'ai', timeframe: '1h', samples: 0, components: { ai: { requests: 0, errors: 0, latency_ms: none, first_token_ms: none, complete: true } } });
      server.models.answerWith(['Yes.']);
      for (let at = 0; at < 9; at += 1) await server.request('POST', '/api/ai/chat', { as: ann, body: { input: 'Quick?' } });
      const quick = (await detailed()).components;
      expect([quick.ai.requests, quick.chat.requests]).toEqual([9, 9]);
      expect(quick.ai.latency_ms.p50).toBeLessThan(399);
      server.models.answerWith(null);
      const slow = server.request('POST', '/api/ai/chat', { as: ann, body: { input: 'Slow?' } });
      await expect.poll(() => server.models.calls.length).toBe(10);
      await new Promise((resolve) => setTimeout(resolve, 400));
      server.models.calls[9]!.text('At last.');
      server.models.calls[9]!.finish();
      await slow;
      const { components, samples } = await detailed();
      for (const name of ['ai', 'chat']) {
        expect(components[name].latency_ms.p95).toBeGreaterThanOrEqual(399);
        expect(components[name].latency_ms.p50).toBeLessThan(399);
      }
      expect(components.ai.first_token_ms.p99).toBeGreaterThanOrEqual(399);
      // Those that waited for the model are not among the requests: they say nothing of the server.
      expect(components.http.requests).toBeGreaterThanOrEqual(3);
      expect(components).toMatchObject({ p2p: { requests: 0, latency_ms: none }, blockchain: { requests: 0, latency_ms: none } });
      expect(samples).toBe(components.ai.requests + components.chat.requests + components.http.requests);
      expect(Object.keys((await detailed('?component=chat&timeframe=5m')).components)).toEqual(['chat']);
      const failing = server.request('POST', '/api/ai/chat', { as: ann, body: { input: 'Break?' } });
      await expect.poll(() => server.models.calls.length).toBe(11);
      server.models.calls[10]!.say({ type: 'error', error: { code: 'provider_error', message: 'It broke.', serviceFault: true } });
      expect((await failing).status).toBeGreaterThanOrEqual(500);
      expect((await detailed()).components).toMatchObject({ ai: { requests: 11, errors: 1 }, chat: { requests: 11, errors: 1 }, http: { errors: 0 } });
    } finally {
      await server.stop();
    }
  });
});

/** One client over either framing. */
interface Client {
  next(event: string, fits?: (payload: Json) => boolean): Promise<Json>;
  heard(event: string): Json[];
  emit(event: string, payload?: unknown): void;
  close(): void;
  gone: Promise<unknown>;
}

async function overSocketIo(server: TestServer, token: string): Promise<Client> {
  const client = await openSocketIo(server, { auth: { token } });
  await client.greeting;
  return {
    next: client.next, heard: (event) => client.events.filter((told) => told.event === event).map(({ payload }) => payload), emit: (event, payload) => void client.socket.emit(event, payload),
    close: client.close, gone: client.gone,
  };
}

async function overPlainFrames(server: TestServer, token: string): Promise<Client> {
  const client = await openSocket(server, '/socket.io/', { authorization: `Bearer ${token}` });
  await client.next('connected');
  return {
    next: async (event, fits = () => true) => (await client.next(event, ({ data }) => fits(data))).data, heard: (event) => client.frames.filter(({ type }) => type === event).map(({ data }) => data),
    emit: (event, payload) => client.send({ type: event, data: payload }), close: client.close, gone: client.closed,
  };
}

describe.each([['Socket.IO', overSocketIo], ['plain frames', overPlainFrames]] as const)('Told again and again over %s', (_name, connect) => {
  let server: TestServer;
  let ann: TestUser;
  let ben: TestUser;
  const open: Client[] = [];
  const come = async (token: string): Promise<Client> => {
    const client = await connect(server, token);
    open.push(client);
    return client;
  };

  beforeAll(async () => {
    server = await startTestServer({ settings: { LIMIT_MESSAGES_PER_HOUR: '100000' } });
    ann = await server.user('ann');
    ben = await server.user('ben');
    server.models.answerWith(['Yes.']);
    await server.request('POST', '/api/ai/chat', { as: ben, body: { input: 'Foreign?' } });
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.close();
    // Whatever ends a socket ends its timer.
    await expect.poll(() => server.monitoring.subscriptions.size).toBe(0);
  });
  afterAll(() => server.stop());

  it('metrics are the figures of the request, for the one who asks', async () => {
    const client = await come(ann.token);
    client.emit('subscribe_ai_metrics', { interval_seconds: 5, include_distributed: true });
    const metrics = await client.next('ai_metrics');
    const figures = (await server.request('GET', '/api/v4/analytics/ai-performance', { as: ann })).json;
    expect(metrics).toEqual({ time: expect.any(String), timeframe: '24h', inference_analytics: figures.inference_analytics, distributed_analytics: figures.distributed_analytics });
    expect(metrics.inference_analytics.total_inferences).toBe(0);
    // Once more ends the first, and what is not asked for is not told.
    client.emit('subscribe_ai_metrics');
    expect(await client.next('ai_metrics')).not.toHaveProperty('distributed_analytics');
    expect(server.monitoring.subscriptions.size).toBe(1);
  });

  it('metrics follow what happens, at their pace', async () => {
    const client = await come(ann.token);
    client.emit('subscribe_ai_metrics', { interval_seconds: 0.1, timeframe: '1h' });
    const before = (await client.next('ai_metrics')).inference_analytics.total_inferences;
    await server.request('POST', '/api/ai/chat', { as: ann, body: { input: 'Why?' } });
    const next = await client.next('ai_metrics', ({ inference_analytics: { total_inferences: total } }) => total > before);
    expect(next.inference_analytics).toMatchObject({ total_inferences: before + 1, model_usage: { 'scripted/one': before + 1 } });
    const times = client.heard('ai_metrics').map(({ time }) => Date.parse(time));
    for (const [at, time] of times.slice(1).entries()) expect(time - times[at]!).toBeGreaterThan(900);
  });

  it('metrics end when they are not wanted any more, and with the credential', async () => {
    const client = await come(ann.token);
    client.emit('subscribe_ai_metrics', {});
    await client.next('ai_metrics');
    client.emit('unsubscribe_ai_metrics');
    await expect.poll(() => server.monitoring.subscriptions.size).toBe(0);
    const login = await server.request('POST', '/api/auth/login', { body: { username: 'ann', password: ann.password } });
    const passing = await come(login.json.access_token);
    passing.emit('subscribe_ai_metrics', {});
    await passing.next('ai_metrics');
    expect(server.monitoring.subscriptions.size).toBe(1);
    await server.request('POST', '/api/auth/logout', { headers: { authorization: `Bearer ${login.json.access_token}` } });
    await passing.gone;
    await expect.poll(() => server.monitoring.subscriptions.size).toBe(0);
  });

  it('metrics need the permission to read, and a true interval', async () => {
    const { key } = await server.parts.accounts.createApiKey(ann.userId, 'chatter', ['chat']);
    const chatter = await come(key);
    chatter.emit('subscribe_ai_metrics', {});
    expect(await chatter.next('agent_error')).toMatchObject({ event: 'subscribe_ai_metrics', code: 'forbidden' });
    const client = await come(ann.token);
    for (const payload of [{ interval_seconds: 0 }, { interval_seconds: -1 }, { interval_seconds: '5' }, { include_distributed: 'yes' }, { timeframe: 'ever' }, [], 'x']) {
      client.emit('subscribe_ai_metrics', payload);
      expect(await client.next('agent_error')).toMatchObject({ event: 'subscribe_ai_metrics', code: 'validation_failed' });
    }
    expect(server.monitoring.subscriptions.size).toBe(0);
  });

  it('alerts come once for each change to all that may read, and can be read later', async () => {
    const { key } = await server.parts.accounts.createApiKey(ann.userId, 'chatter', ['chat']);
    const [one, foreign, chatter] = [await come(ann.token), await come(ben.token), await come(key)];
    const breaker = (state: 'OPEN' | 'CLOSED'): void => void (server.models.breaker = () => ({ state, failures: 5, threshold: 5, openMs: 60_000, lastFailureAt: null }));
    breaker('OPEN');
    for (let look = 0; look < 5; look += 1) await server.monitoring.look();
    breaker('CLOSED');
    for (let look = 0; look < 5; look += 1) await server.monitoring.look();
    for (const client of [one, foreign]) {
      await client.next('system_alert', ({ condition, state }) => condition === 'breaker scripted' && state === 'over');
      const told = client.heard('system_alert').filter(({ condition }) => condition === 'breaker scripted');
      expect(told).toEqual([
        { id: expect.any(String), time: expect.any(String), severity: 'warning', component: 'ai_systems', condition: 'breaker scripted', state: 'met', message: 'Models: scripted has failed 5 times in a row and is left alone for 60 s.', instance: expect.any(String) },
        { id: expect.any(String), time: expect.any(String), severity: 'info', component: 'ai_systems', condition: 'breaker scripted', state: 'over', message: 'Models: scripted answers again.', instance: expect.any(String) },
      ]);
      const { alerts, conditions } = (await server.request('GET', '/api/v4/health/alerts', { as: ben })).json;
      expect(alerts).toEqual(expect.arrayContaining(told));
      expect(conditions).not.toContain('breaker scripted');
    }
    // What was sent to it before this answer has arrived as well.
    chatter.emit('start_conversation', {});
    await chatter.next('agent_error');
    expect(chatter.heard('system_alert')).toEqual([]);
  });
});

it('the server ends with nobody subscribed', async () => {
  const server = await startTestServer();
  const ann = await server.user('ann');
  const client = await overSocketIo(server, ann.token);
  client.emit('subscribe_ai_metrics', {});
  await client.next('ai_metrics');
  await server.stop();
  expect(server.monitoring.subscriptions.size).toBe(0);
});
