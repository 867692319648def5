import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type Json, type TestServer, type TestUser } from '../../testing.ts';
import { readUntil } from '../../../../test/read-until.ts';

let server: TestServer;
let ann: TestUser;
let bob: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  ann = await server.user('ann');
  bob = await server.user('bob');
});
afterAll(() => server.stop());

const ask = (as: TestUser | undefined, body: object, headers: Record<string, string> = {}) => server.request('POST', '/v1/responses', { as, headers, body: { model: 'scripted/one', input: 'Hello?', ...body } });

async function responseOf(user: TestUser, body: object = {}): Promise<Json> {
  const asked = ask(user, body);
  const call = await server.models.call();
  call.text('A secret.');
  call.finish();
  return (await asked).json;
}

describe('A response of somebody else', () => {
  it.each([
    ['GET', (id: string) => `/v1/responses/${id}`, undefined],
    ['GET', (id: string) => `/v1/responses/${id}?stream=true`, undefined],
    ['GET', (id: string) => `/v1/responses/${id}/input_items`, undefined],
    ['POST', (id: string) => `/v1/responses/${id}/cancel`, {}],
    ['DELETE', (id: string) => `/v1/responses/${id}`, undefined],
    ['POST', () => '/v1/responses', 'previous'],
    ['POST', () => '/v1/responses', 'previous unstored'],
    ['POST', () => '/v1/responses', 'reference'],
  ])('is not there: %s %s', async (method, path, body) => {
    const { id, output } = await responseOf(ann, { background: false });
    const calls = server.models.calls.length;
    const bodies: Record<string, object> = {
      previous: { model: 'scripted/one', input: 'What did I say?', previous_response_id: id },
      'previous unstored': { model: 'scripted/one', input: 'What did I say?', previous_response_id: id, store: false },
      reference: { model: 'scripted/one', input: [{ type: 'item_reference', id: output[0].id }, { role: 'user', content: 'What?' }] },
    };
    const answer = await server.request(method, path(id), { as: bob, body: typeof body === 'string' ? bodies[body] : body });
    const nothing = await server.request(method, path(id), { as: bob, body: typeof body === 'string' ? JSON.parse(JSON.stringify(bodies[body]).replaceAll(id, 'resp_00000000-0000-7000-8000-000000000000').replaceAll(output[0].id, 'msg_00000000-0000-7000-8000-000000000000')) : body });
    expect(answer.status).toBe(404);
    expect(answer.text).not.toContain('secret');
    expect(server.models.calls.length).toBe(calls);
    if (typeof body === 'string') expect(nothing.json.error.message.replace(/'.*'/, '')).toBe(answer.json.error.message.replace(/'.*'/, ''));
    expect((await server.request('GET', `/v1/responses/${id}`, { as: ann })).json.status).toBe('completed');
  });

  it('is not an answer that was made elsewhere, either', async () => {
    const chat = (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'Chat', ai_model: 'scripted/one' } })).json;
    const sent = await server.request('POST', `/api/v1/chat/chats/${chat.id}/messages?include=answer`, { as: ann, body: { content: 'Hello?' } });
    (await server.models.call()).finish();
    for (const id of [sent.json.answer.id, sent.json.message.id]) expect((await server.request('GET', `/v1/responses/resp_${id}`, { as: ann })).status).toBe(404);
  });

  it.each(['resp_', 'resp_1', 'x', 'resp_../../etc', `resp_${'a'.repeat(36)}`])('nor is %s', async (id) => {
    const { status, json } = await server.request('GET', `/v1/responses/${encodeURIComponent(id)}`, { as: ann });
    expect([status, json.error.type]).toEqual([404, 'invalid_request_error']);
  });
});

describe('What is not offered is refused by name', () => {
  it.each([
    [{ conversation: 'conv_1' }, 'conversation'],
    [{ prompt: { id: 'pmpt_1' } }, 'prompt'],
    [{ moderation: { model: 'x' } }, 'moderation'],
    [{ background: true, store: false }, 'background'],
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type'],
    [{ tool_choice: { type: 'mcp', server_label: 'x' } }, 'tool_choice'],
    [{ text: { format: { type: 'xml' } } }, 'text.format.type'],
    [{ input: [{ type: 'computer_call_output' }] }, 'input[0].type'],
    [{ input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'x' }] }] }, 'input[0].content[0]'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'x' }] }] }, 'input[0].content[0]'],
    [{ input: [{ role: 'user', content: 'Hello?' }, { role: 'assistant', content: 'Hi' }] }, 'input'],
  ])('%j', async (body, parameter) => {
    const { status, json } = await ask(ann, body);
    expect([status, json.error.code, json.error.param]).toEqual([400, 'unsupported_value', parameter]);
  });

  it.each([
    [{ input: [] }], [{ input: [{ role: 'nobody', content: 'x' }] }], [{ input: [{ type: 'function_call_output', output: 'x' }] }], [{ input: [{ type: 'reasoning', id: 'rs_1' }] }],
    [{ input: [{ role: 'user' }] }], [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [at, 'x'])) }], [{ metadata: { a: 1 } }], [{ temperature: 3 }],
    [{ top_logprobs: 21 }], [{ text: { format: { type: 'json_schema' } } }], [{ truncation: 'never' }], [{ input: undefined }],
    [{ input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'file:///etc/passwd' }] }], store: false }],
  ])('and what is wrong is a 400 that says where: %j', async (body) => {
    const { status, json } = await ask(ann, body);
    expect([status, json.error.type]).toEqual([400, 'invalid_request_error']);
    expect(json.error.param).toEqual(expect.any(String));
  });
});

