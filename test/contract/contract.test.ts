import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openSocket, startTestServer, type Json, type TestServer, type TestUser } from '../../src/dialects/testing.ts';

const documents = process.env['DOCUMENTS'];
const contract = (name: string): Json => JSON.parse(readFileSync(join(documents!, 'contract', `${name}.openapi.json`), 'utf8'));

/** Fails with the place when a value has not the form of a JSON Schema. */
function expectForm(schema: Json, value: unknown, what: string): void {
  const result = z.fromJSONSchema(schema).safeParse(value);
  expect(result.error?.issues ?? [], `${what}: ${JSON.stringify(value).slice(0, 300)}`).toEqual([]);
}

describe.skipIf(!documents)('The published contracts', () => {
  let server: TestServer;
  let ann: TestUser;
  beforeAll(async () => {
    server = await startTestServer();
    ann = await server.user('ann');
  });
  afterAll(() => server.stop());

  it.each(['arketic', 'friend'])('%s: every operation is answered, if only with 501', async (name) => {
    for (const [path, operations] of Object.entries<Json>(contract(name).paths)) {
      for (const method of Object.keys(operations)) {
        const address = path.replace(/\{\w+\}/g, '01a1fc38-478b-7429-a13b-4e704d793342');
        const answer = await server.request(method.toUpperCase(), address, { as: ann, ...(method === 'get' ? {} : { body: {} }) });
        const known = answer.status !== 405 && !(answer.status === 404 && answer.json?.detail === 'Not found');
        expect([method, path, known]).toEqual([method, path, true]);
        if (path === '/api/auth/logout') ann = await again();
      }
    }
  });

  /** A new sign-in of Ann. */
  async function again(): Promise<TestUser> {
    const { json } = await server.request('POST', '/api/auth/login', { body: ann });
    return { ...ann, token: json.access_token, headers: { authorization: `Bearer ${json.access_token}` } };
  }

  it('arketic: the examples of the document are taken, and answered in its form', async () => {
    const { paths } = contract('arketic');
    const form = (path: string, method: string, status = '200'): Json => paths[path][method].responses[status].content['application/json'].schema;
    const examples = Object.values<Json>(paths['/api/v1/chat/chats'].post.requestBody.content['application/json'].examples);
    let id = '';
    for (const { value } of examples) {
      const made = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: value });
      expect(made.status).toBe(200);
      expectForm(form('/api/v1/chat/chats', 'post'), made.json, 'createChat');
      id = made.json.id;
    }
    server.models.answerWith(['Fine, ', 'thanks.']);
    let asked = 0;
    for (const { value } of Object.values<Json>(paths['/api/v1/chat/chats/{chat_id}/messages'].post.requestBody.content['application/json'].examples)) {
      const sent = await server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: value });
      expectForm(form('/api/v1/chat/chats/{chat_id}/messages', 'post'), sent.json, 'sendMessage');
      asked += 1;
    }
    for (; asked > 0; asked -= 1) await server.models.call();
    server.models.answerWith(null);
    expectForm(form('/api/v1/chat/chats', 'get'), (await server.request('GET', '/api/v1/chat/chats', { as: ann })).json, 'listChats');
    expectForm(form('/api/v1/chat/chats/{chat_id}', 'get'), (await server.request('GET', `/api/v1/chat/chats/${id}`, { as: ann })).json, 'getChatHistory');
    expectForm(form('/api/v1/chat/chats/{chat_id}/participants', 'get'), (await server.request('GET', `/api/v1/chat/chats/${id}/participants`, { as: ann })).json, 'getParticipants');
    expectForm(form('/api/v1/chat/chats/{chat_id}/typing', 'post'), (await server.request('POST', `/api/v1/chat/chats/${id}/typing`, { as: ann })).json, 'sendTyping');
    const bad = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: {} });
    expectForm(form('/api/v1/chat/chats', 'post', '422'), bad.json, 'a validation error');
    const none = await server.request('GET', '/api/v1/chat/chats');
    expect(none.json).toEqual(paths['/api/v1/chat/chats'].get.responses['401'].content['application/json'].example);
  });

  it('arketic: every frame of the socket has its form, in the documented order', async () => {
    const events = contract('arketic')['x-events']['/api/v1/chat/chats/{chat_id}/ws'];
    const { json: chat } = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'Frames', ai_model: 'default' } });
    const socket = await openSocket(server, `/api/v1/chat/chats/${chat.id}/ws?token=${ann.token}`);
    await socket.next('welcome');
    for (const { documented, example } of events.client_messages) if (documented) socket.send(example);
    await socket.next('pong');
    await server.request('POST', `/api/v1/chat/chats/${chat.id}/typing`, { as: ann });
    const ask = () => server.request('POST', `/api/v1/chat/chats/${chat.id}/messages`, { as: ann, body: { content: 'Hello everyone!' } });
    await ask();
    const call = await server.models.call();
    call.text('Hello! ');
    await socket.next('ai_response_chunk');
    call.finish();
    await socket.next('ai_response_complete');
    await ask();
    (await server.models.call()).say({ type: 'error', error: { code: 'no_api_key', message: 'Please set a key.', serviceFault: false } });
    await socket.next('ai_error');
    socket.send({ type: 'dance' });
    await socket.next('error');
    const forms = new Map<string, Json>(events.server_messages.map((message: Json) => [message.name, message.schema]));
    for (const frame of socket.frames) if (forms.has(frame.type)) expectForm(forms.get(frame.type), frame, frame.type);
    const told = new Set(socket.frames.map((frame) => frame.type));
    expect([...forms.keys()].filter((name) => !told.has(name))).toEqual([]);
    socket.close();
  });

  it('friend: registering, signing in and out, and /health have their forms', async () => {
    const { paths } = contract('friend');
    for (const path of ['/api/auth/register', '/api/auth/login']) {
      const { requestBody, responses } = paths[path].post;
      const [status] = Object.keys(responses);
      const answer = await server.request('POST', path, { body: requestBody.content['application/json'].example });
      expect(answer.status).toBe(Number(status));
      expectForm(responses[status!].content['application/json'].schema, answer.json, path);
      if (path.endsWith('login')) {
        const out = await server.request('POST', '/api/auth/logout', { headers: { authorization: `Bearer ${answer.json.access_token}` } });
        expect(out.json).toEqual(paths['/api/auth/logout'].post.responses['200'].content['application/json'].example);
      }
    }
    const taken = await server.request('POST', '/api/auth/register', { body: paths['/api/auth/register'].post.requestBody.content['application/json'].example });
    expect(taken.json).toEqual(paths['/api/auth/register'].post.responses['400'].content['application/json'].example);
    expectForm(paths['/health'].get.responses['200'].content['application/json'].schema, (await server.request('GET', '/health')).json, '/health');
  });
});
