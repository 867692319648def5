import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText, tool } from 'ai';
import { z } from 'zod';
import { startTestServer, type Json, type TestServer } from '../testing.ts';
import { readUntil } from '../../../test/read-until.ts';
import { whitePng } from '../../../test/stand-in/index.ts';

let server: TestServer;
let openai: OpenAI;
beforeAll(async () => {
  server = await startTestServer();
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local', maxRetries: 0 });
});
afterAll(() => server.stop());

const messages = [{ role: 'user' as const, content: 'Hello?' }];

describe('The openai package', () => {
  it('gets a whole answer with its usage', async () => {
    const asked = openai.chat.completions.create({ model: 'scripted/one', messages, temperature: 0.5, top_p: 0.9, max_tokens: 50, stop: 'END', seed: 7, frequency_penalty: 0.1, presence_penalty: -0.1 });
    const call = await server.models.call();
    expect(call.request).toMatchObject({ messages, temperature: 0.5, topP: 0.9, maxTokens: 50, stop: ['END'], seed: 7, frequencyPenalty: 0.1, presencePenalty: -0.1 });
    call.text('Hi ');
    call.text('there.');
    call.finish();
    expect(await asked).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/), object: 'chat.completion', created: expect.any(Number), model: 'scripted/one',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi there.', refusal: null } }],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    });
  });

  it('streams: the role first, then each piece as it comes, the finish, and the usage when asked for', async () => {
    const asked = openai.chat.completions.create({ model: 'scripted/one', messages, stream: true, stream_options: { include_usage: true } });
    const call = await server.models.call();
    call.text('Hi ');
    const chunks = (await asked)[Symbol.asyncIterator]();
    const next = async () => (await chunks.next()).value;
    expect(await next()).toMatchObject({ object: 'chat.completion.chunk', model: 'scripted/one', choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }], usage: null });
    expect((await next()).choices[0].delta).toEqual({ content: 'Hi ' });
    call.text('"there" \u{1f600}\n');
    expect((await next()).choices[0].delta).toEqual({ content: '"there" \u{1f600}\n' });
    call.finish();
    expect((await next()).choices[0]).toEqual({ index: 0, delta: {}, finish_reason: 'stop' });
    expect(await next()).toMatchObject({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } });
    expect((await chunks.next()).done).toBe(true);
  });

  it('passes tools, and gives their calls back in pieces', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'weather', description: 'Weather of a town', parameters: { type: 'object', properties: { town: { type: 'string' } } } } }];
    const asked = openai.chat.completions.create({ model: 'scripted/one', messages, tools, tool_choice: { type: 'function', function: { name: 'weather' } } });
    const call = await server.models.call();
    expect(call.request).toMatchObject({ tools: [{ name: 'weather', parameters: { type: 'object' } }], toolChoice: { name: 'weather' } });
    call.say({ type: 'tool', index: 0, id: 'call_1', name: 'weather', arguments: '{"to' }, { type: 'tool', index: 0, arguments: 'wn":"Bern"}' }, { type: 'finish', reason: 'tool' });
    const { choices } = await asked;
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"town":"Bern"}' } }] } });
    const followed = openai.chat.completions.create({
      model: 'scripted/one', tools,
      messages: [...messages, choices[0]!.message, { role: 'tool', tool_call_id: 'call_1', content: 'Sunny' }],
    });
    const next = await server.models.call();
    expect(next.request.messages.slice(1)).toEqual([
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_1', name: 'weather', arguments: '{"town":"Bern"}' }] },
      { role: 'tool', content: 'Sunny', toolCallId: 'call_1' },
    ]);
    next.text('It is sunny.');
    next.finish();
    expect((await followed).choices[0]!.message.content).toBe('It is sunny.');
  });

  it('gets errors as the classes it knows', async () => {
    await expect(openai.chat.completions.create({ model: 'missing', messages })).rejects.toMatchObject({ constructor: OpenAI.NotFoundError, status: 404, code: 'model_not_found', param: 'model' });
    await expect(openai.chat.completions.create({ model: 'scripted/one', messages, modalities: ['audio'] })).rejects.toMatchObject({ constructor: OpenAI.BadRequestError, code: 'unsupported_value', param: 'modalities' });
    await expect(openai.chat.completions.create({ model: 'scripted/one', messages, temperature: 3 })).rejects.toMatchObject({ status: 400, param: 'temperature', type: 'invalid_request_error' });
    const sound = [{ role: 'user' as const, content: [{ type: 'input_audio' as const, input_audio: { data: 'AAAA', format: 'wav' as const } }] }];
    await expect(openai.chat.completions.create({ model: 'scripted/one', messages: sound })).rejects.toMatchObject({ status: 400, code: 'unsupported_value', param: 'messages[0].content[0]' });
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'sk-wrong', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toMatchObject({ constructor: OpenAI.AuthenticationError, status: 401, code: 'invalid_api_key' });
  });

  it('gets the error of the model: with its status before the first piece, inside the stream after it', async () => {
    const quota = { type: 'error' as const, error: { code: 'quota_exceeded' as const, message: 'Used up.', serviceFault: false } };
    const asked = openai.chat.completions.create({ model: 'scripted/one', messages, stream: true });
    (await server.models.call()).say(quota);
    await expect(asked).rejects.toMatchObject({ status: 429, code: 'insufficient_quota', type: 'insufficient_quota' });
    const begun = openai.chat.completions.create({ model: 'scripted/one', messages, stream: true });
    const call = await server.models.call();
    call.text('Hi');
    const stream = await begun;
    call.say(quota);
    const texts: unknown[] = [];
    await expect((async () => { for await (const chunk of stream) texts.push(chunk.choices[0]?.delta.content); })()).rejects.toMatchObject({ code: 'insufficient_quota' });
    expect(texts).toEqual(['', 'Hi']);
  });

  it('stops the model when it goes away', async () => {
    const abort = new AbortController();
    const asked = openai.chat.completions.create({ model: 'scripted/one', messages, stream: true }, { signal: abort.signal });
    const call = await server.models.call();
    call.text('Hi');
    await asked;
    const stopped = new Promise((resolve) => call.signal.addEventListener('abort', resolve));
    abort.abort();
    await stopped;
    const whole = openai.chat.completions.create({ model: 'scripted/one', messages }, { signal: AbortSignal.timeout(50) }).catch((error: unknown) => error);
    const second = await server.models.call();
    await whole;
    if (!second.signal.aborted) await new Promise((resolve) => second.signal.addEventListener('abort', resolve));
  });

  it('lists models and finds one whose id holds a slash', async () => {
    const listed = await openai.models.list();
    expect(listed.data).toEqual([{ id: 'scripted/one', object: 'model', created: 0, owned_by: 'scripted' }]);
    expect(await openai.models.retrieve('scripted/one')).toMatchObject({ id: 'scripted/one' });
    expect((await server.request('GET', '/v1/models/scripted/one')).json).toMatchObject({ id: 'scripted/one' });
    await expect(openai.models.retrieve('scripted/none')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('embeds, in both encodings', async () => {
    const vectors = [Float32Array.of(0.25, -1), Float32Array.of(3, 0.5)];
    const embed = server.models.embed;
    server.models.embed = async (_target, texts) => ({ vectors: vectors.slice(0, texts.length), tokensIn: 4 });
    try {
      const answer = await openai.embeddings.create({ model: 'scripted/one', input: ['one', 'two'] });
      expect(answer.data.map((item) => item.embedding)).toEqual([[0.25, -1], [3, 0.5]]);
      expect(answer.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
      const single = await openai.embeddings.create({ model: 'scripted/one', input: 'one', encoding_format: 'float' });
      expect(single.data).toEqual([{ object: 'embedding', index: 0, embedding: [0.25, -1] }]);
      await expect(openai.embeddings.create({ model: 'scripted/one', input: [1, 2, 3] })).rejects.toMatchObject({ status: 400, code: 'unsupported_value' });
    } finally {
      server.models.embed = embed;
    }
  });
});

describe('Kept answers (store)', () => {
  const chats = async (): Promise<Json[]> => (await server.request('GET', '/api/v1/chat/chats', { as: await server.user('ann') })).json;
  const keep = async (history: { role: 'user' | 'assistant' | 'system'; content: string }[], words: string): Promise<OpenAI.ChatCompletion> => {
    const key = await server.user('ann');
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key.token, maxRetries: 0 });
    const asked = client.chat.completions.create({ model: 'scripted/one', messages: history, store: true });
    const call = await server.models.call();
    call.text(words);
    call.finish();
    return asked;
  };

  it('makes a conversation, and joins it when its path is sent back', async () => {
    const system = { role: 'system' as const, content: 'Be brief.' };
    const first = await keep([system, { role: 'user', content: 'One?' }], 'One.');
    const after = await chats();
    expect(first.choices[0]!.message.content).toBe('One.');
    const history = [system, { role: 'user' as const, content: 'One?' }, { role: 'assistant' as const, content: 'One.' }];
    const second = await keep([...history, { role: 'user', content: 'Two?' }], 'Two.');
    const now = await chats();
    expect(now).toHaveLength(after.length);
    expect(now[0].message_count).toBe(4);
    const whole = await server.request('GET', `/api/v1/chat/chats/${now[0].id}`, { as: await server.user('ann') });
    expect(whole.json.messages.map((message: Json) => message.content)).toEqual(['One?', 'One.', 'Two?', 'Two.']);
    expect(second.id).toBe(`chatcmpl-${whole.json.messages[3].id}`);
    await keep([{ role: 'user', content: 'Another path' }], 'Yes.');
    expect(await chats()).toHaveLength(after.length + 1);
  });

  it('goes on when the client goes away', async () => {
    const user = await server.user('ann');
    const abort = new AbortController();
    const asked = fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST', signal: abort.signal, headers: { ...user.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'scripted/one', store: true, stream: true, messages: [{ role: 'user', content: 'Stay?' }] }),
    });
    const call = await server.models.call();
    call.text('I ');
    const reader = (await asked).body!.getReader();
    await reader.read();
    abort.abort();
    await reader.closed.catch(() => undefined);
    call.text('stay.');
    call.finish();
    const [chat] = await chats();
    for (;;) {
      const { json } = await server.request('GET', `/api/v1/chat/chats/${chat.id}`, { as: user });
      if (json.messages[1].status === 'PROCESSING') continue;
      expect(json.messages[1]).toMatchObject({ status: 'DELIVERED', content: 'I stay.' });
      break;
    }
    expect(call.signal.aborted).toBe(false);
  });

  it('needs a question at the end', async () => {
    const answer = await server.request('POST', '/v1/chat/completions', { body: { model: 'scripted/one', store: true, messages: [{ role: 'assistant', content: 'x' }] } });
    expect([answer.status, answer.json.error.param]).toEqual([400, 'store']);
    const image = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }];
    const refused = await server.request('POST', '/v1/chat/completions', { body: { model: 'scripted/one', store: true, messages: image } });
    expect([refused.status, refused.json.error]).toMatchObject([400, { type: 'invalid_request_error', message: expect.stringMatching(/PNG, JPEG, GIF or WebP/) }]);
  });

  it('keeps pictures, and goes on with the conversation that holds them', async () => {
    const user = await server.user('pat');
    const picture = `data:image/png;base64,${whitePng(1, 1).toString('base64')}`;
    const content = [{ type: 'image_url', image_url: { url: picture, detail: 'low' } }, { type: 'text', text: 'What is this?' }];
    const post = async (messages: object[]) => {
      const answered = server.request('POST', '/v1/chat/completions', { as: user, body: { model: 'scripted/one', store: true, messages } });
      const call = await server.models.call();
      call.text('A dot.');
      call.finish();
      expect((await answered).status).toBe(200);
      return call.request.messages;
    };
    await post([{ role: 'user', content }]);
    const [first] = await post([{ role: 'user', content }, { role: 'assistant', content: 'A dot.' }, { role: 'user', content: 'And now?' }]);
    expect(first!.parts).toEqual([{ type: 'image', url: picture, detail: 'low' }, { type: 'text', text: 'What is this?' }]);
    const { json } = await server.request('GET', '/api/v1/chat/chats', { as: user });
    expect(json).toMatchObject([{ message_count: 4 }]);
  });

  it('keeps turns of tools: results join the conversation that asked for them', async () => {
    const user = await server.user('ann');
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: user.token, maxRetries: 0 });
    const ask = (history: OpenAI.ChatCompletionMessageParam[]) => client.chat.completions.create({ model: 'scripted/one', store: true, messages: history, metadata: { topic: 'weather' } });
    const history: OpenAI.ChatCompletionMessageParam[] = [{ role: 'system', content: 'Use tools.' }, { role: 'user', content: 'Weather in Bern and Graz?' }];
    const asked = ask(history);
    const call = await server.models.call();
    call.say({ type: 'tool', index: 0, id: 'call_a', name: 'weather', arguments: '{"town":"Bern"}' }, { type: 'tool', index: 1, id: 'call_b', name: 'weather', arguments: '{"town":"Graz"}' }, { type: 'finish', reason: 'tool' });
    const message = (await asked).choices[0]!.message;
    const count = (await chats()).length;
    const results: OpenAI.ChatCompletionMessageParam[] = [{ role: 'tool', tool_call_id: 'call_a', content: 'Sun' }, { role: 'tool', tool_call_id: 'call_b', content: '' }];
    const followed = ask([...history, message, ...results]);
    const next = await server.models.call();
    expect(next.request.messages.map(({ role, content, toolCallId }) => [role, content, toolCallId])).toEqual([
      ['system', 'Use tools.', undefined], ['user', 'Weather in Bern and Graz?', undefined], ['assistant', '', undefined], ['tool', 'Sun', 'call_a'], ['tool', '', 'call_b'],
    ]);
    next.text('Sunny in Bern.');
    next.finish();
    const answer = await followed;
    expect(answer).toMatchObject({ choices: [{ message: { content: 'Sunny in Bern.' } }], metadata: { topic: 'weather' } });
    expect(await chats()).toHaveLength(count);

    const stored = await client.chat.completions.retrieve(answer.id);
    expect(stored).toMatchObject({ id: answer.id, object: 'chat.completion', model: 'scripted/one', choices: [{ message: { content: 'Sunny in Bern.' }, finish_reason: 'stop' }], usage: { total_tokens: 10 }, metadata: { topic: 'weather' } });
    const listed = await Array.fromAsync(client.chat.completions.messages.list(answer.id, { limit: 2 }));
    expect(listed.map(({ role, content }) => [role, content])).toEqual([['system', 'Use tools.'], ['user', 'Weather in Bern and Graz?'], ['assistant', ''], ['tool', 'Sun'], ['tool', '']]);
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: (await server.user('stranger')).token, maxRetries: 0 });
    for (const reach of [stranger.chat.completions.retrieve(answer.id), stranger.chat.completions.delete(answer.id), stranger.chat.completions.messages.list(answer.id)]) {
      await expect(reach).rejects.toMatchObject({ status: expect.toSatisfy((status: number) => status === 403 || status === 404) as number });
    }
    expect(await client.chat.completions.delete(answer.id)).toEqual({ id: answer.id, object: 'chat.completion.deleted', deleted: true });
    await expect(client.chat.completions.retrieve(answer.id)).rejects.toMatchObject({ status: 404 });
    await expect(client.chat.completions.retrieve('chatcmpl-none')).rejects.toMatchObject({ status: 404, param: 'completion_id' });
  });

  it('names the model that really spoke, from the first chunk on', async () => {
    const history = [{ role: 'user' as const, content: 'Who speaks?' }];
    const asked = openai.chat.completions.create({ model: 'scripted/one', messages: history, store: true, stream: true });
    const call = await server.models.call();
    call.say({ type: 'model', model: 'scripted/two' }, { type: 'text', text: 'Two.' });
    call.finish();
    const chunks = await Array.fromAsync(await asked);
    expect(chunks.map((chunk) => [chunk.model, chunk.choices[0]!.delta.content])).toEqual([['scripted/two', ''], ['scripted/two', 'Two.'], ['scripted/two', undefined]]);
    const whole = openai.chat.completions.create({ model: 'scripted/one', messages: history, store: true });
    const second = await server.models.call();
    second.say({ type: 'model', model: 'scripted/two' }, { type: 'text', text: 'Two.' });
    second.finish();
    expect((await whole).model).toBe('scripted/two');
  });

  it.each([true, false])('says when trying again makes sense (stream: %s)', async (stream) => {
    const asked = server.request('POST', '/v1/chat/completions', { body: { model: 'scripted/one', store: true, stream, messages } });
    (await server.models.call()).say({ type: 'error', error: { code: 'rate_limited', message: 'Later.', retryAfterMs: 7000, serviceFault: false } });
    const { status, headers } = await asked;
    expect([status, headers.get('retry-after')]).toEqual([429, '7']);
  });
});

