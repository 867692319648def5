import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { startTestServer, type Json, type TestResponse, type TestServer, type TestUser } from '../testing.ts';

const list = '/api/chat/conversations';
const messagesOf = (id: string): string => `${list}/${id}/messages`;

for (const engine of engines) {
  describe(`On ${engine}`, () => suite(() => startTestServer({ engine })));
}

function suite(start: () => Promise<TestServer>): void {
  let server: TestServer;
  let ann: TestUser;
  let bob: TestUser;
  beforeAll(async () => {
    server = await start();
    [ann, bob] = [await server.user('ann'), await server.user('bob')];
  });
  afterAll(() => server.stop());

  async function make(body: Record<string, unknown> = {}, as = ann): Promise<Json> {
    const answer = await server.request('POST', list, { as, body });
    expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
    return answer.json;
  }
  /** Lets the model answer at once while `work` goes on. */
  async function answering<Result>(words: string[], work: () => Promise<Result>): Promise<Result> {
    const before = server.models.calls.length;
    server.models.answerWith(words);
    try {
      return await work();
    } finally {
      server.models.answerWith(null);
      for (let at = before; at < server.models.calls.length; at += 1) await server.models.call();
    }
  }
  const messages = async (id: string, as = ann): Promise<Json[]> => (await server.request('GET', messagesOf(id), { as })).json;

  /** A session cookie of Ann, with the token that goes with it. */
  async function cookieOf(user: TestUser): Promise<{ cookie: string; csrf: string }> {
    const login = await server.request('POST', '/api/auth/login', { body: { username: user.username, password: user.password } });
    const pairs = login.headers.getSetCookie().map((header) => header.split(';')[0]!);
    return { cookie: pairs.join('; '), csrf: pairs[1]!.slice('parley_csrf='.length) };
  }

  describe('Conversations of the studio dialect', () => {
    it('are made with 201, exactly as asked, and owned by who asks', async () => {
      const body = { title: 'Conversation Title', system_prompt: 'You are a helpful assistant', model_provider: 'openai', model_name: 'gpt-4o' };
      const made = await make({ ...body, user_id: bob.userId });
      expect(made).toEqual({
        id: expect.any(String), user_id: ann.userId, ...body, settings: {}, is_active: true, created_at: expect.stringMatching(/^\d{4}-.*Z$/), updated_at: expect.any(String),
      });
      expect((await server.request('GET', list, { as: ann })).json[0]).toEqual(made);
      expect((await make(body)).id).not.toBe(made.id);
    });

    it('need no field: the first message gives the title, the default model answers', async () => {
      const made = await make();
      expect(made).toMatchObject({ title: expect.stringMatching(/./), model_provider: null, model_name: null, system_prompt: null });
      await answering(['Yes.'], () => server.request('POST', messagesOf(made.id), { as: ann, body: { content: 'Where do swifts sleep?' } }));
      const [newest] = (await server.request('GET', list, { as: ann })).json;
      expect(newest).toMatchObject({ id: made.id, title: 'Where do swifts sleep?' });
      expect(newest.updated_at > made.updated_at).toBe(true);
    });

    it('take a provider alone as its newest model, and a model alone as it is', async () => {
      expect(await make({ model_provider: 'anthropic' })).toMatchObject({ model_provider: 'anthropic', model_name: expect.stringMatching(/^claude/) });
      expect(await make({ model_name: 'gpt-4o' })).toMatchObject({ model_provider: null, model_name: 'gpt-4o' });
      expect(await make({ model_name: 'org/a-model' })).toMatchObject({ model_provider: null, model_name: 'org/a-model' });
      expect(await make({ model_provider: 'scripted', model_name: 'org/one' })).toMatchObject({ model_provider: 'scripted', model_name: 'org/one' });
    });

    it('keep settings that every answer is asked with', async () => {
      const made = await make({ settings: { temperature: 0.25, max_tokens: 50 } });
      expect(made.settings).toEqual({ temperature: 0.25, max_tokens: 50 });
      await answering(['Yes.'], () => server.request('POST', messagesOf(made.id), { as: ann, body: { content: 'Hello?' } }));
      expect(server.models.calls.at(-1)!.request).toMatchObject({ temperature: 0.25, maxTokens: 50 });
    });

    it('are refused with 400 and a sentence when a field is wrong', async () => {
      for (const [body, sentence] of [
        [{ model_provider: 'nobody', model_name: 'x' }, /^model_provider: names no provider/],
        [{ model_provider: 'scripted' }, /^model_provider: needs the name of a model/],
        [{ title: 5 }, /^title: must be a text/], [{ title: '' }, /^title/], [{ title: 'x'.repeat(256) }, /^title/],
        [{ system_prompt: ['x'] }, /^system_prompt/], [{ model_name: 'x'.repeat(101) }, /^model_name/], [{ settings: { temperature: 5 } }, /^settings.temperature/],
      ] as const) {
        const answer = await server.request('POST', list, { as: ann, body });
        expect([answer.status, answer.json]).toEqual([400, { error: expect.stringMatching(sentence) }]);
      }
      expect((await server.request('POST', list, { as: ann, raw: '{', headers: { 'content-type': 'application/json' } })).json).toEqual({ error: expect.any(String) });
    });

    it('are listed to their owner alone', async () => {
      await make({ title: "Ann's own" });
      expect((await server.request('GET', list, { as: bob })).json).toEqual([]);
      // Also those that others take part in: the document knows one user for each.
      const { json: group } = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A group', chat_type: 'CHANNEL' } });
      await server.request('POST', `/api/v1/chat/chats/${group.id}/join`, { as: bob });
      expect((await server.request('GET', list, { as: bob })).json).toEqual([]);
      expect((await server.request('GET', list, { as: ann })).json.map(({ id }: Json) => id)).toContain(group.id);
      expect((await server.request('GET', messagesOf(group.id), { as: bob })).status).toBe(404);
    });

    it('come in pages when asked for', async () => {
      const [one, two, three] = [await make(), await make(), await make()];
      const some = await server.request('GET', `${list}?limit=2&offset=1`, { as: ann });
      expect(some.json.map(({ id }: Json) => id)).toEqual([two.id, one.id]);
      expect((await server.request('GET', `${list}?limit=1`, { as: ann })).json[0].id).toBe(three.id);
    });
  });

  describe('Messages of the studio dialect', () => {
    it('are answered with the whole answer, and both are kept in order', async () => {
      const { id } = await make({ system_prompt: 'Be brief.', model_provider: 'scripted', model_name: 'one' });
      const asked = server.request('POST', messagesOf(id), { as: ann, body: { content: 'What is AI?' } });
      const call = await server.models.call();
      expect(call.request.messages).toEqual([{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'What is AI?' }]);
      call.text('A field ');
      call.text('of study.');
      call.finish();
      const { status, json } = await asked;
      expect([status, json]).toEqual([200, {
        id: expect.any(String), session_id: id, role: 'assistant', content: 'A field of study.', metadata: { model_used: 'one', provider: 'scripted' }, tokens_used: 10, cost: 0,
        created_at: expect.any(String), model: 'one', provider: 'scripted', user_message: expect.objectContaining({ role: 'user', content: 'What is AI?', tokens_used: 0, cost: 0 }),
      }]);
      const { model: _model, provider: _provider, user_message: question, ...answer } = json;
      expect(await messages(id)).toEqual([question, answer]);
    });

    it('name the model that really spoke', async () => {
      const { id } = await make({ model_provider: 'scripted', model_name: 'one' });
      const asked = server.request('POST', messagesOf(id), { as: ann, body: { content: 'Hello?' } });
      const call = await server.models.call();
      call.say({ type: 'model', model: 'scripted/other' });
      call.text('Hello.');
      call.finish();
      expect((await asked).json).toMatchObject({ model: 'other', provider: 'scripted', metadata: { model_used: 'other' } });
    });

    it('may name another model for one answer', async () => {
      const { id } = await make({ model_provider: 'scripted', model_name: 'one' });
      const ask = (body: Record<string, unknown>): Promise<TestResponse> => server.request('POST', messagesOf(id), { as: ann, body });
      const [other, again] = await answering(['Yes.'], async () => [await ask({ content: 'Hello?', model: 'gpt-4o', provider: 'openai' }), await ask({ content: 'And now?' })] as const);
      expect([other.json.model, other.json.provider, again.json.model]).toEqual(['gpt-4o', 'openai', 'one']);
      expect((await server.request('GET', list, { as: ann })).json[0]).toMatchObject({ id, model_name: 'one' });
    });

    it('say what is not known, instead of a figure', async () => {
      const { id } = await make();
      const costs = server.models.cost;
      server.models.cost = () => null;
      try {
        const asked = server.request('POST', messagesOf(id), { as: ann, body: { content: 'Hello?' } });
        const call = await server.models.call();
        call.say({ type: 'text', text: 'Hello.' }, { type: 'finish', reason: 'stop' });
        expect((await asked).json).toMatchObject({ cost: null, metadata: { cost_known: false } });
      } finally {
        server.models.cost = costs;
      }
    });

    it('stay when the model fails, and no answer is shown', async () => {
      const { id } = await make();
      const asked = server.request('POST', messagesOf(id), { as: ann, body: { content: 'Hello?' } });
      const call = await server.models.call();
      call.text('Half an ');
      call.say({ type: 'error', error: { code: 'provider_timeout', message: 'Too slow.', serviceFault: true } });
      const answer = await asked;
      expect([answer.status, answer.json]).toEqual([504, { error: 'Too slow.' }]);
      expect(await messages(id)).toEqual([expect.objectContaining({ role: 'user', content: 'Hello?' })]);
    });

    it('that ask for a model that there is not say so with 400, and stay', async () => {
      const { id } = await make();
      const answer = await server.request('POST', messagesOf(id), { as: ann, body: { content: 'Hello?', model: 'missing' } });
      expect([answer.status, answer.json, answer.headers.get('x-error-code')]).toEqual([400, { error: 'No model of this name is available.' }, 'model_not_found']);
      expect(await messages(id)).toHaveLength(1);
    });

    it('in a conversation without a model have to name one', async () => {
      const { json: chat } = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'No model', ai_model: null } });
      const answer = await server.request('POST', messagesOf(chat.id), { as: ann, body: { content: 'Hello?' } });
      expect([answer.status, answer.json]).toEqual([409, { error: expect.stringMatching(/name one/) }]);
    });

    it('show what an answer had said when it was stopped', async () => {
      const { id } = await make();
      const asked = server.request('POST', messagesOf(id), { as: ann, body: { content: 'Hello?' } });
      (await server.models.call()).text('Half an answer');
      await expect.poll(async () => {
        const chat = await server.request('GET', `/api/v1/chat/chats/${id}`, { as: ann });
        return chat.json.messages.at(-1)?.content;
      }).toBe('Half an answer');
      const { json: chat } = await server.request('GET', `/api/v1/chat/chats/${id}`, { as: ann });
      await server.request('POST', `/api/v1/chat/chats/${id}/messages/${chat.messages.at(-1).id}/cancel`, { as: ann });
      expect((await asked).json).toMatchObject({ content: 'Half an answer', metadata: { status: 'cancelled' } });
    });

    it('are answered also when the client has gone', async () => {
      const { id } = await make();
      const gone = new AbortController();
      const asked = fetch(server.url + messagesOf(id), { method: 'POST', headers: { ...ann.headers, 'content-type': 'application/json' }, body: JSON.stringify({ content: 'Hello?' }), signal: gone.signal });
      const call = await server.models.call();
      gone.abort();
      await expect(asked).rejects.toThrow();
      call.text('Still here.');
      call.finish();
      await expect.poll(() => messages(id)).toHaveLength(2);
      expect(call.signal.aborted).toBe(false);
    });

    it('are sent once for one key', async () => {
      const { id } = await make();
      const ask = (): Promise<TestResponse> => server.request('POST', messagesOf(id), { as: ann, body: { content: 'Hello?' }, headers: { 'idempotency-key': 'a-key' } });
      const [one, two] = await answering(['Yes.'], async () => [await ask(), await ask()] as const);
      expect(two.json.id).toBe(one.json.id);
      expect(await messages(id)).toHaveLength(2);
    });

    it('are refused when they are empty or no text', async () => {
      const { id } = await make();
      for (const body of [{}, { content: '' }, { content: '  ' }, { content: 5 }, { content: 'x', provider: 'nobody' }, { content: 'x', model: 7 }]) {
        const answer = await server.request('POST', messagesOf(id), { as: ann, body });
        expect([answer.status, answer.json]).toEqual([400, { error: expect.any(String) }]);
      }
      expect(await messages(id)).toEqual([]);
    });

    it("of somebody else's conversation are not there, like those of none", async () => {
      const { id } = await make();
      for (const path of [messagesOf(id), messagesOf('none'), messagesOf('01a1fc38-478b-7429-a13b-4e704d793342')]) {
        for (const [method, body] of [['GET', undefined], ['POST', { content: 'Hello?' }]] as const) {
          const answer = await server.request(method, path, { as: bob, body });
          expect([answer.status, answer.json]).toEqual([404, { error: 'Not found' }]);
        }
      }
    });
  });

  describe('Who may use the studio dialect', () => {
    it('nobody without credentials, also under local trust', async () => {
      for (const [method, path] of [['GET', list], ['POST', list], ['GET', messagesOf('x')], ['POST', messagesOf('x')], ['GET', '/api/files'], ['POST', '/api/knowledge/bases']] as const) {
        const answer = await server.request(method, path, method === 'POST' ? { body: {} } : {});
        expect([path, answer.status, answer.json]).toEqual([path, 401, { error: expect.any(String) }]);
      }
    });

    it('a browser with the session cookie: from pages of this origin without more, else with the token', async () => {
      const { cookie, csrf } = await cookieOf(ann);
      const own = `http://127.0.0.1:${server.port}`;
      const attempt = async (headers: Record<string, string>): Promise<number> => (await server.request('POST', list, { headers: { cookie, ...headers }, body: {} })).status;
      expect((await server.request('GET', list, { headers: { cookie } })).status).toBe(200);
      // What browsers say of a page of this server, new ones and old ones.
      expect(await attempt({ origin: own, 'sec-fetch-site': 'same-origin' })).toBe(201);
      expect(await attempt({ origin: own })).toBe(201);
      // No browser: none leaves both out.
      expect(await attempt({})).toBe(201);
      // Another port of this machine is another page, with the same cookies.
      expect(await attempt({ origin: 'http://127.0.0.1:3000', 'sec-fetch-site': 'same-site' })).toBe(403);
      expect(await attempt({ origin: 'http://127.0.0.1:3000' })).toBe(403);
      expect(await attempt({ origin: own, 'sec-fetch-site': 'cross-site' })).toBe(403);
      expect(await attempt({ 'sec-fetch-site': 'none' })).toBe(403);
      expect(await attempt({ origin: 'http://127.0.0.1:3000', 'sec-fetch-site': 'same-site', 'x-csrf-token': csrf })).toBe(201);
      expect(await attempt({ origin: 'https://elsewhere.example', 'x-csrf-token': csrf })).toBe(403);
      // A form cannot send JSON.
      const form = await server.request('POST', list, { headers: { cookie, origin: own, 'content-type': 'text/plain' }, raw: '{}' });
      expect([form.status, form.json]).toEqual([415, { error: expect.any(String) }]);
    });

    it('API keys with the scope', async () => {
      const { key } = await server.parts.accounts.createApiKey(ann.userId, 'reader', ['read']);
      const headers = { authorization: `Bearer ${key}` };
      expect((await server.request('GET', list, { headers })).status).toBe(200);
      expect((await server.request('POST', list, { headers, body: {} })).status).toBe(403);
    });

    it('for what is not built yet: 501', async () => {
      for (const [method, path] of [
        ['POST', '/api/files/upload'], ['GET', '/api/files'], ['GET', '/api/files/'], ['DELETE', '/api/files/x'], ['POST', '/api/knowledge/bases'], ['GET', '/api/knowledge/bases'],
        ['POST', '/api/knowledge/bases/x/search'],
      ] as const) {
        const answer = await server.request(method, path, { as: ann });
        expect([path, answer.status, answer.json]).toEqual([path, 501, { error: 'This is not built yet.' }]);
      }
    });
  });
}

describe('The limit of messages', () => {
  it('holds for all dialects together, and says when to come back', async () => {
    const server = await startTestServer({ settings: { LIMIT_MESSAGES_PER_HOUR: '2' } });
    try {
      const ann = await server.user('ann');
      server.models.answerWith(['Yes.']);
      const { json } = await server.request('POST', list, { as: ann, body: {} });
      for (const expected of [200, 200, 429]) {
        const answer = await server.request('POST', messagesOf(json.id), { as: ann, body: { content: 'Hello?' } });
        expect(answer.status).toBe(expected);
        if (expected === 429) expect([answer.json, Number(answer.headers.get('retry-after')) > 0]).toEqual([{ error: expect.any(String) }, true]);
      }
    } finally {
      await server.stop();
    }
  });
});
