import OpenAI from 'openai';
import type { ChatCompletionCreateParamsNonStreaming as Params } from 'openai/resources/chat/completions';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ScriptedCall } from '../../core/conversations/testing.ts';
import type { ReplyEvent } from '../../core/models/index.ts';
import { startTestServer, type Json, type TestServer } from '../testing.ts';

let server: TestServer;
let openai: OpenAI;
beforeAll(async () => {
  server = await startTestServer();
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local', maxRetries: 0 });
});
afterAll(() => server.stop());

const messages = [{ role: 'user' as const, content: 'Hello?' }];
const base: Params = { model: 'scripted/one', messages };
const stop: ReplyEvent = { type: 'finish', reason: 'stop' };

const post = (body: object) => server.request('POST', '/v1/chat/completions', { body: { ...base, ...body } });

/** Asks for a whole answer, and lets the model say this. */
async function whole(more: Partial<Params>, ...events: ReplyEvent[]): Promise<{ answer: OpenAI.ChatCompletion; call: ScriptedCall }> {
  const asked = openai.chat.completions.create({ ...base, ...more });
  const call = await server.models.call();
  call.say(...events);
  return { answer: await asked, call };
}

/** Asks for a stream, and lets the model say this, each batch in a write of its own. */
async function streamed(more: Partial<Params>, ...batches: ReplyEvent[][]): Promise<OpenAI.ChatCompletionChunk[]> {
  const asked = openai.chat.completions.create({ ...base, ...more, stream: true });
  const call = await server.models.call();
  for (const batch of batches) call.say(...batch);
  return Array.fromAsync(await asked);
}

describe('Several choices (n)', () => {
  it('are made side by side, in order, their usage summed', async () => {
    const asked = openai.chat.completions.create({ ...base, n: 3, metadata: { a: 'b' } });
    const calls = [await server.models.call(), await server.models.call(), await server.models.call()];
    expect(calls.map((call) => call.request.whole)).toEqual([true, true, true]);
    for (const at of [2, 0, 1]) calls[at]!.say({ type: 'text', text: `choice ${at}` }, { type: 'usage', usage: { tokensIn: 7, tokensOut: at + 1, tokensCached: 2 } }, stop);
    const answer = await asked;
    expect(answer.choices.map(({ index, message }) => [index, message.content])).toEqual([[0, 'choice 0'], [1, 'choice 1'], [2, 'choice 2']]);
    expect(answer.usage).toEqual({ prompt_tokens: 21, completion_tokens: 6, total_tokens: 27, prompt_tokens_details: { cached_tokens: 6, audio_tokens: 0 } });
  });

  it('are streamed by their index, with one usage and one end', async () => {
    const asked = openai.chat.completions.create({ ...base, n: 2, stream: true, stream_options: { include_usage: true } });
    const [one, two] = [await server.models.call(), await server.models.call()];
    two.text('b');
    one.text('a');
    one.text('A');
    two.finish();
    one.finish();
    const chunks = await Array.fromAsync(await asked);
    const of = (index: number) => chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index);
    for (const [index, text] of [[0, 'aA'], [1, 'b']] as const) {
      expect(of(index)[0]!.delta).toEqual({ role: 'assistant', content: '' });
      expect(of(index).map(({ delta }) => delta.content ?? '').join('')).toBe(text);
      expect(of(index).at(-1)!.finish_reason).toBe('stop');
    }
    expect(chunks.filter(({ usage }) => usage)).toEqual([expect.objectContaining({ choices: [], usage: { prompt_tokens: 14, completion_tokens: 6, total_tokens: 20 } })]);
    expect(chunks.at(-1)!.usage).toBeTruthy();
  });

  it.each([true, false])('fail together: the first that fails ends the others (stream: %s)', async (stream) => {
    const asked = post({ n: 3, stream });
    const calls = [await server.models.call(), await server.models.call(), await server.models.call()];
    calls[1]!.say({ type: 'error', error: { code: 'context_overflow', message: 'Too long.', serviceFault: false } });
    expect(await asked).toMatchObject({ status: 400, json: { error: { code: 'context_length_exceeded', param: 'messages' } } });
    for (const at of [0, 2]) if (!calls[at]!.signal.aborted) await new Promise((resolve) => calls[at]!.signal.addEventListener('abort', resolve));
  });

  it('tell a failure behind the first piece inside the stream, which then ends without [DONE]', async () => {
    const asked = post({ n: 2, stream: true });
    const [one, two] = [await server.models.call(), await server.models.call()];
    one.text('a');
    await new Promise((resolve) => setImmediate(resolve));
    two.say({ type: 'error', error: { code: 'provider_error', message: 'Gone.', serviceFault: true } });
    const { status, text } = await asked;
    const last = text.trim().split('\n\n').at(-1)!;
    if (status === 200) expect(JSON.parse(last.slice('data: '.length))).toMatchObject({ error: { message: 'Gone.', type: 'server_error' } });
    else expect(status).toBe(502);
  });

  it.each([[true], [false]])('hold nothing of a budget that has no room for all of them (stream: %s)', async (stream) => {
    const owner = await server.user('ann');
    const eve = await server.user('eve');
    await server.request('PUT', `/api/v1/chat/budgets/users/${eve.userId}/day`, { as: owner, body: { requests: 2 } });
    expect(await server.request('POST', '/v1/chat/completions', { as: eve, body: { ...base, n: 3, stream } })).toMatchObject({ status: 429, json: { error: { code: 'insufficient_quota' } } });
    await vi.waitFor(async () => {
      expect((await server.request('GET', '/api/v1/chat/budgets', { as: eve })).json.budgets).toMatchObject([{ reserved: { requests: 0 } }]);
    }, 5000);
  });

  it('are at most 16, and one where they are kept', async () => {
    const asked = post({ n: 16 });
    for (let index = 0; index < 16; index += 1) (await server.models.call()).finish();
    expect((await asked).json.choices).toHaveLength(16);
    expect(await post({ n: 17 })).toMatchObject({ status: 400, json: { error: { param: 'n' } } });
    expect(await post({ n: 2, store: true })).toMatchObject({ status: 400, json: { error: { param: 'n', code: 'unsupported_value' } } });
  });
});

