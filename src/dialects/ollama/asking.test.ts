import { Ollama, type ChatResponse, type GenerateResponse } from 'ollama';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptedModel, startTestServer, type Json, type TestServer } from '../testing.ts';

let server: TestServer;
let ollama: Ollama;
beforeAll(async () => {
  server = await startTestServer({ settings: { OLLAMA_API_PORT: '0' } });
  ollama = new Ollama({ host: server.ollamaUrl });
});
afterAll(() => server.stop());

const messages = [{ role: 'user', content: 'Hello?' }];
/** A picture of one pixel. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==';

/** A call over plain HTTP, whole unless the body says otherwise. */
const post = (path: string, body: Json, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.ollamaUrl + path, { method: 'POST', headers, body: JSON.stringify({ stream: false, ...body }) });

/** Every line of a streamed answer. */
const linesOf = async (answer: Response): Promise<Json[]> => (await answer.text()).trimEnd().split('\n').map((line) => JSON.parse(line));

describe('A chat with the ollama package', () => {
  it('answers whole, with the figures that were measured and no others', async () => {
    const asked = ollama.chat({ model: 'one', messages });
    const call = await server.models.call();
    expect(call.request).toMatchObject({ messages, whole: true });
    call.text('Hi ');
    call.text('there.');
    call.finish();
    expect(await asked).toEqual({
      model: 'one:latest', created_at: expect.stringMatching(/^\d{4}-.*Z$/), message: { role: 'assistant', content: 'Hi there.' }, done: true, done_reason: 'stop',
      total_duration: expect.any(Number), eval_duration: expect.any(Number), prompt_eval_count: 7, eval_count: 3,
    });
  });

  it('streams each piece as it comes', async () => {
    const asked = ollama.chat({ model: 'one:latest', messages, stream: true });
    const call = await server.models.call();
    expect(call.request.whole).toBe(false);
    call.text('Hi ');
    const pieces = (await asked)[Symbol.asyncIterator]();
    const next = async (): Promise<ChatResponse> => (await pieces.next()).value as ChatResponse;
    expect(await next()).toEqual({ model: 'one:latest', created_at: expect.any(String), message: { role: 'assistant', content: 'Hi ' }, done: false });
    call.text('"there" \u{1f600}\n');
    expect((await next()).message.content).toBe('"there" \u{1f600}\n');
    call.finish();
    const last = await next();
    expect(last).toMatchObject({ message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', prompt_eval_count: 7, eval_count: 3 });
    expect(last.total_duration).toBeGreaterThanOrEqual(last.eval_duration);
    expect((await pieces.next()).done).toBe(true);
  });

  it('gives the speed of no answer that came at once', async () => {
    const asked = ollama.chat({ model: 'one', messages });
    (await server.models.call()).say({ type: 'text', text: 'All of it.' }, { type: 'finish', reason: 'length' });
    const answer = await asked;
    expect(Object.keys(answer).sort()).toEqual(['created_at', 'done', 'done_reason', 'message', 'model', 'total_duration']);
    expect(answer.done_reason).toBe('length');
  });

  it('stops the model when the client goes away', async () => {
    const asked = ollama.chat({ model: 'one', messages, stream: true });
    const call = await server.models.call();
    call.text('Hi ');
    const stream = await asked;
    await expect((async () => {
      for await (const piece of stream) if (piece.message.content === 'Hi ') stream.abort();
    })()).rejects.toThrow(/abort/i);
    if (!call.signal.aborted) await new Promise((resolve) => call.signal.addEventListener('abort', resolve, { once: true }));
  });

  it('hands its options on, and leaves what means "the model\'s own" to the model', async () => {
    const asked = ollama.chat({
      model: 'one', messages, keep_alive: '5m',
      options: { num_predict: 50, temperature: 0.5, top_k: 20, top_p: 0.9, min_p: 0.1, seed: 7, stop: ['END'], repeat_penalty: 1.1, presence_penalty: -0.1, frequency_penalty: 0.1, num_ctx: 1024, mirostat: 1, num_gpu: 1 },
    });
    const call = await server.models.call();
    expect(call.request).toEqual({
      messages, whole: true, maxTokens: 50, temperature: 0.5, topK: 20, topP: 0.9, minP: 0.1, seed: 7, stop: ['END'], repeatPenalty: 1.1, presencePenalty: -0.1, frequencyPenalty: 0.1,
    });
    call.finish();
    await asked;
    const plain = ollama.chat({ model: 'one', messages, options: { num_predict: -1, top_k: 0, seed: -1, stop: [] } });
    const second = await server.models.call();
    expect(second.request).toEqual({ messages, whole: true });
    second.finish();
    await plain;
  });

  it('asks for JSON, and for the form of a schema', async () => {
    const schema = { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] };
    for (const [format, responseFormat] of [['json', { type: 'json_object' }], [schema, { type: 'json_schema', name: 'answer', schema }]] as const) {
      const asked = ollama.chat({ model: 'one', messages, format });
      const call = await server.models.call();
      expect(call.request.responseFormat).toEqual(responseFormat);
      call.text('{"age":22}');
      call.finish();
      expect((await asked).message.content).toBe('{"age":22}');
    }
  });

  it('shows what a model thinks, unless it is not wanted', async () => {
    const say = async (think: boolean | 'low' | undefined) => {
      const asked = ollama.chat({ model: 'one', messages, think });
      const call = await server.models.call();
      call.say({ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Yes.' });
      call.finish();
      return { effort: call.request.reasoningEffort, message: (await asked).message };
    };
    expect(await say(undefined)).toEqual({ effort: undefined, message: { role: 'assistant', content: 'Yes.', thinking: 'Hm.' } });
    expect(await say(true)).toMatchObject({ effort: undefined, message: { thinking: 'Hm.' } });
    expect(await say('low')).toMatchObject({ effort: 'low', message: { thinking: 'Hm.' } });
    expect(await say(false)).toEqual({ effort: undefined, message: { role: 'assistant', content: 'Yes.' } });
    const { list } = server.models;
    const details = { format: null, architecture: null, parameterSize: null, quantisation: null, licence: null, trainedTokens: null, embeddingLength: null, capabilities: ['thinking' as const], sha256: null };
    server.models.list = async () => [{ ...scriptedModel, details }];
    expect(await say(false), 'a model that is known to think').toMatchObject({ effort: 'none' });
    server.models.list = list;
    const streamed = await linesOf(await (async () => {
      const asked = post('/api/chat', { model: 'one', messages, stream: true });
      const call = await server.models.call();
      call.say({ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Yes.' }, { type: 'finish', reason: 'stop' });
      return asked;
    })());
    expect(streamed.map(({ message }) => message)).toEqual([{ role: 'assistant', content: '', thinking: 'Hm.' }, { role: 'assistant', content: 'Yes.' }, { role: 'assistant', content: '' }]);
  });

  it('sends pictures as the kind they are', async () => {
    const asked = ollama.chat({ model: 'one', messages: [{ role: 'user', content: 'What is this?', images: [Buffer.from(png, 'base64')] }] });
    const call = await server.models.call();
    expect(call.request.messages).toEqual([
      { role: 'user', content: 'What is this?', parts: [{ type: 'text', text: 'What is this?' }, { type: 'image', url: `data:image/png;base64,${png}` }] },
    ]);
    call.finish();
    await asked;
    await expect(ollama.chat({ model: 'one', messages: [{ role: 'user', content: '', images: ['bm8gcGljdHVyZQ=='] }] })).rejects.toThrow('messages[0].images[0] must be a PNG, JPEG, GIF or WebP picture in base64');
  });

  it('gives log-probabilities with the text they are of', async () => {
    const asked = post('/api/chat', { model: 'one', messages, stream: true, logprobs: true, top_logprobs: 1 });
    const call = await server.models.call();
    expect(call.request.logprobs).toEqual({ top: 1 });
    const token = { token: 'Hi', logprob: -0.5, bytes: [72, 105] };
    const figures = { type: 'logprobs' as const, tokens: [{ ...token, top: [token] }] };
    // Some models tell them before their text, others right behind it.
    call.say(figures, { type: 'text', text: 'one' });
    call.say({ type: 'text', text: 'two' }, figures, { type: 'text', text: 'three' });
    call.finish();
    const lines = await linesOf(await asked);
    expect(lines.map(({ message, logprobs }) => [message.content, logprobs])).toEqual([
      ['one', [{ ...token, top_logprobs: [token] }]], ['two', [{ ...token, top_logprobs: [token] }]], ['three', undefined], ['', undefined],
    ]);
  });

  it('names the model that spoke, where another than the one that was asked did', async () => {
    const asked = ollama.chat({ model: 'one', messages });
    (await server.models.call()).say({ type: 'model', model: 'other/two' }, { type: 'text', text: 'Me.' }, { type: 'finish', reason: 'stop' });
    expect((await asked).model).toBe('other/two:latest');
  });
});

describe('Tools', () => {
  const tools = [{ type: 'function', function: { name: 'weather', description: 'Weather of a town', parameters: { type: 'object', properties: { town: { type: 'string' } } } } }];

  it('are offered, called with arguments as an object, and answered', async () => {
    const asked = ollama.chat({ model: 'one', messages, tools });
    const call = await server.models.call();
    expect(call.request.tools).toEqual([{ name: 'weather', description: 'Weather of a town', parameters: tools[0]!.function.parameters }]);
    call.say({ type: 'tool', index: 0, id: 'c1', name: 'weather', arguments: '{"to' }, { type: 'tool', index: 0, arguments: 'wn":"Bern"}' }, { type: 'finish', reason: 'tool' });
    const { message, done_reason: reason } = await asked;
    expect([message, reason]).toEqual([{ role: 'assistant', content: '', tool_calls: [{ id: 'c1', function: { index: 0, name: 'weather', arguments: { town: 'Bern' } } }] }, 'stop']);
    const followed = ollama.chat({ model: 'one', tools, messages: [...messages, message, { role: 'tool', tool_name: 'weather', content: 'Sunny' }] });
    const next = await server.models.call();
    expect(next.request.messages.slice(1)).toEqual([
      { role: 'assistant', content: '', toolCalls: [{ id: 'c1', name: 'weather', arguments: '{"town":"Bern"}' }] },
      { role: 'tool', content: 'Sunny', toolCallId: 'c1' },
    ]);
    next.text('It is sunny.');
    next.finish();
    expect((await followed).message.content).toBe('It is sunny.');
  });

  it('come in one line of a stream, when they are complete', async () => {
    const asked = post('/api/chat', { model: 'one', messages, tools, stream: true });
    const call = await server.models.call();
    call.text('Let me see.');
    call.say({ type: 'tool', index: 0, id: 'c1', name: 'weather', arguments: '{"town":' }, { type: 'tool', index: 1, id: 'c2', name: 'weather', arguments: '' });
    call.say({ type: 'tool', index: 0, arguments: '"Bern"}' });
    call.say({ type: 'finish', reason: 'tool' });
    const lines = await linesOf(await asked);
    expect(lines.map(({ message, done }) => [message.content, message.tool_calls?.map((one: Json) => one.function.arguments), done])).toEqual([
      ['Let me see.', undefined, false], ['', [{ town: 'Bern' }, {}], false], ['', undefined, true],
    ]);
  });

  it('find the call they answer by id, by name or by order, and need one', async () => {
    const calls = (...names: string[]) => ({ role: 'assistant', content: '', tool_calls: names.map((name) => ({ function: { name, arguments: {} } })) });
    const asked = post('/api/chat', { model: 'one', messages: [...messages, calls('a', 'b', 'a'), { role: 'tool', tool_name: 'b', content: '1' }, { role: 'tool', content: '2' }, { role: 'tool', tool_call_id: 'call_2', content: '3' }] });
    const call = await server.models.call();
    expect(call.request.messages.slice(2).map(({ toolCallId, content }) => [toolCallId, content])).toEqual([['call_1', '1'], ['call_0', '2'], ['call_2', '3']]);
    call.finish();
    await asked;
    const refused = await post('/api/chat', { model: 'one', messages: [...messages, { role: 'tool', tool_name: 'a', content: '1' }] });
    expect([refused.status, await refused.json()]).toEqual([400, { error: 'messages[1] of role "tool" answers no tool call before it' }]);
  });

  it('are a fault of the model when their arguments are no object', async () => {
    for (const text of ['{"town"', '[]']) {
      const asked = post('/api/chat', { model: 'one', messages, tools });
      (await server.models.call()).say({ type: 'tool', index: 0, id: 'c', name: 'weather', arguments: text }, { type: 'finish', reason: 'tool' });
      const answer = await asked;
      expect([answer.status, await answer.json()]).toEqual([502, { error: expect.stringContaining('The model called a tool with arguments that are') }]);
    }
  });
});

describe('A prompt', () => {
  it('is answered whole and in pieces, with its system message', async () => {
    const asked = ollama.generate({ model: 'one', system: 'Be kind.', prompt: 'Hello?', options: { temperature: 0 } });
    const call = await server.models.call();
    expect(call.request).toEqual({ messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Hello?' }], temperature: 0, whole: true });
    call.say({ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Hi.' });
    call.finish();
    const whole = await asked;
    expect(whole).toMatchObject({ model: 'one:latest', response: 'Hi.', thinking: 'Hm.', done: true, done_reason: 'stop', eval_count: 3 });
    expect(whole).not.toHaveProperty('context');
    const streamed = ollama.generate({ model: 'one', prompt: 'Hello?', stream: true });
    const next = await server.models.call();
    next.text('Hi ');
    next.text('there.');
    next.finish();
    const pieces: GenerateResponse[] = [];
    for await (const piece of await streamed) pieces.push(piece);
    expect(pieces.map(({ response, done }) => [response, done])).toEqual([['Hi ', false], ['there.', false], ['', true]]);
  });

  it('that would need the bare model behind its template is refused', async () => {
    for (const [field, words] of [[{ raw: true }, 'raw is not'], [{ template: '{{ .Prompt }}' }, 'template is not'], [{ suffix: 'end' }, 'does not support insert'], [{ context: [1, 2] }, 'context is not']] as const) {
      await expect(ollama.generate({ model: 'one', prompt: 'x', ...field, context: 'context' in field ? [...field.context] : [] })).rejects.toMatchObject({ status_code: 400, message: expect.stringContaining(words) });
    }
  });
});

describe('Asking nothing', () => {
  it('says that the model is there, or that it is not in memory', async () => {
    const empty = { model: 'one:latest', created_at: expect.any(String), done: true };
    expect(await ollama.generate({ model: 'one', prompt: '' })).toEqual({ ...empty, response: '', done_reason: 'load' });
    expect(await ollama.chat({ model: 'one' })).toEqual({ ...empty, message: { role: 'assistant', content: '' }, done_reason: 'load' });
    for (const keepAlive of [0, '0', '0s']) expect(await ollama.generate({ model: 'one', prompt: '', keep_alive: keepAlive })).toMatchObject({ done_reason: 'unload' });
    await expect(ollama.generate({ model: 'missing', prompt: '' })).rejects.toMatchObject({ status_code: 404 });
  });

  it('cannot send a model away that is in memory', async () => {
    const loaded = { id: 'scripted/one', provider: 'scripted', model: 'one', sizeBytes: 1000, gpuBytes: 0, contextLength: 100, loadedAt: 1, lastUsedAt: 2, expiresAt: null };
    server.models.loaded = () => [loaded];
    try {
      await expect(ollama.generate({ model: 'one', prompt: '', keep_alive: 0 })).rejects.toMatchObject({ status_code: 501 });
    } finally {
      server.models.loaded = () => [];
    }
  });
});

describe('Failures', () => {
  it('have their status and Ollama\'s words before the first piece', async () => {
    await expect(ollama.chat({ model: 'missing', messages })).rejects.toMatchObject({ status_code: 404, message: 'model "missing" not found, try pulling it first' });
    await expect(ollama.chat({ model: '', messages })).rejects.toMatchObject({ status_code: 400, message: 'model is required' });
    await expect(ollama.chat({ model: 'one', messages: [{ role: 'robot', content: '' }] })).rejects.toMatchObject({ status_code: 400, message: expect.stringContaining('messages.0.role: must be one of') });
    for (const stream of [true, false] as const) {
      const asked = post('/api/chat', { model: 'one', messages, stream });
      (await server.models.call()).say({ type: 'error', error: { code: 'rate_limited', message: 'Slow down.', retryAfterMs: 3000, serviceFault: false } });
      const answer = await asked;
      expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toEqual([429, '3', { error: 'Slow down.' }]);
    }
  });

  it('are the last line of a stream after that', async () => {
    const asked = ollama.chat({ model: 'one', messages, stream: true });
    const call = await server.models.call();
    call.text('Hi');
    call.say({ type: 'error', error: { code: 'provider_error', message: 'It broke.', serviceFault: true } });
    const said: string[] = [];
    await expect((async () => {
      for await (const piece of await asked) said.push(piece.message.content);
    })()).rejects.toThrow('It broke.');
    expect(said).toEqual(['Hi']);
  });

  it('of the inside show nothing of it', async () => {
    const asked = post('/api/chat', { model: 'one', messages, stream: true });
    const call = await server.models.call();
    call.text('Hi');
    call.throw(new Error('a secret of the inside'));
    expect((await linesOf(await asked)).at(-1)).toEqual({ error: 'Internal server error' });
  });
});

describe('What is kept', () => {
  it('is a row of what was used, and nothing else', async () => {
    server.models.answerWith(['Fine.']);
    await ollama.chat({ model: 'one', messages: [{ role: 'user', content: 'A question nobody keeps' }] });
    server.models.answerWith(null);
    const { storage } = server.parts;
    const question = storage.read.selectFrom('usage').selectAll().where('dialect', '=', 'ollama').orderBy('created_at', 'desc');
    // Rows are written in groups, behind the answers.
    await expect.poll(() => question.executeTakeFirst()).toMatchObject({ dialect: 'ollama', kind: 'chat', model: 'scripted/one' });
    expect(await storage.read.selectFrom('messages').select('id').execute()).toEqual([]);
  });
});

describe('Vectors', () => {
  it('come for one text and for many', async () => {
    expect(await ollama.embed({ model: 'one', input: ['a', 'b'], truncate: true })).toEqual({ model: 'one:latest', embeddings: [[1, 0], [1, 0]], total_duration: expect.any(Number), prompt_eval_count: 2 });
    expect((await ollama.embed({ model: 'one', input: 'a' })).embeddings).toEqual([[1, 0]]);
    expect(await ollama.embed({ model: 'one', input: [] })).toEqual({ model: 'one:latest', embeddings: [] });
    expect(await ollama.embeddings({ model: 'one', prompt: 'a' })).toEqual({ embedding: [1, 0] });
    await expect(ollama.embed({ model: 'one', input: 'fail' })).rejects.toMatchObject({ status_code: 502 });
    await expect(ollama.embed({ model: 'missing', input: 'a' })).rejects.toMatchObject({ status_code: 404 });
  });

  it('have length 1 at /api/embed, and are as the model gives them at the older address', async () => {
    const { embed } = server.models;
    server.models.embed = async () => ({ vectors: [Float32Array.of(3, 4)], tokensIn: null });
    try {
      const answer = await ollama.embed({ model: 'one', input: 'a' });
      expect(answer.embeddings[0]!.map((value) => Math.round(value * 1e6) / 1e6)).toEqual([0.6, 0.8]);
      expect(answer).not.toHaveProperty('prompt_eval_count');
      expect((await ollama.embeddings({ model: 'one', prompt: 'a' })).embedding).toEqual([3, 4]);
    } finally {
      server.models.embed = embed;
    }
  });
});