describe('A credential that ends', () => {
  const signIn = async (): Promise<{ headers: Record<string, string>; end: () => Promise<unknown> }> => {
    const { json } = await server.request('POST', '/api/auth/login', { body: await server.user('ann') });
    const headers = { authorization: `Bearer ${json.access_token}` };
    return { headers, end: () => server.request('POST', '/api/auth/logout', { headers }) };
  };
  const ask = (headers: Record<string, string>, body: object) => server.request('POST', '/v1/chat/completions', { headers, body: { model: 'scripted/one', messages, ...body } });

  it.each([[false], [true]])('ends the stream it was opened with, and says so (store: %s)', async (store) => {
    const { headers, end } = await signIn();
    const asked = fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify({ model: 'scripted/one', messages, stream: true, store }),
      signal: AbortSignal.timeout(10_000),
    });
    const call = await server.models.call();
    call.text('before ');
    const reader = (await asked).body!.pipeThrough(new TextDecoderStream()).getReader();
    let seen = await readUntil(reader, 'before');
    await end();
    for (let part = await reader.read(); !part.done; part = await reader.read()) seen += part.value;
    expect(JSON.parse(seen.trim().split('\n\n').at(-1)!.slice('data: '.length))).toMatchObject({ error: { code: 'invalid_api_key' } });
    // An answer that is not kept ends with it; a kept one goes on.
    expect(call.signal.aborted).toBe(!store);
    call.finish();
  });

  it.each([{ stream: false, store: false }, { stream: false, store: true }, { stream: true, store: false }, { stream: true, store: true }])(
    'is answered with 401 where nothing was sent yet: %j', async (kind) => {
      const { headers, end } = await signIn();
      const asked = ask(headers, kind);
      const call = await server.models.call();
      await end();
      const { status, json } = await asked;
      expect([status, json.error.code]).toEqual([401, 'invalid_api_key']);
      call.finish();
    });

  it('ends nothing that another one opened', async () => {
    const [mine, other] = [await signIn(), await signIn()];
    const asked = ask(mine.headers, {});
    const call = await server.models.call();
    await other.end();
    call.text('Still here.');
    call.finish();
    expect((await asked).json.choices[0].message.content).toBe('Still here.');
  });
});