describe('Log-probabilities', () => {
  const tokens = (...words: string[]) => words.map((token, index) => ({ token, logprob: -index - 0.5, bytes: [...Buffer.from(token)], top: [{ token, logprob: -index - 0.5, bytes: null }] }));
  const shown = (...words: string[]) => tokens(...words).map(({ top, ...token }) => ({ ...token, top_logprobs: top }));
  const events: ReplyEvent[] = [{ type: 'text', text: 'Hi' }, { type: 'logprobs', tokens: tokens('Hi') }, { type: 'text', text: ' there' }, { type: 'logprobs', tokens: tokens(' there') }];

  it.each([true, false])('come whole (store: %s)', async (store) => {
    const { answer, call } = await whole({ logprobs: true, top_logprobs: 1, store, messages: [{ role: 'user', content: `Logprobs ${store}?` }] }, ...events, stop);
    expect(call.request.logprobs).toEqual({ top: 1 });
    expect(answer.choices[0]!.logprobs).toEqual({ content: [...shown('Hi'), ...shown(' there')], refusal: null });
  });

  it('come with the piece of text they are of', async () => {
    const chunks = await streamed({ logprobs: true }, events, [stop]);
    const choices = chunks.map(({ choices: [choice] }) => [choice!.delta.content, choice!.logprobs?.content?.map(({ token }) => token)]);
    expect(choices).toEqual([['', undefined], ['Hi', ['Hi']], [' there', [' there']], [undefined, undefined]]);
  });

  it('may stand before their text, and in a batch of their own', async () => {
    const before = await streamed({ logprobs: true }, [events[1]!, events[0]!], [stop]);
    expect(before[1]!.choices[0]).toMatchObject({ delta: { content: 'Hi' }, logprobs: { content: [{ token: 'Hi' }] } });
    const apart = await streamed({ logprobs: true }, [events[0]!], [events[1]!], [stop]);
    expect(apart.flatMap(({ choices }) => choices[0]!.logprobs?.content ?? [])).toHaveLength(1);
  });

  it('are left out where nobody asked, and null where the model gives none', async () => {
    expect((await whole({}, ...events, stop)).answer.choices[0]!.logprobs).toBeNull();
    expect((await streamed({}, events, [stop])).every(({ choices }) => !choices[0]!.logprobs)).toBe(true);
    expect((await whole({ logprobs: true }, { type: 'text', text: 'x' }, stop)).answer.choices[0]!.logprobs).toBeNull();
    expect(await post({ top_logprobs: 2 })).toMatchObject({ status: 400, json: { error: { param: 'top_logprobs' } } });
    expect(await post({ logprobs: true, top_logprobs: 21 })).toMatchObject({ status: 400, json: { error: { param: 'top_logprobs' } } });
  });
});

