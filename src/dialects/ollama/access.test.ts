import { request as httpRequest } from 'node:http';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../config.ts';
import { sendRequest, startTestServer, type RequestOptions, type TestResponse, type TestServer, type TestUser } from '../testing.ts';

let server: TestServer;
/** The owner, and somebody else. */
let ann: TestUser;
let bob: TestUser;
beforeAll(async () => {
  server = await startTestServer({ settings: { OLLAMA_API_PORT: '0' } });
  ann = await server.user('ann');
  bob = await server.user('bob');
});
afterAll(() => server.stop());

const request = (method: string, path: string, options?: RequestOptions): Promise<TestResponse> => sendRequest(server.ollamaUrl, method, path, options);
/** As a request that came through a proxy: local trust does not hold for it. */
const remote = { 'x-forwarded-for': '192.0.2.1' };
const messages = [{ role: 'user', content: 'Hello?' }];

describe('The port of the Ollama API', () => {
  it('says what Ollama says to whoever looks whether it runs', async () => {
    const root = await request('GET', '/', { headers: remote });
    expect([root.status, root.text, root.headers.get('content-type')]).toEqual([200, 'Ollama is running', 'text/plain; charset=utf-8']);
    expect((await request('HEAD', '/', { headers: remote })).status).toBe(200);
    expect((await request('GET', '/api/version', { headers: remote })).json).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/), parley: '0.0.0-test' });
    expect(await new Ollama({ host: server.ollamaUrl }).version()).toMatchObject({ parley: '0.0.0-test' });
  });

  it('serves /v1 beside it, and nothing of the other ports', async () => {
    const openai = new OpenAI({ baseURL: `${server.ollamaUrl}/v1`, apiKey: 'local', maxRetries: 0 });
    const asked = openai.chat.completions.create({ model: 'scripted/one', messages: [{ role: 'user', content: 'Hello?' }] });
    const call = await server.models.call();
    call.text('Hi.');
    call.finish();
    expect((await asked).choices[0]!.message.content).toBe('Hi.');
    expect((await request('GET', '/v1/nothing')).json.error.code).toBe('unknown_url');
    for (const path of ['/docs', '/health', '/metrics', '/api/v1/chat/chats', '/api/auth/session', '/assets/x.js', '/api/nothing']) {
      const { status, json } = await request('GET', path, { headers: { accept: 'text/html' } });
      expect([path, status, json]).toEqual([path, 404, { error: 'Not found' }]);
    }
    for (const path of ['/api/tags', '/api/show', '/api/ps']) expect((await server.request('GET', path)).status).toBe(404);
  });

  it('reads JSON whatever it is called, as `curl -d` sends it, and says what is wrong with it', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/json; charset=utf-8']) {
      const answer = await request('POST', '/api/show', { raw: '{"model":"one"}', headers: { 'content-type': type } });
      expect([type, answer.status]).toEqual([type, 200]);
    }
    const broken = await request('POST', '/api/chat', { raw: '{"model"' });
    expect([broken.status, broken.json]).toEqual([400, { error: 'The body is not valid JSON.' }]);
    const get = await request('GET', '/api/chat');
    expect([get.status, get.headers.get('allow'), get.json]).toEqual([405, 'POST', { error: 'This address does not take this method.' }]);
  });

  it('says clearly what it does not do', async () => {
    const ollama = new Ollama({ host: server.ollamaUrl });
    await expect(ollama.create({ model: 'x', from: 'one' })).rejects.toMatchObject({ status_code: 501 });
    await expect(ollama.copy({ source: 'one', destination: 'x' })).rejects.toMatchObject({ status_code: 501 });
    await expect(ollama.push({ model: 'x' })).rejects.toMatchObject({ status_code: 501, message: 'This is not built yet.' });
    expect((await request('POST', '/api/blobs/sha256:abc', { raw: 'bytes' })).status).toBe(501);
  });

  it('is closed to whoever asks as if Ollama were here: Parley itself', async () => {
    for (const path of ['/api/tags', '/api/version', '/', '/v1/models']) {
      const { status, headers } = await request('GET', path, { headers: { 'x-parley-provider': 'ollama' } });
      expect([path, status, headers.get('x-error-code')]).toEqual([path, 421, 'misdirected']);
    }
  });
});

