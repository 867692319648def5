import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer, type TestUser } from '../testing.ts';

let server: TestServer;
let owner: TestUser;
let ann: TestUser;
let bob: TestUser;

beforeAll(async () => {
  server = await startTestServer();
  owner = await server.user('owner');
  ann = await server.user('ann');
  bob = await server.user('bob');
  server.models.answerWith(['Hello', ' there.']);
});
afterAll(() => server.stop());

const budgetOf = (user: TestUser, period = 'day'): string => `/api/v1/chat/budgets/users/${user.userId}/${period}`;
const complete = (as: TestUser, body: object = {}) =>
  server.request('POST', '/v1/chat/completions', { as, body: { model: 'scripted/one', messages: [{ role: 'user', content: 'Hello?' }], ...body } });
/** Calls that are not kept are counted a moment after their answer. */
const settled = (as: TestUser, requests: number) =>
  expect.poll(async () => (await server.request('GET', '/api/v1/chat/budgets', { as })).json.budgets[0]).toMatchObject({ used: { requests }, reserved: { requests: 0 } });

describe('Budgets over HTTP', () => {
  it('are set by an administrator and read by their user', async () => {
    const set = await server.request('PUT', budgetOf(ann), { as: owner, body: { tokens: 5000, cost_usd: 2.5 } });
    expect([set.status, set.json]).toEqual([200, {
      subject: 'user', subject_id: ann.userId, label: 'ann', user_id: ann.userId, period: 'day', source: 'own',
      bounds: { requests: null, tokens: 5000, cost_usd: 2.5 }, used: { requests: 0, tokens: 0, cost_usd: 0 }, reserved: { requests: 0, tokens: 0, cost_usd: 0 },
      left: { requests: null, tokens: 5000, cost_usd: 2.5 }, resets_at: expect.stringMatching(/T00:00:00\.000Z$/),
    }]);
    expect((await complete(ann)).status).toBe(200);
    await settled(ann, 1);
    expect((await server.request('GET', '/api/v1/chat/budgets', { as: ann })).json.budgets).toMatchObject([{ used: { requests: 1, tokens: 10 }, left: { tokens: 4990 } }]);
    expect((await server.request('GET', '/api/v1/chat/budgets?user_id=all', { as: owner })).json.budgets).toMatchObject([{ label: 'ann' }]);
    expect((await server.request('DELETE', budgetOf(ann), { as: owner })).status).toBe(204);
    expect((await server.request('GET', '/api/v1/chat/budgets', { as: ann })).json).toEqual({ budgets: [] });
  });

  it('that are used up answer 429 with the time of the reset, in the form of each dialect', async () => {
    await server.request('PUT', budgetOf(bob, 'month'), { as: owner, body: { requests: 1 } });
    expect((await complete(bob)).status).toBe(200);
    await settled(bob, 1);
    const sentence = /^Your budget of 1 request a month is used up\. It starts anew at \d{4}-\d\d-01 00:00 UTC\.$/;
    for (const body of [{}, { store: true }, { stream: true }]) {
      const refused = await complete(bob, body);
      expect(refused.status).toBe(429);
      expect(refused.json.error).toEqual({ message: expect.stringMatching(sentence), type: 'insufficient_quota', param: null, code: 'insufficient_quota' });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(refused.headers.get('x-error-code')).toBe('budget_exceeded');
    }
    const chat = (await server.request('POST', '/api/v1/chat/chats', { as: bob, body: { title: 'A chat', ai_model: 'default' } })).json;
    const sent = await server.request('POST', `/api/v1/chat/chats/${chat.id}/messages`, { as: bob, body: { content: 'Hello?' } });
    expect([sent.status, sent.json]).toEqual([429, { detail: expect.stringMatching(sentence) }]);
    expect((await server.request('GET', `/api/v1/chat/chats/${chat.id}`, { as: bob })).json.messages).toEqual([]);
  });

  it('are read and set by nobody else', async () => {
    for (const path of ['/api/v1/chat/budgets', '/api/v1/chat/usage']) {
      for (const whose of ['all', bob.userId]) {
        const answer = await server.request('GET', `${path}?user_id=${whose}`, { as: ann });
        expect([answer.status, answer.json]).toEqual([403, { detail: 'Only administrators see what others use.' }]);
      }
    }
    for (const [method, body] of [['PUT', { requests: 1_000_000 }], ['DELETE', undefined]] as const) {
      for (const whose of [ann, bob]) expect((await server.request(method, budgetOf(whose, 'month'), { as: ann, body })).status).toBe(403);
    }
  });

  it('say what is wrong with a request', async () => {
    for (const body of [{ tokens: -1 }, { tokens: 1.5 }, { requests: '5' }, { cost_usd: -0.1 }]) {
      expect((await server.request('PUT', budgetOf(ann), { as: owner, body })).status).toBe(422);
    }
    expect((await server.request('PUT', '/api/v1/chat/budgets/users/nobody/day', { as: owner, body: {} })).status).toBe(404);
    for (const query of ['group_by=hour', 'from=yesterday', 'from=2030-02-31T00:00:00Z&to=x']) {
      expect((await server.request('GET', `/api/v1/chat/usage?${query}`, { as: ann })).status).toBe(422);
    }
    expect((await server.request('GET', '/api/v1/chat/usage?from=2030-01-02&to=2030-01-01', { as: ann })).status).toBe(400);
  });
});