describe('The request', () => {
  it('reaches the model with everything it says', async () => {
    const schema = { type: 'object', properties: { town: { type: 'string' } }, required: ['town'], additionalProperties: false };
    const { call } = await whole(
      {
        max_completion_tokens: 9, max_tokens: 5, stop: ['a', 'b'], logit_bias: { '12': -100 }, reasoning_effort: 'low', verbosity: 'high', parallel_tool_calls: false,
        response_format: { type: 'json_schema', json_schema: { name: 'town', description: 'A town', schema, strict: true } },
        tools: [{ type: 'function', function: { name: 'weather', parameters: schema, strict: true } }], tool_choice: 'required',
        ...({ top_k: 40, min_p: 0.1, repetition_penalty: 1.1 } as object),
      },
      stop,
    );
    expect(call.request).toMatchObject({
      maxTokens: 9, stop: ['a', 'b'], logitBias: { '12': -100 }, reasoningEffort: 'low', verbosity: 'high', parallelToolCalls: false,
      responseFormat: { type: 'json_schema', name: 'town', description: 'A town', schema, strict: true },
      tools: [{ name: 'weather', parameters: schema, strict: true }], toolChoice: 'required', topK: 40, minP: 0.1, repeatPenalty: 1.1, whole: true,
    });
  });

  it('may hold pictures', async () => {
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    const { call } = await whole({ messages: [{ role: 'user', content: [{ type: 'text', text: 'What' }, { type: 'image_url', image_url: { url, detail: 'low' } }, { type: 'text', text: 'is it?' }] }] }, stop);
    expect(call.request.messages).toEqual([
      { role: 'user', content: 'What\nis it?', parts: [{ type: 'text', text: 'What' }, { type: 'image', url, detail: 'low' }, { type: 'text', text: 'is it?' }] },
    ]);
    for (const bad of ['file:///etc/passwd', 'http://127.0.0.1/x.png', 'data:text/html;base64,AAAA', 'data:image/png,AAAA']) {
      const answer = await post({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: bad } }] }] });
      expect([answer.status, answer.json.error.param], bad).toEqual([400, 'messages[0].content[0].image_url']);
    }
    const inSystem = await post({ messages: [{ role: 'system', content: [{ type: 'image_url', image_url: { url } }] }, ...messages] });
    expect([inSystem.status, inSystem.json.error.code]).toEqual([400, 'unsupported_value']);
  });

  it('may allow a part of its tools, or name one', async () => {
    const tools = ['one', 'two', 'three'].map((name) => ({ type: 'function' as const, function: { name } }));
    const allowed = await whole({ tools, tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'two' } }] } } as never }, stop);
    expect(allowed.call.request).toMatchObject({ tools: [{ name: 'two' }], toolChoice: 'required' });
    expect(await post({ tools, tool_choice: { type: 'function', function: { name: 'four' } } })).toMatchObject({ status: 400, json: { error: { param: 'tool_choice' } } });
    expect(await post({ tools: [{ type: 'custom', custom: { name: 'x' } }] })).toMatchObject({ status: 400, json: { error: { param: 'tools[0].type' } } });
  });

  it('is refused by the name of what cannot be', async () => {
    const refused: [object, string][] = [
      [{ modalities: ['text', 'audio'] }, 'modalities'], [{ audio: { voice: 'x', format: 'wav' } }, 'audio'], [{ web_search_options: {} }, 'web_search_options'],
      [{ moderation: { model: 'x' } }, 'moderation'], [{ service_tier: 'flex' }, 'service_tier'], [{ response_format: { type: 'grammar' } }, 'response_format.type'],
      [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema'], [{ response_format: { type: 'json_schema', json_schema: { name: 'a b', schema: {} } } }, 'response_format.json_schema.name'],
      [{ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: '#/$defs/none' } } } }, 'response_format'],
      [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_item, index) => [`k${index}`, 'v'])) }, 'metadata'], [{ metadata: { a: 'x'.repeat(513) } }, 'metadata.a'],
      [{ logit_bias: { '1': 101 } }, 'logit_bias.1'], [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'], [{ verbosity: 'loud' }, 'verbosity'], [{ messages: [] }, 'messages'],
    ];
    for (const [more, param] of refused) {
      const { status, json } = await post(more);
      expect([status, json.error?.param, json.error?.type], JSON.stringify(more).slice(0, 80)).toEqual([400, param, 'invalid_request_error']);
    }
  });

  it('may say what is of no meaning here', async () => {
    const { answer } = await whole(
      {
        user: 'u', safety_identifier: 's', prompt_cache_key: 'k', service_tier: 'default', prediction: { type: 'content', content: 'x' }, metadata: { a: 'b' },
        ...({ stream_options: { include_obfuscation: true }, something_new: { deep: [1] } } as object),
      },
      { type: 'text', text: 'Fine.' }, stop,
    );
    expect(answer.choices[0]!.message.content).toBe('Fine.');
  });
});