describe('Who may', () => {
  const routes = [
    ['GET', '/api/tags'], ['GET', '/api/ps'], ['POST', '/api/show'], ['POST', '/api/chat'], ['POST', '/api/generate'], ['POST', '/api/embed'], ['POST', '/api/embeddings'],
    ['POST', '/api/pull'], ['DELETE', '/api/delete'], ['POST', '/api/create'], ['POST', '/api/copy'], ['POST', '/api/push'], ['POST', '/api/blobs/sha256:abc'],
  ] as const;

  it.each(routes)('%s %s needs credentials from elsewhere, and true ones everywhere', async (method, path) => {
    const body = method === 'GET' ? undefined : {};
    for (const headers of [remote, { authorization: 'Bearer nonsense' }, { authorization: `Bearer ask_${'A'.repeat(43)}` }, { origin: 'https://elsewhere.example' }] as Record<string, string>[]) {
      const { status, json } = await request(method, path, { headers, body });
      expect([401, 403]).toContain(status);
      expect(json).toEqual({ error: expect.any(String) });
    }
  });

  it('is nobody who came by another name of this machine: a page whose name was bound anew to it', async () => {
    const status = await new Promise((resolve, reject) => {
      const options = { method: 'POST', headers: { host: 'rebound.example', 'content-type': 'application/json' } };
      httpRequest(`${server.ollamaUrl}/api/chat`, options, (answer) => resolve(answer.resume().statusCode)).on('error', reject).end('{}');
    });
    expect(status).toBe(401);
  });

  it('pulls and deletes is an administrator', async () => {
    for (const [method, path] of [['POST', '/api/pull'], ['DELETE', '/api/delete']] as const) {
      const refused = await request(method, path, { as: bob, body: { model: 'x' } });
      expect([refused.status, refused.json]).toEqual([403, { error: 'Only an administrator may do this.' }]);
      expect((await request(method, path, { as: ann, body: { model: 'missing' } })).status).toBeLessThan(405);
    }
  });

  it('may do what the scopes of its key allow', async () => {
    const made = await server.parts.accounts.createApiKey(bob.userId, 'reader', ['read']);
    const headers = { authorization: `Bearer ${made.key}` };
    expect((await request('GET', '/api/tags', { headers })).status).toBe(200);
    expect((await request('POST', '/api/show', { headers, body: { model: 'one' } })).status).toBe(200);
    const refused = await request('POST', '/api/chat', { headers, body: { model: 'one', messages } });
    expect([refused.status, refused.json]).toEqual([403, { error: 'This credential has not the scope "chat".' }]);
  });

  it('ends with its credential, in the middle of an answer', async () => {
    const { json } = await server.request('POST', '/api/auth/login', { body: { username: 'bob', password: bob.password } });
    const headers = { authorization: `Bearer ${json.access_token}` };
    const asked = fetch(`${server.ollamaUrl}/api/chat`, { method: 'POST', headers, body: JSON.stringify({ model: 'one', messages }) });
    const call = await server.models.call();
    call.text('Hi');
    const answer = await asked;
    await server.request('POST', '/api/auth/logout', { headers });
    const lines = (await answer.text()).trimEnd().split('\n').map((line) => JSON.parse(line));
    expect(lines.map((line) => line.error ?? line.message.content)).toEqual(['Hi', 'Invalid or expired access token']);
    expect(call.signal.aborted).toBe(true);
    expect((await request('GET', '/api/tags', { headers })).status).toBe(401);
  });

  it('counts against one limit together with /v1', async () => {
    const small = await startTestServer({ settings: { OLLAMA_API_PORT: '0', LIMIT_COMPLETIONS_PER_MINUTE: '2' } });
    try {
      await small.user('ann');
      expect((await sendRequest(small.ollamaUrl, 'GET', '/api/tags')).status).toBe(200);
      expect((await small.request('GET', '/v1/models')).status).toBe(200);
      const { status, headers, json } = await sendRequest(small.ollamaUrl, 'GET', '/api/ps');
      expect([status, Number(headers.get('retry-after')) > 0, json]).toEqual([429, true, { error: 'Too many requests. Try again later.' }]);
    } finally {
      await small.stop();
    }
  });
});

describe('A port that is taken', () => {
  it('is done without, and says so', async () => {
    const taken = new URL(server.ollamaUrl).port;
    const second = await startTestServer({ settings: { OLLAMA_API_PORT: taken } });
    try {
      expect(second.ollama!.addresses()).toEqual([]);
      expect(second.ollama!.problem()).toBe(`Port ${taken} on 127.0.0.1 is taken by another program. Stop that one, or choose another port: OLLAMA_API_PORT=${Number(taken) + 1}`);
      expect((await second.request('GET', '/health')).status).toBe(200);
      expect(server.ollama!.problem()).toBeNull();
    } finally {
      await second.stop();
    }
  });

  it('by the page is refused at the start', () => {
    for (const settings of [{ PORT: '8080' }, { ALSO_LISTEN: '8000,8080' }]) {
      expect(() => readConfig({ ...settings, OLLAMA_API_PORT: '8080' })).toThrow('OLLAMA_API_PORT must be another port than PORT and ALSO_LISTEN');
    }
    expect(readConfig({ OLLAMA_API_PORT: 'off' }).ollamaApiPort).toBeNull();
    expect(() => readConfig({ OLLAMA_API_PORT: 'on' })).toThrow('OLLAMA_API_PORT must be a port');
  });

  it('is not opened at all unless it is asked for', async () => {
    const small = await startTestServer();
    expect(small.ollama).toBeNull();
    await small.stop();
  });
});

describe('A server that stops', () => {
  it('lets an answer end and refuses what is new', async () => {
    const small = await startTestServer({ settings: { OLLAMA_API_PORT: '0', DRAIN_SECONDS: '5' } });
    await small.user('ann');
    const asked = fetch(`${small.ollamaUrl}/api/chat`, { method: 'POST', body: JSON.stringify({ model: 'one', messages }) });
    const call = await small.models.call();
    call.text('Hi ');
    const answer = await asked;
    const stopped = small.stop();
    await expect(fetch(small.ollamaUrl)).rejects.toThrow();
    call.text('there.');
    call.finish();
    const lines = (await answer.text()).trimEnd().split('\n').map((line) => JSON.parse(line));
    expect(lines.map((line) => [line.message.content, line.done])).toEqual([['Hi ', false], ['there.', false], ['', true]]);
    await stopped;
  });
});