describe('A request that is sent twice with one key', () => {
  it('is stored once', async () => {
    const key = { 'idempotency-key': 'once' };
    const first = ask(ann, {}, key);
    const call = await server.models.call();
    call.text('Once.');
    call.finish();
    const calls = server.models.calls.length;
    const { id } = (await first).json;
    expect((await ask(ann, {}, key)).json).toMatchObject({ id, status: 'completed', output: [{ content: [{ text: 'Once.' }] }] });
    expect(server.models.calls.length).toBe(calls);
  });

  it('is refused when another route stored something else with it', async () => {
    const key = { 'idempotency-key': 'of-a-completion' };
    const completed = server.request('POST', '/v1/chat/completions', { as: ann, headers: key, body: { model: 'scripted/one', store: true, messages: [{ role: 'user', content: 'Hello?' }] } });
    (await server.models.call()).finish();
    expect((await completed).status).toBe(200);
    expect(await ask(ann, {}, key)).toMatchObject({ status: 409, json: { error: { message: 'This idempotency key was used for another message.' } } });
  });
});

describe('What a response repeats', () => {
  it('is kept up to a bound: a set of tools that is too long is left out', async () => {
    const tools = Array.from({ length: 20 }, (_, at) => ({ type: 'function', name: `tool_${at}`, description: 'x'.repeat(4000), parameters: { type: 'object' } }));
    const made = await responseOf(ann, { tools, metadata: { a: 'b' } });
    expect(made).toMatchObject({ tools: [], metadata: { a: 'b' } });
    expect((await server.request('GET', `/v1/responses/${made.id}`, { as: ann })).json).toMatchObject({ tools: [], metadata: { a: 'b' }, output: made.output });
  });
});

describe('A budget', () => {
  it('is told with each response, and refuses before anything is kept', async () => {
    const dora = await server.user('dora');
    const budget = (fields: object) => server.request('PUT', `/api/v1/chat/budgets/users/${dora.userId}/day`, { as: ann, body: fields });
    await budget({ requests: 5 });
    for (const body of [{}, { stream: true }, { store: false }]) {
      const asked = ask(dora, body);
      (await server.models.call()).finish();
      expect((await asked).headers.get('x-budget-limit-requests')).toBe('5');
    }
    const completed = server.request('POST', '/v1/completions', { as: dora, body: { model: 'scripted/one', prompt: 'Hello?', stream: true } });
    (await server.models.call()).finish();
    expect((await completed).headers.get('x-budget-remaining-requests')).toBe('1');
    await budget({ requests: 1 });
    for (const body of [{}, { stream: true }, { background: true }, { store: false }]) {
      const { status, json } = await ask(dora, body);
      expect([status, json.error.code]).toEqual([429, 'insufficient_quota']);
    }
    expect((await server.request('GET', '/api/v1/chat/chats', { as: dora })).json).toHaveLength(2);
  });
});

describe('A credential that ends', () => {
  const signIn = async (): Promise<{ headers: Record<string, string>; end: () => Promise<unknown> }> => {
    const { json } = await server.request('POST', '/api/auth/login', { body: ann });
    const headers = { authorization: `Bearer ${json.access_token}` };
    return { headers, end: () => server.request('POST', '/api/auth/logout', { headers }) };
  };

  it.each([[true], [false]])('ends the stream it was opened with (store: %s)', async (store) => {
    const { headers, end } = await signIn();
    const asked = fetch(`${server.url}/v1/responses`, {
      method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify({ model: 'scripted/one', input: 'Hello?', stream: true, store }), signal: AbortSignal.timeout(10_000),
    });
    const call = await server.models.call();
    call.text('before ');
    const reader = (await asked).body!.pipeThrough(new TextDecoderStream()).getReader();
    let seen = await readUntil(reader, 'before');
    await end();
    for (let part = await reader.read(); !part.done; part = await reader.read()) seen += part.value;
    const [type, data] = seen.trim().split('\n\n').at(-1)!.split('\n');
    expect([type, JSON.parse(data!.slice('data: '.length))]).toMatchObject(['event: error', { type: 'error', code: 'invalid_api_key', error: { code: 'invalid_api_key' } }]);
    expect(call.signal.aborted).toBe(!store);
    call.finish();
  });

  it.each([[true], [false]])('is answered with 401 where nothing was sent yet (store: %s)', async (store) => {
    const { headers, end } = await signIn();
    const asked = ask(undefined, { store }, headers);
    const call = await server.models.call();
    await end();
    const { status, json } = await asked;
    expect([status, json.error.code]).toEqual([401, 'invalid_api_key']);
    call.finish();
  });

  it('ends a stream that follows a stored response', async () => {
    const { headers, end } = await signIn();
    const { id } = (await ask(ann, { background: true })).json;
    const call = await server.models.call();
    const followed = fetch(`${server.url}/v1/responses/${id}?stream=true`, { headers, signal: AbortSignal.timeout(10_000) });
    const reader = (await followed).body!.pipeThrough(new TextDecoderStream()).getReader();
    let seen = await readUntil(reader, 'response.queued');
    await end();
    for (let part = await reader.read(); !part.done; part = await reader.read()) seen += part.value;
    expect(seen).toContain('event: error');
    expect(call.signal.aborted).toBe(false);
    call.finish();
  });
});
