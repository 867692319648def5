import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocket, sendRequest, type Json, type RequestOptions, type TestResponse, type TestUser } from '../../src/dialects/testing.ts';
import { Contract, documents, type Call } from './contract.ts';
import { notYet } from './not-yet.ts';
import { startContractWorld, type ContractWorld } from './world.ts';

const channel = '/';
const gone = notYet['ultimate']!;

describe.skipIf(!documents)('The contract of ultimate', () => {
  let world: ContractWorld;
  let owner: TestUser;
  let ann: TestUser;
  let ben: TestUser;
  const sockets: Socket[] = [];
  const contract = new Contract('ultimate', () => world.url);
  const { client_to_server: clientEvents = {}, server_to_client: serverEvents = {} } = contract.document['x-events'];

  beforeAll(async () => {
    world = await startContractWorld((standIn) => ({ DEFAULT_MODEL: 'openai/gpt-4o', OLLAMA_URLS: standIn, COMPATIBLE_SERVERS: `faulty=${standIn}/v1` }));
    ann = await world.user('ann');
    ben = await world.user('ben');
    const login = await sendRequest(world.url, 'POST', '/api/auth/login', { body: { username: 'owner', password: 'owner-secret-1' } });
    const { id } = await world.parts.accounts.owner();
    owner = { username: 'owner', password: 'owner-secret-1', userId: id, token: login.json.access_token, headers: { authorization: `Bearer ${login.json.access_token}` } };
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await world.stop();
  });

  /** Calls an operation and looks at the headers that every answer of it must carry. */
  async function call(id: string, options: Call = {}): Promise<TestResponse> {
    const answer = await contract.call(id, options);
    const { headers = {} } = contract.operation(id).definition.responses['200'] ?? {};
    for (const [name, { schema, required }] of Object.entries<Json>(headers)) {
      if (!required) continue;
      const value = answer.headers.get(name);
      expect([id, name, value]).toEqual([id, name, schema.const ?? expect.any(String)]);
    }
    return answer;
  }
  const start = async (body: Json = contract.examples('startConversation')[0], as = ann): Promise<Json> => (await call('startConversation', { as, body })).json;
  const chat = async (body: Json, as = ann): Promise<Json> => (await call('sendChatMessage', { as, body })).json;
  const history = async (id: string, as = ann): Promise<Json> => (await call('getConversation', { as, path: { conversation_id: id } })).json.conversation;
  const statistics = async (as = ann): Promise<Json> => (await call('getChatStatistics', { as })).json.statistics;
  const rows = (user: TestUser): Promise<Json[]> =>
    world.parts.storage.read.selectFrom('messages').innerJoin('conversations', 'conversations.id', 'messages.conversation_id').selectAll('messages').where('conversations.owner_id', '=', user.userId).orderBy('messages.created_at').execute();

  it('a token is signed, lasts as long as it says, and may what it says and no more', async () => {
    const [body] = contract.examples('createToken');
    const { json } = await call('createToken', { as: ann, body });
    expect(json.permissions).toEqual(expect.arrayContaining(['read', 'write', 'chat', 'p2p']));
    expect(json.permissions).not.toContain('admin');
    const claims = JSON.parse(Buffer.from(json.token.split('.')[1], 'base64url').toString());
    expect(claims.exp - claims.iat).toBe(json.expires_in);
    expect(claims.scope.split(' ')).toEqual(json.permissions);
    const bearer = (token: string): RequestOptions => ({ headers: { authorization: `Bearer ${token}` } });
    await call('getCapabilities', bearer(json.token));
    const reader = (await call('createToken', { as: ann, body: { ...body, permissions: ['read'] } })).json;
    await call('sendChatMessage', { ...bearer(reader.token), body: { input: 'Hello' }, status: 403 });
    await call('createToken', { body, status: 401 });
    await call('createToken', { as: ann, body: { agent_id: 'x' }, status: 400 });
  });

  it('conversations begin with each documented request, and are kept', async () => {
    for (const body of contract.examples('startConversation').filter(({ voice_enabled: voice }) => !voice)) {
      const made = await start(body);
      expect(made.model_type).toBe(body.model_type);
      expect(await history(made.conversation_id)).toMatchObject({ id: made.conversation_id, user_id: body.user_id, created_at: made.created_at, last_activity: made.created_at, messages: [] });
    }
    await call('startConversation', { as: ann, body: { user_id: 'x', voice_enabled: true }, status: 501 });
    await call('startConversation', { as: ann, body: { user_id: 'x', model_type: 'gpt-4' }, status: 400 });
    await call('startConversation', { body: { user_id: 'x' }, status: 401 });
  });

  it('an answer is the model’s, with its confidence, tokens and time', async () => {
    const { conversation_id: id } = await start();
    const asked = world.standIn.next({ pieces: ['Two', ' states.'], firstDelayMs: 150, usage: { tokensIn: 80, tokensOut: 7 }, logprobs: [-0.1, -0.3] });
    const [documented] = contract.examples('sendChatMessage');
    const first = await chat({ ...documented, conversation_id: id });
    const request = await asked.request;
    expect(request.body.messages!.at(-1)!.content).toBe(documented.input);
    expect(first).toMatchObject({ conversation_id: id, response: 'Two states.', message_count: 2, context_used: false, strategy: 'technical', model_used: 'technical', tokens_used: 87 });
    expect(first.confidence).toBeCloseTo(Math.exp(-0.2), 6);
    expect(first.response_time).toBeGreaterThanOrEqual(0.15);
    const second = world.standIn.next({ pieces: ['Yes.'], usage: { tokensIn: 10, tokensOut: 1 } });
    const again = await chat({ input: 'Really?', conversation_id: id });
    expect((await second.request).body.messages!.map(({ content }) => content)).toEqual([expect.any(String), documented.input, 'Two states.', 'Really?']);
    expect(again).toMatchObject({ message_count: 4, context_used: true, confidence: null, strategy: 'technical' });
    const shown = await history(id);
    expect(shown.messages.map(({ content }: Json) => content)).toEqual([documented.input, 'Two states.', 'Really?', 'Yes.']);
    expect(shown).toMatchObject({ model_type: 'technical', metadata: { message_count: 4, total_tokens: 98 } });
    expect(shown.metadata.avg_response_time).toBeCloseTo((first.response_time + again.response_time) / 2, 2);
    expect(shown.last_activity).toBe(shown.messages.at(-1).timestamp);
    for (const body of contract.examples('sendChatMessage').slice(1)) {
      world.standIn.next({ pieces: ['Fine.'], usage: { tokensIn: 1, tokensOut: 1 } });
      expect((await chat(body)).conversation_id).not.toBe(id);
    }
    await call('sendChatMessage', { as: ann, body: {}, status: 400 });
    await call('sendChatMessage', { body: { input: 'x' }, status: 401 });
    for (const as of [ann, ben]) await call('sendChatMessage', { as, body: { input: 'x', conversation_id: as === ann ? 'conv_1640995400abc' : id }, status: 404 });
    await call('getConversation', { as: ben, path: { conversation_id: id }, status: 404 });
    await call('sendChatMessage', { as: await world.userWithoutKey('poor'), body: { input: 'x', backend_model: 'openai/gpt-4o' }, status: 503 });
  });

  it('lists and statistics count the rows', async () => {
    const cat = await world.user('cat');
    for (const [at, model] of (['general', 'technical', 'technical'] as const).entries()) {
      world.standIn.next({ pieces: [`Answer ${at}`], usage: { tokensIn: 5, tokensOut: 2 } });
      await chat({ input: `Question ${at}`, model }, cat);
    }
    const empty = await start({ user_id: 'local_user' }, cat);
    const listed = (await call('listConversations', { as: cat })).json;
    expect(listed).toMatchObject({ total_count: 4, page: 1, limit: 20 });
    expect(listed.conversations[0]).toMatchObject({ id: empty.conversation_id, message_count: 0, last_message_preview: '' });
    expect(listed.conversations.slice(1).map((row: Json) => [row.model_type, row.message_count, row.last_message_preview])).toEqual([['technical', 2, 'Answer 2'], ['technical', 2, 'Answer 1'], ['general', 2, 'Answer 0']]);
    expect((await call('listConversations', { as: cat, query: { user_id: 'local_user', limit: 1 } })).json).toMatchObject({ total_count: 1, limit: 1 });
    await call('listConversations', { as: cat, query: { limit: 0 }, status: 400 });
    const figures = await statistics(cat);
    const stored = await rows(cat);
    expect(figures).toMatchObject({ total_conversations: 4, total_messages: stored.length, chat_history_size: stored.length, active_conversations: 3, model_usage: { general: 2, technical: 2 } });
    const times = stored.filter(({ role }) => role === 'assistant').map(({ duration_ms: duration }) => duration / 1000);
    expect(figures.average_response_time).toBeCloseTo(times.reduce((sum, time) => sum + time, 0) / times.length, 2);
    const stats = (await call('getEnhancedStats', { as: cat })).json;
    const health = (await call('getComprehensiveHealth', { as: cat })).json;
    for (const figure of [stats.stats.conversations_active, health.components.conversation_ai.active_conversations]) expect(figure).toBe(figures.active_conversations);
    expect(health.components.conversation_ai.average_response_time).toBe(figures.average_response_time);
  });

  it('status, capabilities and health say what there is', async () => {
    const capabilities = (await call('getCapabilities', { as: ann })).json;
    const stats = (await call('getEnhancedStats', { as: ann })).json;
    const health = (await call('getComprehensiveHealth', { as: ann })).json;
    expect(stats.agent_id).toBe(capabilities.agent_id);
    expect(Date.now() / 1000 - stats.stats.start_time).toBeCloseTo(health.components.core_agent.uptime_hours * 3600, -1);
    expect(capabilities).toMatchObject({ capabilities: expect.not.arrayContaining(['blockchain', 'cloud', 'p2p_inference', 'distributed_training']), p2p_capabilities: [], task_types: [], ollama_features: ['streaming_inference', 'health_monitoring', 'model_lifecycle'] });
    expect(capabilities.ai_models).toContain('llama2:latest');
    expect(stats.ai_status.ollama_instances).toBe(1);
    expect(health.components.ai_systems.ollama_instances).toBe(1);
    expect(health.components).toMatchObject({ p2p_network: { status: 'disabled', score: null }, blockchain: { status: 'disabled', score: null } });
    for (const id of ['getCapabilities', 'getEnhancedStats', 'getComprehensiveHealth']) await call(id, { status: 401 });
  });

  /** Asks a service that breaks off in the middle: a fault of the service, after which nothing is tried again. */
  async function breakOff(as: TestUser): Promise<void> {
    const faults = (): number => world.parts.models.breaker('faulty')!.failures;
    const before = faults();
    world.standIn.next({ pieces: ['So', ' far'], fault: { kind: 'cut', after: 1 } });
    await sendRequest(world.url, 'POST', '/v1/chat/completions', { as, body: { model: 'faulty/gpt-4o', stream: true, messages: [{ role: 'user', content: 'Break off' }] } });
    await expect.poll(faults).toBe(before + 1);
  }

  it('analytics and detailed performance are what was recorded, by themselves and by the rows', async () => {
    const [dan, eve] = [await world.user('dan'), await world.user('eve')];
    for (const [at, delay] of [0, 0, 0, 400].entries()) {
      world.standIn.next({ pieces: ['Yes.'], firstDelayMs: delay, usage: { tokensIn: 3, tokensOut: 1 } });
      await chat({ input: `Question ${at}`, model: at === 0 ? 'creative' : 'technical' }, dan);
    }
    world.standIn.next({ pieces: ['Foreign.'], usage: { tokensIn: 3, tokensOut: 1 } });
    await chat({ input: 'Mine alone' }, eve);
    for (let count = 0; count < 2; count += 1) await breakOff(dan);
    const usage = (): Promise<Json[]> => world.parts.storage.read.selectFrom('usage').selectAll().where('user_id', '=', dan.userId).execute();
    await expect.poll(async () => (await usage()).length).toBe(6);
    const analytics = async (query: Record<string, string> = {}): Promise<Json> => (await call('getAiPerformance', { as: dan, query })).json;
    const figures = await analytics({ timeframe: '24h' });
    const counted = await usage();
    const well = counted.filter(({ outcome }) => outcome === 'DELIVERED');
    const spoken = (await rows(dan)).filter(({ status }) => status === 'DELIVERED');
    expect(figures).toMatchObject({
      timeframe: '24h',
      inference_analytics: { total_inferences: counted.length, successful_inferences: well.length, model_usage: { 'openai/gpt-4o': 4, 'faulty/gpt-4o': 2 }, performance_trends: { latency_trend: 'unknown', accuracy_trend: 'unknown', throughput_trend: 'unknown' } },
      conversation_analytics: { total_messages: spoken.length, conversations_started: 4, average_conversation_length: spoken.length / 4, user_satisfaction_estimate: null, most_used_model: 'technical' },
    });
    expect(figures.inference_analytics.average_latency_ms).toBeCloseTo(well.reduce((sum, row) => sum + row.duration_ms, 0) / well.length, 1);
    expect(await analytics()).toEqual(figures);
    // Rows that are older than the window are not in it.
    await world.parts.storage.write(async (queries) => {
      await queries.updateTable('usage').set({ created_at: Date.now() - 2 * 3_600_000 }).where('id', '=', well[0]!.id).execute();
    });
    expect([(await analytics({ timeframe: '1h' })).inference_analytics.total_inferences, (await analytics({ timeframe: '3h' })).inference_analytics.total_inferences]).toEqual([5, 6]);
    const ai = (await call('getDetailedPerformance', { as: dan, query: { component: 'ai', timeframe: '1h' } })).json;
    const times = (await world.parts.storage.read.selectFrom('usage').select('duration_ms').where('duration_ms', 'is not', null).execute()).map((row) => row.duration_ms!).sort((one, other) => one - other);
    const rank = (share: number): number => times[Math.ceil(share * times.length) - 1]!;
    expect(ai).toMatchObject({ component: 'ai', timeframe: '1h', samples: times.length, components: { ai: { requests: times.length, errors: 2, latency_ms: { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) } } } });
    expect(rank(0.99)).toBeGreaterThanOrEqual(400);
    expect(Object.keys((await call('getDetailedPerformance', { as: dan })).json.components)).toEqual(expect.arrayContaining(['ai', 'chat', 'p2p', 'blockchain']));
    for (const id of ['getAiPerformance', 'getDetailedPerformance']) {
      await call(id, { status: 401 });
      await call(id, { as: dan, query: { timeframe: 'yesterday' }, status: 400 });
    }
    await call('getDetailedPerformance', { as: dan, query: { component: 'gpu' }, status: 400 });
  });

  it('OAuth begins with the documented request, for a client that is known', async () => {
    const [body] = contract.examples('oauthAuthorize');
    expect((await call('oauthAuthorize', { body, status: 400 })).json.error).toBe('invalid_client');
    await sendRequest(world.url, 'POST', '/api/v4/auth/oauth/clients', { as: owner, body: { client_id: body.client_id, name: 'Mobile', scope: body.scope } });
    const { json } = await call('oauthAuthorize', { body });
    expect(json).toMatchObject({ device_code: expect.any(String), user_code: expect.any(String), verification_uri: expect.any(String), expires_in: expect.any(Number), interval: expect.any(Number), scope: body.scope });
    expect(json).not.toHaveProperty('access_token');
  });

  it('every event is spoken both ways, with acknowledgements', async () => {
    const open = async (as: TestUser) => {
      const socket = io(world.url, { transports: ['websocket'], extraHeaders: as.headers, forceNew: true });
      sockets.push(socket);
      const heard: { event: string; payload: Json }[] = [];
      socket.onAny((event: string, payload: Json) => {
        heard.push({ event, payload });
        if (serverEvents[event]) contract.hear(channel, event, payload, serverEvents[event].payload);
      });
      const ask = async (event: string, payload: Json): Promise<Json> => {
        if (!gone.events.includes(`${channel} ${event}`)) contract.took(channel, event);
        return socket.timeout(10_000).emitWithAck(event, payload);
      };
      const next = async (event: string, count = 1): Promise<Json> => {
        await expect.poll(() => heard.filter((told) => told.event === event).length, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
        return heard.filter((told) => told.event === event)[count - 1]!.payload;
      };
      return { heard, ask, next };
    };
    const [one, two, foreign] = [await open(ann), await open(ann), await open(ben)];
    expect(await one.next('connected')).toMatchObject({ chat_enabled: true, p2p_enabled: false });
    const begun = await one.ask('start_conversation', clientEvents.start_conversation.example);
    expect(begun).toEqual(await one.next('conversation_started'));
    const id = { conversation_id: begun.conversation_id };
    expect((await two.ask('get_conversation_history', { ...clientEvents.get_conversation_history.example, ...id })).conversation.messages).toEqual([]);
    world.standIn.next({ pieces: ['By', ' example.'], usage: { tokensIn: 3, tokensOut: 2 }, logprobs: [-0.2, -0.2] });
    const answer = await one.ask('chat_message', { ...clientEvents.chat_message.example, ...id });
    for (const client of [one, two]) {
      expect(await client.next('chat_message')).toMatchObject({ message: 'Explain machine learning', model: 'technical' });
      expect(await client.next('chat_response')).toEqual(answer);
    }
    expect(answer.confidence).toBeCloseTo(Math.exp(-0.2), 6);
    world.standIn.next({ pieces: ['By', ' Ollama.'], usage: { tokensIn: 3, tokensOut: 2 } });
    expect(await one.ask('chat_message', { ...id, message: 'And now?', backend_model: 'ollama/llama2:latest' })).toMatchObject({ response: 'By Ollama.', backend_model: 'ollama/llama2:latest' });
    for (const client of [one, two]) {
      await client.next('chat_response', 2);
      const chunks = client.heard.filter(({ event }) => event === 'ollama_streaming_chunk').map(({ payload }) => payload);
      expect([chunks.map(({ chunk }) => chunk).join(''), chunks.filter(({ done }) => done).length, chunks.at(-1).done]).toEqual(['By Ollama.', 1, true]);
    }
    for (const client of [one, foreign]) expect(await client.next('ollama_model_loaded')).toEqual({ model_name: 'llama2:latest', instance_id: new URL(world.standIn.url).host });
    expect(await one.ask('get_comprehensive_health', null)).toEqual(await one.next('comprehensive_health'));
    const kept = await one.ask('subscribe_ai_metrics', clientEvents.subscribe_ai_metrics.example);
    expect(kept).toMatchObject({ subscribed: true, interval_seconds: 5, include_distributed: true });
    const { time, timeframe, ...metrics } = await one.next('ai_metrics');
    const { inference_analytics, distributed_analytics } = (await call('getAiPerformance', { as: ann, query: { timeframe } })).json;
    expect([Date.parse(time) > 0, metrics]).toEqual([true, { inference_analytics, distributed_analytics }]);
    expect(await foreign.ask('get_conversation_history', id)).toMatchObject({ code: 'not_found' });
    expect(foreign.heard.filter(({ event }) => !['connected', 'agent_error', 'system_alert', 'ollama_model_loaded'].includes(event))).toEqual([]);
    // Five faults in a row open the breaker of a service: that is told once, to everybody who may read.
    while (world.parts.models.breaker('faulty')?.state !== 'OPEN') await breakOff(ann);
    for (let look = 0; look < 3; look += 1) await world.parts.monitoring.look();
    for (const client of [one, two, foreign]) {
      const told = (): Json[] => client.heard.filter(({ event, payload }) => event === 'system_alert' && payload.condition === 'breaker faulty').map(({ payload }) => payload);
      await expect.poll(told).toMatchObject([{ message: expect.stringContaining('faulty'), severity: 'warning', component: 'ai_systems', state: 'met' }]);
    }
    for (const [event, { example }] of Object.entries<Json>(clientEvents)) {
      if (gone.events.includes(`${channel} ${event}`)) expect([event, await one.ask(event, example)]).toEqual([event, { error: expect.any(String), code: 'not_implemented' }]);
    }
    expect(contract.unheard(channel, [...Object.keys(clientEvents), ...Object.keys(serverEvents)])).toEqual([]);
  });

  it('the plain framing of the Python client carries the same', async () => {
    const socket = await openSocket(world, '/socket.io/', ann.headers);
    await socket.next('connected');
    world.standIn.next({ pieces: ['Hello.'], usage: { tokensIn: 3, tokensOut: 2 } });
    socket.send({ type: 'chat_message', data: { message: 'Hi' } });
    contract.hear(channel, 'chat_response', (await socket.next('chat_response')).data, serverEvents.chat_response.payload);
    socket.close();
  });

  it('the status of Ollama is what its instances say and do', async () => {
    const before = (await call('getOllamaStatus', { as: ann })).json;
    expect(before).toMatchObject({ instances_available: 1, active_connections: 1, cloud_compute_instances: 0, load_balancing: { strategy: 'response_time' } });
    expect(before.instance_details).toHaveLength(1);
    const [instance] = before.instance_details;
    expect(instance).toMatchObject({ instance_id: new URL(world.standIn.url).host, status: 'healthy', health_score: 1, available_models: world.standIn.ollamaModels });
    await generated(contract.examples('streamOllamaGenerate')[0]);
    const after = (await call('getOllamaStatus', { as: ann })).json;
    expect(after.total_operations).toBe(before.total_operations + 1);
    expect(after.load_balancing).toMatchObject({ total_requests: after.total_operations, successful_requests: before.load_balancing.successful_requests + 1 });
    await call('getOllamaStatus', { status: 401 });
  });

  /** The events of one generation, each held against the schema. */
  async function generated(body: Json): Promise<Json[]> {
    const { method, path, definition } = contract.operation('streamOllamaGenerate');
    const answer = await sendRequest(world.url, method, path, { as: ann, body });
    contract.check('streamOllamaGenerate', answer, 200);
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    for (const [name, { schema }] of Object.entries<Json>(definition.responses['200'].headers)) expect([name, answer.headers.get(name)]).toEqual([name, schema.const ?? expect.any(String)]);
    const events = answer.text.split('\n\n').filter((frame) => frame.startsWith('data: ')).map((frame) => JSON.parse(frame.slice('data: '.length)) as Json);
    for (const event of events) contract.hear('streamOllamaGenerate', 'event', event, definition.responses['200'].content['text/event-stream'].schema);
    return events;
  }

  it('streamed generation tells each piece, and at the end how long the instance took', async () => {
    const asked = world.standIn.next({ pieces: ["Here's a Python function", ' to calculate', ' fibonacci numbers'] });
    const events = await generated(contract.examples('streamOllamaGenerate')[0]);
    expect((await asked.request).body).toMatchObject({ model: 'llama2:latest', options: { temperature: 0.7, num_predict: 500 } });
    expect(events.map(({ response }) => response).join('')).toBe("Here's a Python function to calculate fibonacci numbers");
    expect(events.map(({ done }) => done)).toEqual([false, false, false, true]);
    expect(events.at(-1)).toMatchObject({ total_duration: 5_000_000_000 });
    const body = contract.examples('streamOllamaGenerate')[0];
    await call('streamOllamaGenerate', { as: ann, body: { ...body, model: 'llama2-70b' }, status: 404 });
    await call('streamOllamaGenerate', { as: ann, body: { model: 'llama2' }, status: 400 });
    await call('streamOllamaGenerate', { body, status: 401 });
  });

  it('a pull says of each instance whether it has the model', async () => {
    const host = new URL(world.standIn.url).host;
    const body = { ...contract.examples('pullOllamaModel')[0], instance_id: host };
    expect((await call('pullOllamaModel', { as: owner, body })).json).toEqual({
      success: true, model: 'codellama:7b', instance_results: { [host]: true }, download_progress: { [`${host}:codellama:7b`]: 100 },
    });
    world.standIn.next({ endpoint: 'pull', layers: [1000], gated: true, fault: { kind: 'cut', after: 1 } }).release(Infinity);
    expect((await call('pullOllamaModel', { as: owner, body: { ...body, model: 'other:1b' } })).json).toMatchObject({ success: false, instance_results: { [host]: false }, download_progress: { [`${host}:other:1b`]: 50 } });
    world.standIn.next({ endpoint: 'pull', pullError: 'pull model manifest: file does not exist' });
    await call('pullOllamaModel', { as: owner, body: { ...body, model: 'none' }, status: 404 });
    world.standIn.next({ endpoint: 'pull', pullError: 'pull model manifest: Get "https://registry.ollama.ai/v2/": dial tcp: connect: connection refused' });
    await call('pullOllamaModel', { as: owner, body: { ...body, model: 'none' }, status: 502 });
    await call('pullOllamaModel', { as: owner, body: { ...body, instance_id: 'localhost:1' }, status: 404 });
    await call('pullOllamaModel', { as: ann, body, status: 403 });
    await call('pullOllamaModel', { as: owner, body: {}, status: 400 });
    await call('pullOllamaModel', { body, status: 401 });
  });

  it('debug mode is set as documented, read back from the running logs, and leaves a trace of each request', async () => {
    const [body] = contract.examples('configureDebug');
    await call('configureDebug', { as: ann, body, status: 403 });
    await call('configureDebug', { body, status: 401 });
    for (const wrong of [{ ...body, debug_level: 'loud' }, { ...body, components: ['engine'] }, {}]) await call('configureDebug', { as: owner, body: wrong, status: 400 });
    const { json } = await call('configureDebug', { as: owner, body });
    try {
      expect(json.settings).toMatchObject({ debug_level: 'verbose', components: expect.arrayContaining(body.components), log_performance: true, trace_requests: true });
      expect(json.previous).toMatchObject({ debug_level: 'off', components: [], log_performance: false, trace_requests: false });
      expect([json.settings.levels.ai, json.settings.levels.http]).toEqual(['trace', world.parts.log.level]);
      world.standIn.next({ pieces: ['Traced.'] });
      const answer = await call('sendChatMessage', { as: ann, body: { input: 'Trace this' } });
      const { trace } = (await sendRequest(world.url, 'GET', `/api/v4/debug/traces/${answer.headers.get('x-request-id')}`, { as: owner })).json;
      expect(trace).toMatchObject({ name: 'POST /api/ai/chat', status: 200, outcome: 'ok' });
      expect(trace.spans).toContainEqual(expect.objectContaining({ component: 'ai', name: 'reply from openai', outcome: 'ok' }));
    } finally {
      expect((await call('configureDebug', { as: owner, body: { debug_level: 'off' } })).json.settings).toMatchObject({ debug_level: 'off', components: [] });
    }
  });

  it('a batch answers each documented request in order, and one bad item fails alone', async () => {
    const [documented] = contract.examples('batchInference');
    const requests = [...documented.requests, { model: 'no-such-model', input: 'Text 4' }];
    const asked = documented.requests.map((_request: Json, at: number) => world.standIn.next({ pieces: ['Mood ', `${at}`], usage: { tokensIn: 20, tokensOut: 2 } }));
    const { json } = await call('batchInference', { as: ann, body: { ...documented, requests } });
    expect(json).toMatchObject({ success: true, total: 4, succeeded: 3, failed: 1, batched: 0, wall_time_ms: expect.any(Number), batches: [{ model: 'openai/gpt-4o', items: 3, at_once: 3, evaluations: null }] });
    expect(json.results.map(({ index, success, model }: Json) => [index, success, model])).toEqual([[0, true, 'sentiment'], [1, true, 'sentiment'], [2, true, 'sentiment'], [3, false, 'no-such-model']]);
    expect(json.results[3].error).toEqual({ code: 'model_not_found', message: expect.any(String) });
    for (const { request } of asked) {
      const { body } = await request;
      const at = documented.requests.findIndex(({ input }: Json) => input === body.messages.at(-1).content);
      expect(body.temperature).toBe(0);
      expect(json.results[at]).toMatchObject({ output: expect.stringMatching(/^Mood \d$/), confidence: null, tokens_used: 22, backend_model: 'openai/gpt-4o', latency_ms: expect.any(Number) });
    }
    await call('batchInference', { as: ann, body: {}, status: 400 });
    await call('batchInference', { as: ann, body: { requests: [] }, status: 400 });
    await call('batchInference', { body: documented, status: 401 });
    await call('batchInference', { as: ann, body: { requests: Array(257).fill(documented.requests[0]) }, status: 413 });
    const reader = (await call('createToken', { as: ann, body: { agent_id: 'x', permissions: ['read'] } })).json.token;
    await call('batchInference', { headers: { authorization: `Bearer ${reader}` }, body: documented, status: 403 });
  });

  it('the status of pipelines counts what really ran', async () => {
    const before = (await call('getPipelineStatus', { as: ann })).json;
    expect(before).toMatchObject({ active_pipelines: 0, processing_queue: 0, completed_pipelines: 0, average_processing_time: null, pipeline_types: ['sequential', 'parallel'], supported_backends: ['ollama'] });
    const [one, two] = [world.standIn.next({ pieces: ['One.'], firstDelayMs: 60 }), world.standIn.next({ pieces: ['Two.'], firstDelayMs: 60 })];
    const run = (type: string) => sendRequest(world.url, 'POST', '/api/v4/ai/pipeline/run', { as: ann, body: { type, input: 'Zero', stages: [{ model: 'technical' }, { model: 'openai/gpt-4o', prompt: 'After {{input}}' }] } });
    const running = run('sequential');
    await one.request;
    expect((await call('getPipelineStatus', { as: ann })).json.active_pipelines).toBe(1);
    expect((await two.request).body.messages!.at(-1)!.content).toBe('After One.');
    const { json } = await running;
    expect(json).toMatchObject({ success: true, status: 'completed', output: 'Two.', stages: [{ output: 'One.', status: 'completed' }, { output: 'Two.' }] });
    const [left, right] = [world.standIn.next({ pieces: ['L'], firstDelayMs: 150 }), world.standIn.next({ pieces: ['R'], firstDelayMs: 150 })];
    const beside = (await run('parallel')).json;
    await Promise.all([left.request, right.request]);
    // Both waited at the same time: together they took less than one behind the other.
    expect(beside.processing_time).toBeLessThan(beside.stages[0].processing_time + beside.stages[1].processing_time);
    const after = (await call('getPipelineStatus', { as: ann })).json;
    expect(after).toMatchObject({ active_pipelines: 0, processing_queue: 0, completed_pipelines: 2 });
    expect(after.average_processing_time).toBeCloseTo((json.processing_time + beside.processing_time) / 2, 2);
    expect((await run('distributed')).status).toBe(501);
    await call('getPipelineStatus', { status: 401 });
    expect((await sendRequest(world.url, 'GET', `/api/v4/ai/pipeline/runs/${json.run_id}`, { as: ben })).status).toBe(404);
  });

  it('everything else of the document answers 501, and nothing that is built stands on the list', async () => {
    for (const id of gone.operations) {
      const { method, path } = contract.operation(id);
      const answer = await sendRequest(world.url, method, path.replace(/\{\w+\}/, 'some-id'), { as: ann, ...(method === 'GET' ? {} : { body: {} }) });
      expect([id, answer.status, answer.json]).toEqual([id, 501, { success: false, error: { code: 'not_implemented', message: expect.any(String), details: {} } }]);
    }
    expect(contract.uncalled()).toEqual([]);
  });
});
