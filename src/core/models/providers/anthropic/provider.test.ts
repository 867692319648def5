import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../base/clock.ts';
import { asParleyError } from '../../../../base/errors.ts';
import { startStandIn, type RecordedRequest, type StandIn } from '../../../../../test/stand-in/index.ts';
import type { ModelProvider, ModelRequest, ReplyEvent } from '../../types.ts';
import { collect, providerSuite, textOf } from '../provider-suite.ts';
import { createAnthropicProvider } from './index.ts';

const key = 'sk-ant-api03-test';

providerSuite({
  name: 'anthropic',
  without: {
    'log-probabilities': 'the service has none',
    'log-probabilities of other tokens': 'the service has none',
    seed: 'the service has none, and everywhere else it promises nothing',
    'open length': 'the service wants a bound with every request',
    embeddings: 'the service makes none',
  },
  settings: {
    topK: { sends: { top_k: 40 } },
    minP: { refuses: 'min_p' },
    repeatPenalty: { refuses: 'repeat_penalty' },
    logitBias: { refuses: 'logit_bias' },
    reasoningEffort: { sends: { thinking: { type: 'enabled', budget_tokens: 2048 } } },
    verbosity: { hint: 'the service has no such setting' },
    logprobs: { refuses: 'logprobs' },
    'logprobs with others': { refuses: 'logprobs' },
    'a JSON object': { sends: { system: 'Answer with one JSON object and nothing else: no words around it, no code fence.' } },
    'a JSON schema': { sends: { output_config: { format: { type: 'json_schema', schema: { type: 'object', required: ['city'], additionalProperties: false } } } } },
    'one tool at a time': { sends: { tool_choice: { type: 'auto', disable_parallel_tool_use: true } } },
    'a tool that must be called': { sends: { tool_choice: { type: 'tool', name: 'weather' } } },
    'strict tools': { sends: { tools: [{ name: 'weather', strict: true, input_schema: { type: 'object' } }] } },
    'a picture': { sends: { messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } }] }] } },
    'a picture elsewhere': { sends: { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'https://pictures.example/one.png' } }] }] } },
  },
  async start() {
    const standIn = await startStandIn({ apiKey: key });
    const provider = createAnthropicProvider({ baseUrl: `${standIn.url}/anthropic`, timeoutMs: 300, clock: systemClock });
    return {
      provider,
      apiKey: key,
      chatModel: 'claude-haiku-4-5',
      embeddingModel: null,
      standIn,
      async stop() {
        await provider.stop!();
        await standIn.close();
      },
    };
  },
});