describe('The answer', () => {
  it('holds reasoning apart from the text, and details of the usage', async () => {
    const usage = { tokensIn: 10, tokensOut: 5, tokensReasoning: 3, tokensCached: 4 };
    const { answer } = await whole({}, { type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Yes.' }, { type: 'usage', usage }, stop);
    expect(answer.choices[0]!.message).toEqual({ role: 'assistant', content: 'Yes.', refusal: null, reasoning_content: 'Hm.' });
    expect(answer.usage).toEqual({
      prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 3, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
    });
    const chunks = await streamed({}, [{ type: 'reasoning', text: 'Hm.' }], [{ type: 'text', text: 'Yes.' }, stop]);
    expect(chunks.map(({ choices }) => choices[0]!.delta)).toEqual([{ role: 'assistant', content: '' }, { reasoning_content: 'Hm.' }, { content: 'Yes.' }, {}]);
  });

  it('tells a refusal as one', async () => {
    const refusal: ReplyEvent = { type: 'text', text: 'I will not.', isRefusal: true };
    expect((await whole({}, refusal, stop)).answer.choices[0]!.message).toEqual({ role: 'assistant', content: null, refusal: 'I will not.' });
    expect((await streamed({}, [refusal, stop]))[1]!.choices[0]!.delta).toEqual({ refusal: 'I will not.' });
  });

  it('brings several calls of tools, in pieces, by their index', async () => {
    const calls: ReplyEvent[] = [
      { type: 'tool', index: 0, id: 'call_a', name: 'one', arguments: '' }, { type: 'tool', index: 0, arguments: '{}' },
      { type: 'tool', index: 1, id: 'call_b', name: 'two', arguments: '{"x":1}' }, { type: 'finish', reason: 'tool' },
    ];
    const chunks = await streamed({ tools: [] }, calls);
    expect(chunks.flatMap(({ choices }) => choices[0]!.delta.tool_calls ?? [])).toEqual([
      { index: 0, id: 'call_a', type: 'function', function: { name: 'one', arguments: '' } }, { index: 0, function: { arguments: '{}' } },
      { index: 1, id: 'call_b', type: 'function', function: { name: 'two', arguments: '{"x":1}' } },
    ]);
    expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('tool_calls');
  });

  it('speaks of functions where the request does', async () => {
    const functions = [{ name: 'weather', parameters: { type: 'object' } }];
    const called: ReplyEvent[] = [{ type: 'tool', index: 0, id: 'call_a', name: 'weather', arguments: '{"town":"Bern"}' }, { type: 'finish', reason: 'tool' }];
    const { answer, call } = await whole({ functions, function_call: { name: 'weather' } }, ...called);
    expect(call.request).toMatchObject({ tools: [{ name: 'weather' }], toolChoice: { name: 'weather' } });
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'function_call', message: { content: null, function_call: { name: 'weather', arguments: '{"town":"Bern"}' } } });
    const chunks = await streamed({ functions }, called);
    expect(chunks[1]!.choices[0]!.delta).toEqual({ function_call: { name: 'weather', arguments: '{"town":"Bern"}' } });
    const next = await whole({ functions, messages: [...messages, answer.choices[0]!.message, { role: 'function', name: 'weather', content: 'Sunny' }] }, { type: 'text', text: 'Sun.' }, stop);
    expect(next.call.request.messages.slice(1)).toEqual([
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_function_1', name: 'weather', arguments: '{"town":"Bern"}' }] },
      { role: 'tool', content: 'Sunny', toolCallId: 'call_function_1' },
    ]);
  });
});