describe('The AI SDK', () => {
  const provider = () => createOpenAICompatible({ name: 'parley', baseURL: `${server.url}/v1`, includeUsage: true });

  it('streams text and usage', async () => {
    const result = streamText({ model: provider()('scripted/one'), prompt: 'Hello?', maxRetries: 0 });
    const text = (async () => { let all = ''; for await (const piece of result.textStream) all += piece; return all; })();
    const call = await server.models.call();
    for (const word of ['Hi ', 'there', '.']) call.text(word);
    call.finish();
    expect(await text).toBe('Hi there.');
    expect(await result.finishReason).toBe('stop');
    expect(await result.usage).toMatchObject({ inputTokens: 7, outputTokens: 3 });
  });

  it('calls tools', async () => {
    const generated = generateText({
      model: provider()('scripted/one'), prompt: 'Weather?', maxRetries: 0,
      tools: { weather: tool({ description: 'Weather', inputSchema: z.object({ town: z.string() }) }) },
    });
    const call = await server.models.call();
    expect(call.request.tools).toMatchObject([{ name: 'weather' }]);
    call.say({ type: 'tool', index: 0, id: 'call_1', name: 'weather', arguments: '{"town":"Bern"}' }, { type: 'finish', reason: 'tool' });
    expect((await generated).toolCalls).toMatchObject([{ toolName: 'weather', input: { town: 'Bern' } }]);
  });
});

describe('Addresses of OpenAI that are not here', () => {
  it.each([
    ['POST', '/v1/responses/compact', 501, 'not_implemented'], ['GET', '/v1/files/abc', 501, 'not_implemented'], ['POST', '/v1/audio/speech', 501, 'not_implemented'],
    ['GET', '/v1/nothing', 404, 'unknown_url'], ['PUT', '/v1/chat/completions', 405, 'method_not_allowed'],
  ])('%s %s answers %i', async (method, path, status, code) => {
    const answer = await server.request(method, path, method === 'GET' ? {} : { body: {} });
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
  });
});
