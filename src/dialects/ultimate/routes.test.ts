import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import type { ScriptedCall } from '../../core/conversations/testing.ts';
import { registerUser, startTestServer, type Json, type RequestOptions, type TestResponse, type TestServer, type TestUser } from '../testing.ts';

/** A proxy header: local trust does not hold for who sends it. */
const remote = { 'x-forwarded-for': '192.0.2.1' };
const unknownId = '01a1fc35-2ce7-756d-9a00-159616c46a55';

describe.each(engines)('The ultimate dialect on %s', (engine) => {
  let server: TestServer;
  let ann: TestUser;
  let ben: TestUser;

  beforeAll(async () => {
    server = await startTestServer({ engine, settings: { LIMIT_MESSAGES_PER_HOUR: '100000' } });
    ann = await server.user('ann');
    ben = await server.user('ben');
    server.models.answerWith(['It', ' is', ' so.']);
  });
  afterAll(() => server.stop());

  const start = async (body: Json = {}, as = ann): Promise<Json> => (await server.request('POST', '/api/ai/conversations', { as, body: { user_id: 'local_user', ...body } })).json;
  const chat = async (body: Json, options: RequestOptions = { as: ann }): Promise<TestResponse> => server.request('POST', '/api/ai/chat', { ...options, body: { input: 'Why?', ...body } });
  /** The call of the model that a request leads to, which the test answers; calls before it were answered by themselves. */
  async function callOf(at = server.models.calls.length): Promise<ScriptedCall> {
    await expect.poll(() => server.models.calls.length).toBeGreaterThan(at);
    return server.models.calls[at]!;
  }
  const history = async (id: string, as = ann): Promise<Json> => (await server.request('GET', `/api/ai/conversations/${id}`, { as })).json.conversation;
  const list = async (query = '', as = ann): Promise<Json> => (await server.request('GET', `/api/ai/conversations${query}`, { as })).json;
  const statistics = async (as: TestUser): Promise<Json> => (await server.request('GET', '/api/ai/chat/statistics', { as })).json.statistics;
  const keyFor = async (...scopes: ('read' | 'write' | 'admin' | 'chat' | 'p2p')[]): Promise<Record<string, string>> => ({ authorization: `Bearer ${(await server.parts.accounts.createApiKey(ann.userId, 'key', scopes)).key}` });

  describe('Conversations', () => {
    it('begin with a profile and its welcome, which is no message', async () => {
      const made = await start({ model_type: 'technical', conversation_title: 'Of code' });
      expect(made).toEqual({ success: true, conversation_id: expect.any(String), model_type: 'technical', created_at: expect.any(String), welcome_message: expect.any(String) });
      expect(await history(made.conversation_id)).toEqual({
        id: made.conversation_id, user_id: 'local_user', model_type: 'technical', created_at: made.created_at, last_activity: made.created_at, messages: [],
        metadata: { message_count: 0, total_tokens: 0, avg_response_time: null },
      });
      expect((await start()).model_type).toBe('general');
    });

    it('refuse what is wrong, and speech', async () => {
      for (const body of [{}, { user_id: 5 }, { user_id: 'x', model_type: 'gpt-4' }, { user_id: 'x', conversation_title: ' ' }]) {
        const refused = await server.request('POST', '/api/ai/conversations', { as: ann, body });
        expect([refused.status, refused.json]).toEqual([400, { success: false, error: { code: 'validation_failed', message: expect.any(String), details: { fields: [expect.any(Object)] } } }]);
      }
      const voice = await server.request('POST', '/api/ai/conversations', { as: ann, body: { user_id: 'x', voice_enabled: true } });
      expect([voice.status, voice.json.error.code]).toEqual([501, 'not_implemented']);
    });

    it('are answered with figures that were measured', async () => {
      const { conversation_id: id } = await start();
      const { status, json } = await chat({ conversation_id: id, model: 'creative' });
      expect(status).toBe(200);
      expect(json).toMatchObject({
        success: true, conversation_id: id, response: 'It is so.', confidence: null, message_count: 2, context_used: false, strategy: 'creative', model_used: 'creative', backend_model: 'scripted/one',
      });
      expect(json.response_time).toBeGreaterThanOrEqual(0);
      const shown = await history(id);
      expect(shown).toMatchObject({ model_type: 'creative', metadata: { message_count: 2 } });
      expect(shown.messages.map(({ role, content }: Json) => [role, content])).toEqual([['user', 'Why?'], ['assistant', 'It is so.']]);
      expect(shown.metadata.avg_response_time).toBe(json.response_time);
      expect(Date.parse(shown.messages[1].timestamp)).toBeGreaterThanOrEqual(Date.parse(shown.messages[0].timestamp));
      const again = (await chat({ conversation_id: id })).json;
      expect(again).toMatchObject({ message_count: 4, context_used: true, strategy: 'creative' });
    });

    it('tell the model their profile and as much of what was said as is wanted', async () => {
      server.models.answerWith(null);
      const ask = async (body: Json): Promise<{ system: string; said: string[]; temperature: number | undefined; answer: Json }> => {
        const coming = callOf();
        const sent = chat(body);
        const call = await coming;
        call.text('Yes.');
        call.finish();
        const [system, ...said] = call.request.messages;
        return { system: system!.content, said: said.map(({ content }) => content), temperature: call.request.temperature, answer: (await sent).json };
      };
      const first = await ask({ input: 'One', model: 'technical' });
      expect(first).toMatchObject({ said: ['One'], temperature: 0.2, answer: { context_used: false } });
      const id = first.answer.conversation_id;
      const second = await ask({ input: 'Two', conversation_id: id, model: 'creative' });
      expect(second).toMatchObject({ said: ['One', 'Yes.', 'Two'], temperature: 1, answer: { context_used: true } });
      expect(second.system).not.toBe(first.system);
      expect(await ask({ input: 'Three', conversation_id: id, options: { context_aware: false } })).toMatchObject({ said: ['Three'], answer: { context_used: false } });
      expect(await ask({ input: 'Four', conversation_id: id, options: { max_context_length: 10 } })).toMatchObject({ said: ['Yes.', 'Four'], answer: { context_used: true } });
      server.models.answerWith(['It', ' is', ' so.']);
    });

    it('have a confidence where the model gives probabilities, and none where nobody wants it', async () => {
      server.models.answerWith(null);
      const ask = async (options: Json): Promise<{ asked: unknown; confidence: number | null }> => {
        const coming = callOf();
        const sent = chat({ options });
        const call = await coming;
        if (call.request.logprobs) call.say({ type: 'logprobs', tokens: [-0.1, -0.3].map((logprob) => ({ token: 'x', logprob, bytes: null, top: [] })) });
        call.text('Yes.');
        call.finish();
        return { asked: call.request.logprobs, confidence: (await sent).json.confidence };
      };
      const { asked, confidence } = await ask({});
      expect(asked).toEqual({ top: 0 });
      expect(confidence).toBeCloseTo(Math.exp(-0.2), 10);
      expect(await ask({ return_confidence: false })).toEqual({ asked: undefined, confidence: null });
      const at = server.models.calls.length;
      const sent = chat({ input: 'Of a model that gives none' });
      const refusing = await callOf(at);
      refusing.say({ type: 'error', error: { code: 'unsupported_value', message: 'No.', parameter: 'logprobs', serviceFault: false } });
      const second = await callOf(at + 1);
      expect(second.request.logprobs).toBeUndefined();
      second.text('All the same.');
      second.finish();
      expect((await sent).json).toMatchObject({ response: 'All the same.', confidence: null });
      server.models.answerWith(['It', ' is', ' so.']);
    });

    it('are made by the first message where none is named', async () => {
      const { json } = await chat({ input: 'Hello', model: 'sentiment' });
      expect(await history(json.conversation_id)).toMatchObject({ user_id: 'ann', model_type: 'sentiment', messages: [{ content: 'Hello' }, { content: 'It is so.' }] });
    });

    it('are listed by label, in pages, with what was said last', async () => {
      const cleo = await registerUser(server.url, `cleo-${engine}`);
      const ids: string[] = [];
      for (const at of [1, 2, 3]) {
        const { conversation_id: id } = await start({ user_id: at === 3 ? 'other' : 'mine' }, cleo);
        ids.push(id);
        if (at > 1) await chat({ conversation_id: id, input: 'x'.repeat(100 * at) }, { as: cleo });
      }
      const all = await list('', cleo);
      expect(all).toMatchObject({ success: true, total_count: 3, page: 1, limit: 20 });
      expect(all.conversations.map(({ id }: Json) => id)).toEqual([ids[2], ids[1], ids[0]]);
      expect(all.conversations.map((row: Json) => [row.message_count, row.last_message_preview])).toEqual([[2, 'It is so.'], [2, 'It is so.'], [0, '']]);
      expect((await list('?user_id=mine&limit=1&page=2', cleo))).toMatchObject({ total_count: 2, page: 2, limit: 1, conversations: [{ id: ids[0] }] });
      expect((await list('?user_id=nobody', cleo))).toMatchObject({ total_count: 0, conversations: [] });
      expect((await list('?limit=100000', cleo)).limit).toBe(100);
      for (const query of ['?limit=0', '?limit=x', '?page=-1', '?page=1.5']) expect((await server.request('GET', `/api/ai/conversations${query}`, { as: cleo })).status).toBe(400);
      // What was made in another dialect has no label, and goes by the name of whose it is.
      await server.request('POST', '/api/v1/chat/chats', { as: cleo, body: { title: 'Elsewhere' } });
      expect((await list(`?user_id=cleo-${engine}`, cleo)).conversations).toMatchObject([{ model_type: 'general', message_count: 0 }]);
    });

    it('count the same in every place, also with branches and answers that failed', async () => {
      const dora = await registerUser(server.url, `dora-${engine}`);
      expect(await statistics(dora)).toEqual({
        total_conversations: 0, total_messages: 0, active_conversations: 0, model_usage: {}, average_response_time: null, chat_history_size: 0, context_memory_enabled: true,
      });
      const { json: first } = await chat({ input: 'One', model: 'technical' }, { as: dora });
      await chat({ input: 'Two' }, { as: dora });
      const { messages } = await history(first.conversation_id, dora);
      const base = `/api/v1/chat/chats/${first.conversation_id}/messages`;
      const edited = (await server.request('POST', `${base}/${messages[0].id}/edit`, { as: dora, body: { content: 'Uno' } })).json;
      await server.request('GET', `${base}/${edited.answer?.id ?? edited.id}/stream`, { as: dora });
      await expect.poll(async () => (await history(first.conversation_id, dora)).messages.length).toBe(2);
      server.models.answerWith(null);
      const coming = callOf();
      const failing = chat({ conversation_id: first.conversation_id, input: 'Three' }, { as: dora });
      (await coming).say({ type: 'error', error: { code: 'provider_error', message: 'It broke.', serviceFault: false } });
      const failed = await failing;
      server.models.answerWith(['It', ' is', ' so.']);
      expect([failed.status, failed.json]).toEqual([502, { success: false, error: { code: 'provider_error', message: 'It broke.', details: {} } }]);
      const shown = await history(first.conversation_id, dora);
      expect(shown.messages.map(({ content }: Json) => content)).toEqual(['Uno', 'It is so.', 'Three']);
      expect(shown.metadata.message_count).toBe(3);
      const [row] = (await list('', dora)).conversations.filter(({ id }: Json) => id === first.conversation_id);
      expect(row).toMatchObject({ message_count: 3, last_message_preview: 'Three' });
      expect(await statistics(dora)).toMatchObject({ total_conversations: 2, total_messages: 5, active_conversations: 2, model_usage: { technical: 1, general: 1 }, chat_history_size: 8 });
    });

    it('belong to who made them: for others they are not there', async () => {
      const { conversation_id: id } = await start();
      for (const [who, path] of [[ben, id], [ann, unknownId], [ann, 'conv_1640995400abc']] as const) {
        const [shown, sent] = [await server.request('GET', `/api/ai/conversations/${path}`, { as: who }), await chat({ conversation_id: path }, { as: who })];
        for (const answer of [shown, sent]) expect([answer.status, answer.json]).toEqual([404, { success: false, error: { code: 'not_found', message: 'There is no such conversation.', details: {} } }]);
      }
      const label = (await list('?user_id=local_user', ben)).conversations;
      expect(label).toEqual([]);
    });
  });

  describe('Who may', () => {
    it('needs the permission of the route, by token, key or session', async () => {
      const routes = [['GET', '/api/ai/chat/statistics', 'chat'], ['GET', '/api/v4/capabilities', 'read'], ['GET', '/api/v4/auth/oauth/clients', 'admin']] as const;
      for (const [method, path, needs] of routes) {
        for (const scope of ['read', 'write', 'chat'] as const) expect([path, scope, (await server.request(method, path, { headers: await keyFor(scope) })).status]).toEqual([path, scope, scope === needs ? 200 : 403]);
        expect((await server.request(method, path, { headers: remote })).status).toBe(401);
        expect((await server.request(method, path, { headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
        expect((await server.request(method, path)).status).toBe(200);
      }
    });

    it('takes the session cookie from a page of this origin alone', async () => {
      const login = await server.request('POST', '/api/auth/login', { body: { username: ben.username, password: ben.password } });
      const cookie = login.headers.getSetCookie().map((header) => header.split(';')[0]).join('; ');
      const send = (headers: Record<string, string>) => server.request('POST', '/api/ai/conversations', { headers: { cookie, ...headers }, body: { user_id: 'x' } });
      expect((await send({ 'sec-fetch-site': 'same-origin' })).status).toBe(200);
      expect((await send({ 'sec-fetch-site': 'same-site' })).json.error.code).toBe('csrf_failed');
      expect((await send({ origin: 'https://elsewhere.example' })).json.error.code).toBe('origin_refused');
    });

    it('makes tokens with no more permissions than the caller has', async () => {
      const body = { agent_id: 'agent-123', permissions: ['read', 'write', 'admin', 'chat', 'p2p'] };
      const full = (await server.request('POST', '/api/auth/token', { as: ann, body })).json;
      expect(full).toEqual({ token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/), expires_in: 3600, permissions: expect.arrayContaining(body.permissions), features_enabled: ['conversational_ai'] });
      const some = (await server.request('POST', '/api/auth/token', { headers: await keyFor('read', 'chat'), body })).json;
      expect(some.permissions).toEqual(['read', 'chat']);
      expect((await server.request('GET', '/api/v4/capabilities', { headers: { authorization: `Bearer ${some.token}` } })).status).toBe(200);
      const middle = Math.floor(some.token.length / 2);
      const flipped = some.token.slice(0, middle) + (some.token[middle] === 'x' ? 'y' : 'x') + some.token.slice(middle + 1);
      expect((await server.request('GET', '/api/v4/capabilities', { headers: { authorization: `Bearer ${flipped}` } })).status).toBe(401);
      const reader = (await server.request('POST', '/api/auth/token', { headers: await keyFor('read'), body })).json;
      expect(reader).toMatchObject({ permissions: ['read'], features_enabled: [] });
      expect((await server.request('POST', '/api/auth/token', { headers: await keyFor('read'), body: { agent_id: 'x', permissions: ['admin'] } })).status).toBe(403);
      for (const wrong of [{}, { agent_id: '', permissions: ['read'] }, { agent_id: 'x', permissions: [] }, { agent_id: 'x', permissions: ['root'] }]) expect((await server.request('POST', '/api/auth/token', { as: ann, body: wrong })).status).toBe(400);
    });
  });

  describe('Every answer', () => {
    const printed = {
      'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'x-xss-protection': '1; mode=block', 'strict-transport-security': 'max-age=31536000; includeSubDomains',
      'content-security-policy': "default-src 'self'", 'x-agent-version': '4.1.0', 'x-features-enabled': 'chat',
    };

    it('carries the document’s headers, errors included', async () => {
      const answers = [
        await server.request('GET', '/api/v4/capabilities', { as: ann }), await server.request('GET', '/api/v4/capabilities', { headers: remote }), await server.request('GET', '/api/v4/nothing', { as: ann }),
        await server.request('DELETE', '/api/ai/conversations', { as: ann }), await server.request('POST', '/api/ai/chat', { as: ann, raw: '{', headers: { 'content-type': 'application/json' } }),
        await server.request('GET', '/api/v4/p2p/status', { as: ann }), await server.request('POST', '/api/v4/auth/oauth/token', { body: {} }), await server.request('GET', '/api/v1/blockchain/none'),
      ];
      expect(answers.map(({ status }) => status)).toEqual([200, 401, 404, 405, 400, 501, 400, 404]);
      for (const { headers } of answers) for (const [name, value] of Object.entries(printed)) expect([name, headers.get(name)]).toEqual([name, value]);
      const elsewhere = await server.request('GET', '/api/v1/chat/chats', { as: ann });
      expect(elsewhere.headers.get('x-agent-version')).toBeNull();
    });

    it('is the same under v4, v3 and v1', async () => {
      for (const path of ['capabilities', 'stats/enhanced', 'auth/oauth/clients']) {
        const bodies = [];
        for (const version of ['v4', 'v3', 'v1']) bodies.push((await server.request('GET', `/api/${version}/${path}`, { as: ann })).json);
        expect(bodies[1]).toEqual(bodies[0]);
        expect(bodies[2]).toEqual(bodies[0]);
      }
      for (const version of ['v4', 'v3', 'v1']) expect((await server.request('GET', `/api/${version}/p2p/peers`, { as: ann })).status).toBe(501);
    });
  });

  describe('What the server is', () => {
    it('says what there is, and nothing of what there is not', async () => {
      const capabilities = (await server.request('GET', '/api/v4/capabilities', { as: ann })).json;
      expect(capabilities).toMatchObject({
        agent_id: expect.stringMatching(/^ultimate-[0-9a-f]{8}$/), version: '4.1.0-enhanced', capabilities: ['ai', 'security', 'conversational_ai'], ai_models: ['one'],
        chat_models: ['general', 'technical', 'creative', 'sentiment', 'transformer'], p2p_capabilities: [], ollama_features: [], task_types: [],
        enhanced_features: { real_time_chat: true, context_memory: true, voice_support: false, file_analysis: false, multi_model_pipeline: false, p2p_coordination: false },
      });
      // With one model there is nothing to choose from; a second one makes a pipeline of several.
      const { list: listed } = server.models;
      server.models.list = async (caller) => (await listed.call(server.models, caller)).flatMap((model) => [model, { ...model, id: 'stub/two', model: 'two' }]);
      expect((await server.request('GET', '/api/v4/capabilities', { as: ann })).json.enhanced_features.multi_model_pipeline).toBe(true);
      server.models.list = listed;
      const status = (await server.request('GET', '/api/v4/stats/enhanced', { as: ann })).json;
      expect(status).toMatchObject({ agent_id: capabilities.agent_id, running: true, registered: false, current_tasks: 0, ai_status: { conversation_manager_active: true, gpu_available: false }, p2p_status: { enabled: false, network_enabled: false } });
      expect(status.stats.conversations_active).toBe((await statistics(ann)).active_conversations);
    });

    it('is well while its parts are, and says which are not', async () => {
      const fetch = async (): Promise<Json> => (await server.request('GET', '/api/v4/health/comprehensive', { as: ann })).json;
      const well = await fetch();
      // Its event loop may have been kept waiting by a busy machine: that alone makes it degraded.
      expect(['healthy', 'degraded']).toContain(well.components.core_agent.status);
      expect(well.components).toMatchObject({ p2p_network: { status: 'disabled', score: null }, blockchain: { status: 'disabled', score: null }, conversation_ai: { status: 'healthy' } });
      expect(well.components.conversation_ai.average_response_time).toBe((await statistics(ann)).average_response_time);
      const { resolve } = server.models;
      server.models.resolve = async () => { throw new Error('there is none'); };
      const without = await fetch();
      server.models.resolve = resolve;
      expect(without.components).toMatchObject({ ai_systems: { status: 'unhealthy' }, conversation_ai: { status: 'unhealthy' } });
      expect(without.health_score).toBeLessThan(well.health_score);
      expect(without.recommendations).toEqual([expect.stringContaining('No language model')]);
    });

    it('answers 503 where no model is there, and makes no conversation', async () => {
      const before = (await list()).total_count;
      const { resolve } = server.models;
      server.models.resolve = async (...given) => ({ ...(await resolve.call(server.models, ...given)), isBuiltin: true });
      const refused = await chat({});
      server.models.resolve = resolve;
      expect([refused.status, refused.json.error.code]).toEqual([503, 'no_model']);
      expect((await list()).total_count).toBe(before);
    });
  });
});

it('counts chat messages of a user together, whatever the dialect', async () => {
  const small = await startTestServer({ settings: { LIMIT_MESSAGES_PER_HOUR: '2' } });
  try {
    const ann = await small.user('ann');
    small.models.answerWith(['Yes.']);
    const send = () => small.request('POST', '/api/ai/chat', { as: ann, body: { input: 'Hello' } });
    expect([(await send()).status, (await send()).status]).toEqual([200, 200]);
    const third = await send();
    expect([third.status, third.json.error.code, third.json.error.details.retry_after_seconds]).toEqual([429, 'rate_limited', expect.any(Number)]);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(3000);
  } finally {
    await small.stop();
  }
});