describe('the Messages API', () => {
  const models = ['claude-3-haiku-20240307', 'claude-haiku-4-5', 'claude-sonnet-4-6', 'claude-opus-5-5'];
  const signal = new AbortController().signal;
  let standIn: StandIn;
  let provider: ModelProvider;
  beforeEach(async () => {
    standIn = await startStandIn({ otherModels: { anthropic: models } });
    provider = createAnthropicProvider({ baseUrl: `${standIn.url}/anthropic/v1/`, timeoutMs: 500, clock: systemClock });
  });
  afterEach(async () => {
    await provider.stop!();
    await standIn.close();
  });

  const ask = async (more: Partial<ModelRequest>): Promise<ReplyEvent[]> =>
    (await collect(provider.stream({ model: 'claude-haiku-4-5', messages: [{ role: 'user', content: 'Hello' }], ...more }, { signal, apiKey: key }))).flat();
  const sent = async (more: Partial<ModelRequest>): Promise<RecordedRequest['body']> => {
    expect((await ask(more)).at(-1)).toMatchObject({ type: 'finish' });
    return standIn.requests.at(-1)!.body;
  };
  const refused = async (more: Partial<ModelRequest>): Promise<unknown> => {
    const before = standIn.requests.length;
    const end = (await ask(more)).at(-1)!;
    expect(standIn.requests).toHaveLength(before);
    return end.type === 'error' && [end.error.code, end.error.parameter];
  };

  test('is asked with its version, with the key in its own header, whatever the end of the address', async () => {
    await ask({});
    const { path, headers } = standIn.requests.at(-1)!;
    expect([path, headers['anthropic-version'], headers['x-api-key'], headers.authorization]).toEqual(['/anthropic/v1/messages', '2023-06-01', key, undefined]);
  });

  test('bounds every answer, by what the model makes at most', async () => {
    expect(await sent({})).toMatchObject({ max_tokens: 16_384 });
    expect(await sent({ model: 'claude-3-haiku-20240307' })).toMatchObject({ max_tokens: 4096 });
    expect(await sent({ maxTokens: 999_999 })).toMatchObject({ max_tokens: 64_000 });
    expect(await sent({ maxTokens: 5 })).toMatchObject({ max_tokens: 5 });
  });

  test('streams also whole answers that may take too long otherwise', async () => {
    expect(await sent({ whole: true })).toMatchObject({ stream: false });
    expect(await sent({ whole: true, maxTokens: 30_000 })).toMatchObject({ stream: true });
  });

  test('gets what models of each age take: sampling, thinking, and the text to go on with', async () => {
    const asked = { temperature: 0.7, reasoningEffort: 'high', prefill: 'It is ' };
    expect(await sent({ ...asked, reasoningEffort: 'none' })).toMatchObject({ temperature: 0.7, messages: [{}, { role: 'assistant', content: [{ type: 'text', text: 'It is' }] }] });
    expect(await sent({ ...asked, model: 'claude-sonnet-4-6' })).toMatchObject({ thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'high' }, messages: [{}, { role: 'assistant' }, { role: 'user', content: [{ text: expect.stringContaining('interrupted') as string }] }] });
    const newest = await sent({ ...asked, model: 'claude-opus-5-5' });
    expect(newest['temperature']).toBeUndefined();
    expect(await sent({ model: 'claude-opus-5-5', reasoningEffort: 'none' })).toMatchObject({ thinking: { type: 'disabled' } });
    expect(await sent({ reasoningEffort: 'high', temperature: 0.7 })).toMatchObject({ thinking: { type: 'enabled', budget_tokens: 13_107 } });
    expect((await sent({ reasoningEffort: 'high', temperature: 0.7 }))['temperature']).toBeUndefined();
    expect((await sent({ reasoningEffort: 'high', maxTokens: 500 }))['thinking']).toBeUndefined();
  });

  test('thinks or keeps to a temperature, thinks or must call a tool: the service refuses both at once', async () => {
    const model = 'claude-sonnet-4-6';
    const thinks = await sent({ model, temperature: 0.7, topP: 0.9, reasoningEffort: 'high' });
    expect([thinks['thinking'], thinks['temperature'], thinks['top_p']]).toEqual([{ type: 'adaptive', display: 'summarized' }, undefined, undefined]);
    expect(await sent({ model, temperature: 0.7, reasoningEffort: 'none' })).toMatchObject({ temperature: 0.7, thinking: { type: 'disabled' } });
    const calls = await sent({ model, reasoningEffort: 'high', tools: [{ name: 'x', parameters: {} }], toolChoice: 'required' });
    expect([calls['thinking'], calls['output_config'], calls['tool_choice']]).toEqual([undefined, { effort: 'high' }, { type: 'any' }]);
  });

  test('takes the top_p that clients send with everything for what it asks for: nothing', async () => {
    const asked = await sent({ temperature: 0.7, topP: 1 });
    expect([asked['temperature'], asked['top_p']]).toEqual([0.7, undefined]);
    expect(await sent({ topP: 0.9 })).toMatchObject({ top_p: 0.9 });
    standIn.next({ status: 400, errorMessage: '`temperature` is deprecated for this model.' });
    expect(textOf(await ask({ temperature: 0.7, topP: 1 }))).toBe('Hello from the stand-in.');
  });

  test('is not asked for what it does not have', async () => {
    expect(await refused({ temperature: 1.2 })).toEqual(['unsupported_value', 'temperature']);
    expect(await refused({ model: 'claude-opus-5-5', topP: 0.5 })).toEqual(['unsupported_value', 'top_p']);
    expect(await refused({ model: 'claude-opus-5-5', topK: 5 })).toEqual(['unsupported_value', 'top_k']);
    expect(await refused({ reasoningEffort: 'enormous' })).toEqual(['unsupported_value', 'reasoning_effort']);
    expect(await refused({ model: 'claude-3-haiku-20240307', reasoningEffort: 'low' })).toEqual(['unsupported_value', 'reasoning_effort']);
    expect(await refused({ frequencyPenalty: 0.5 })).toEqual(['unsupported_value', 'frequency_penalty']);
    expect(await refused({ presencePenalty: -1 })).toEqual(['unsupported_value', 'presence_penalty']);
    expect(await refused({ messages: [{ role: 'system', content: 'Be brief.' }] })).toEqual(['invalid_request', 'messages']);
    expect(await refused({ messages: [{ role: 'user', content: '', parts: [{ type: 'image', url: 'data:image/tiff;base64,SUkq' }] }] })).toEqual(['unsupported_value', 'messages']);
    expect(await refused({ messages: [{ role: 'user', content: '', parts: [{ type: 'image', url: 'http://pictures.example/one.png' }] }] })).toEqual(['unsupported_value', 'messages']);
  });

  test('does without a temperature that a model turns out to refuse, and does not send it again', async () => {
    standIn.next({ status: 400, errorMessage: '`temperature` is deprecated for this model.' });
    expect(textOf(await ask({ temperature: 0.7 }))).toBe('Hello from the stand-in.');
    await ask({ temperature: 0.7 });
    expect(standIn.requests.map(({ body }) => body['temperature'])).toEqual([0.7, undefined, undefined]);
  });

  test('makes a shorter answer where the model counts its bound as if it were used up', async () => {
    standIn.next({ status: 400, errorMessage: 'input length and `max_tokens` exceed context limit: 190000 + 16384 > 200000, decrease input length or `max_tokens` and try again' });
    expect(textOf(await ask({}))).toBe('Hello from the stand-in.');
    expect(standIn.requests.map(({ body }) => body['max_tokens'])).toEqual([16_384, 10_000]);
    standIn.next({ status: 400, errorMessage: 'input length and `max_tokens` exceed context limit: 200001 + 16384 > 200000, decrease input length or `max_tokens` and try again' });
    expect((await ask({})).at(-1)).toMatchObject({ type: 'error', error: { code: 'context_overflow' } });
  });

  test('does without a schema that it turns out to refuse: the words stay, and the answer is checked anyway', async () => {
    standIn.next({ status: 400, errorMessage: 'output_config.format.schema: Schema is too complex for compilation.' });
    expect(textOf(await ask({ responseFormat: { type: 'json_schema', name: 'x', schema: { type: 'object', properties: {} } } }))).not.toBe('');
    expect(standIn.requests.map(({ body }) => [body['output_config'] !== undefined, String(body['system']).includes('JSON Schema')])).toEqual([[true, false], [false, true]]);
  });

  test('lists all pages, and believes what they say of each model', async () => {
    const many = Array.from({ length: 1005 }, (_model, index) => `claude-sonnet-4-5-test-${index}`);
    const other = await startStandIn({ otherModels: { anthropic: many } });
    const big = createAnthropicProvider({ baseUrl: `${other.url}/anthropic`, timeoutMs: 500, clock: systemClock });
    expect(await big.models({ signal, apiKey: key })).toHaveLength(1005);
    expect(other.requests.map(({ query }) => query)).toEqual(['limit=1000', 'limit=1000&after_id=claude-sonnet-4-5-test-999']);
    await big.stop!();
    await other.close();

    standIn.next({ endpoint: 'models', raw: [readFileSync(new URL('fixtures/models.json', import.meta.url))], headers: { 'content-type': 'application/json' } });
    const listed = await provider.models({ signal, apiKey: key });
    expect(listed.map(({ model, label, contextLength, createdAt, details }) => [model, label, contextLength, createdAt, details?.capabilities])).toEqual([
      ['claude-opus-5-5', 'Claude Opus 5.5', 1_000_000, Date.parse('2026-09-22T00:00:00Z'), ['tools', 'vision', 'thinking']],
      ['claude-haiku-4-5-20251001', 'Claude Haiku 4.5', 200_000, Date.parse('2025-10-15T00:00:00Z'), ['tools', 'vision', 'thinking']],
      ['claude-3-haiku-20240307', 'Claude Haiku 3', 200_000, null, ['tools', 'vision']],
    ]);
  });

  test('refuses pictures for models that the list says do not see', async () => {
    standIn.next({ endpoint: 'models', raw: ['{"data":[{"id":"claude-blind-9","capabilities":{"image_input":{"supported":false}}}],"has_more":false}'], headers: { 'content-type': 'application/json' } });
    await provider.models({ signal, apiKey: key });
    expect(await refused({ model: 'claude-blind-9', messages: [{ role: 'user', content: '', parts: [{ type: 'image', url: 'https://pictures.example/one.png' }] }] })).toEqual(['unsupported_value', 'messages']);
  });

  test('does not send a key that cannot be a key', async () => {
    for (const apiKey of ['sk\nbad', 'schlüssel', ' ']) {
      const call = { signal, apiKey };
      expect((await collect(provider.stream({ model: 'claude-haiku-4-5', messages: [{ role: 'user', content: 'Hi' }] }, call))).flat()).toMatchObject([{ type: 'error', error: { code: 'invalid_api_key' } }]);
      expect(await provider.models(call).catch((thrown: unknown) => asParleyError(thrown).code)).toBe('invalid_api_key');
    }
    expect(standIn.requests).toHaveLength(0);
  });

  test('says what is missing without a key', async () => {
    expect(await provider.state({ signal, apiKey: null })).toMatchObject({ state: 'needs-key', howToAdd: expect.stringContaining('ANTHROPIC_API_KEY') as string });
  });

  test.each([
    [529, 'Overloaded', { code: 'provider_unavailable', serviceFault: true }],
    [429, 'This request would exceed your rate limit', { code: 'rate_limited', serviceFault: false }],
    [413, 'Request exceeds the maximum size', { code: 'context_overflow', serviceFault: false }],
    [403, 'Your API key does not have permission', { code: 'invalid_api_key', serviceFault: false }],
    [402, 'There is an issue with your billing', { code: 'quota_exceeded', serviceFault: false }],
    [400, 'Your credit balance is too low to access the Anthropic API.', { code: 'quota_exceeded', serviceFault: false }],
    [400, 'You have reached your specified API usage limits.', { code: 'quota_exceeded', serviceFault: false }],
    [400, 'prompt is too long: 210000 tokens > 200000 maximum', { code: 'context_overflow', serviceFault: false }],
    [400, 'input length and `max_tokens` exceed context limit: 200100 + 4096 > 200000', { code: 'context_overflow', serviceFault: false }],
    [400, '"thinking.type.disabled" is not supported for this model.', { code: 'unsupported_value', parameter: 'reasoning_effort' }],
    [400, '`temperature` and `top_p` cannot both be specified for this model.', { code: 'unsupported_value', parameter: 'temperature' }],
    [400, 'messages.1: `tool_use` ids were found without `tool_result` blocks', { code: 'invalid_request', serviceFault: false }],
  ])('tells what its error %d means: %s', async (status, errorMessage, error) => {
    standIn.next({ status, errorMessage });
    expect(await ask({})).toMatchObject([{ type: 'error', error: { status, ...error } }]);
  });

  test('a spend limit is no matter of waiting', async () => {
    standIn.next({ status: 429, errorBody: { type: 'error', error: { type: 'rate_limit_error', message: 'Limit', details: { error_code: 'enforced_spend_limit_reached' } } } });
    expect(await ask({})).toMatchObject([{ type: 'error', error: { code: 'quota_exceeded' } }]);
  });
});