describe('Budgets and clients of OpenAI', () => {
  it('say with each answer what is left, streamed or not, and nothing to those without one', async () => {
    const dora = await server.user('dora');
    expect([...(await complete(dora)).headers.keys()].filter((name) => name.startsWith('x-budget'))).toEqual([]);
    await expect.poll(async () => (await server.request('GET', '/api/v1/chat/usage', { as: dora })).json.usage.length).toBe(1);
    await server.request('PUT', budgetOf(dora), { as: owner, body: { requests: 10, tokens: 50_000, cost_usd: 1.5 } });
    await server.request('PUT', budgetOf(dora, 'month'), { as: owner, body: { requests: 5 } });
    for (const body of [{}, { stream: true }]) {
      const { headers } = await complete(dora, { ...body, max_tokens: 10 });
      expect(headers.get('x-budget-limit-requests')).toBe('5');
      expect(headers.get('x-budget-remaining-requests')).toBe('stream' in body ? '2' : '3');
      expect(Number(headers.get('x-budget-remaining-tokens'))).toBeGreaterThan(49_900);
      expect(headers.get('x-budget-remaining-usd')).toBe('1.5');
      expect(headers.get('x-budget-reset-tokens')).toMatch(/T00:00:00\.000Z$/);
    }
  });

  it('are not asked again in vain', async () => {
    const clock = { now: () => Date.UTC(2031, 4, 10, 12), monotonic: () => performance.now() };
    const later = await startTestServer({ clock });
    try {
      const [admin, user] = [await later.user('owner'), await later.user('ann')];
      await later.request('PUT', `/api/v1/chat/budgets/users/${user.userId}/day`, { as: admin, body: { requests: 0 } });
      let requests = 0;
      const client = new OpenAI({
        baseURL: `${later.url}/v1`, apiKey: user.token, maxRetries: 5,
        fetch: (url, options) => {
          requests += 1;
          return fetch(url, options);
        },
      });
      const refused = client.chat.completions.create({ model: 'scripted/one', messages: [{ role: 'user', content: 'Hello?' }] });
      await expect(refused).rejects.toMatchObject({ status: 429, code: 'insufficient_quota', message: expect.stringContaining('It starts anew at 2031-05-11 00:00 UTC.') });
      expect(requests).toBe(1);
    } finally {
      await later.stop();
    }
  });
});

describe('Usage over HTTP', () => {
  it('outlives the conversations it was made in', async () => {
    const cleo = await server.user('cleo');
    const chat = (await server.request('POST', '/api/v1/chat/chats', { as: cleo, body: { title: 'A chat', ai_model: 'default' } })).json;
    const base = `/api/v1/chat/chats/${chat.id}`;
    const sent = await server.request('POST', `${base}/messages?include=answer`, { as: cleo, body: { content: 'Hello?' } });
    await server.request('GET', `${base}/messages/${sent.json.answer.id}/stream`, { as: cleo });
    await server.request('DELETE', base, { as: cleo });
    const today = new Date().toISOString().slice(0, 10);
    const line = { calls: 1, tokens: { input: 7, output: 3 }, cost_usd: 0, calls_without_tokens: 0, calls_without_price: 0 };
    expect((await server.request('GET', '/api/v1/chat/usage', { as: cleo })).json).toEqual({ usage: [{ group: today, label: today, ...line }] });
    expect((await server.request('GET', `/api/v1/chat/usage?group_by=model&from=${today}`, { as: cleo })).json).toEqual({ usage: [{ group: 'scripted/one', label: 'scripted/one', ...line }] });
    // And so does the budget that counts it.
    await server.request('PUT', budgetOf(cleo), { as: owner, body: { requests: 1 } });
    expect((await complete(cleo)).status).toBe(429);
  });
});