describe('Errors', () => {
  const failing = async (error: Partial<Extract<ReplyEvent, { type: 'error' }>['error']>): Promise<{ status: number; headers: Headers; json: Json }> => {
    const asked = post({});
    (await server.models.call()).say({ type: 'error', error: { code: 'provider_error', message: 'What it says.', serviceFault: false, ...error } });
    return asked;
  };

  it.each([
    ['no_api_key', 400, 'invalid_request_error', 'no_api_key'], ['invalid_api_key', 401, 'invalid_request_error', 'invalid_api_key'], ['model_not_found', 404, 'invalid_request_error', 'model_not_found'],
    ['rate_limited', 429, 'requests', 'rate_limit_exceeded'], ['quota_exceeded', 429, 'insufficient_quota', 'insufficient_quota'], ['context_overflow', 400, 'invalid_request_error', 'context_length_exceeded'],
    ['internal', 500, 'server_error', 'internal'], ['provider_error', 502, 'server_error', 'provider_error'], ['provider_unavailable', 503, 'server_error', 'provider_unavailable'], ['provider_timeout', 504, 'server_error', 'provider_timeout'],
  ] as const)('%s is %i %s', async (code, status, type, shown) => {
    const answer = await failing({ code });
    expect([answer.status, answer.json.error]).toMatchObject([status, { type, code: shown, message: 'What it says.' }]);
    expect(answer.headers.get('x-request-id')).toBeTruthy();
  });

  it('name the field at fault where the model service does', async () => {
    expect((await failing({ code: 'unsupported_value', parameter: 'logit_bias' })).json.error).toMatchObject({ code: 'unsupported_value', param: 'logit_bias' });
  });

  it('say when to try again, to the millisecond', async () => {
    const { headers } = await failing({ code: 'rate_limited', retryAfterMs: 1500 });
    expect([headers.get('retry-after'), headers.get('retry-after-ms')]).toEqual(['2', '1500']);
  });

  it('are waited for and tried again by the client', async () => {
    const patient = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local', maxRetries: 2 });
    const asked = patient.chat.completions.create(base);
    for (const code of ['rate_limited', 'provider_unavailable'] as const) (await server.models.call()).say({ type: 'error', error: { code, message: 'Later.', retryAfterMs: 1, serviceFault: true } });
    const call = await server.models.call();
    call.text('At last.');
    call.finish();
    expect((await asked).choices[0]!.message.content).toBe('At last.');
  });

  it('come with the figures of the limit, as every answer does', async () => {
    const limited = await startTestServer({ settings: { LIMIT_COMPLETIONS_PER_MINUTE: '2' } });
    try {
      limited.models.answerWith(['Hi']);
      const ask = () => limited.request('POST', '/v1/chat/completions', { body: base });
      const answers = [await ask(), await ask(), await ask()];
      expect(answers.map(({ status, headers }) => [status, headers.get('x-ratelimit-limit-requests'), headers.get('x-ratelimit-remaining-requests')])).toEqual([[200, '2', '1'], [200, '2', '0'], [429, '2', '0']]);
      const waitMs = Number(answers[2]!.headers.get('retry-after-ms'));
      expect(waitMs).toBeGreaterThan(50_000);
      expect(answers[2]!.headers.get('x-ratelimit-reset-requests')).toMatch(/^(5\d|60)(\.\d+)?s$/);
    } finally {
      await limited.stop();
    }
  });
});
