import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../../base/clock.ts';
import { asParleyError } from '../../../../base/errors.ts';
import { startStandIn, type StandIn } from '../../../../../test/stand-in/index.ts';
import type { ModelProvider, ReplyEvent } from '../../types.ts';
import { createOpenaiCompatibleProvider } from '../openai-compatible/index.ts';
import { collect, textOf, usageOf } from '../provider-suite.ts';
import { createOpenaiProvider } from './index.ts';

let standIn: StandIn;
let openai: ModelProvider;
let compatible: ModelProvider;
const signal = new AbortController().signal;
const messages = [{ role: 'user' as const, content: 'Hello' }];

beforeEach(async () => {
  standIn = await startStandIn();
  const options = { baseUrl: `${standIn.url}/v1`, timeoutMs: 500, clock: systemClock };
  openai = createOpenaiProvider(options);
  compatible = createOpenaiCompatibleProvider({ id: 'nearby', ...options });
});
afterEach(async () => {
  await Promise.all([openai.stop!(), compatible.stop!()]);
  await standIn.close();
});

async function ask(provider: ModelProvider, model: string, more: object = {}): Promise<ReplyEvent[]> {
  return (await collect(provider.stream({ model, messages, ...more }, { signal, apiKey: 'sk-1' }))).flat();
}

test('takes usage wherever it stands', async () => {
  for (const usagePlace of ['own-chunk', 'with-finish', 'last-content', 'every-chunk', 'x_groq', 'in-choice'] as const) {
    standIn.next({ usagePlace, usage: { tokensIn: 11, tokensOut: 3, tokensCached: 2, tokensReasoning: 1 } });
    expect(usageOf(await ask(openai, 'gpt-4o')), usagePlace).toEqual({ tokensIn: 11, tokensOut: 3, tokensCached: 2, tokensReasoning: 1 });
  }
});

test('takes reasoning under either name', async () => {
  for (const reasoningField of ['reasoning', 'reasoning_content'] as const) {
    standIn.next({ reasoning: ['hm'], reasoningField });
    expect(await ask(compatible, 'gpt-4o')).toContainEqual({ type: 'reasoning', text: 'hm' });
  }
});

test('bounds the answer in the field that the model knows', async () => {
  await ask(openai, 'gpt-4o', { maxTokens: 5 });
  await ask(openai, 'o3-mini', { maxTokens: 5 });
  await ask(compatible, 'o3-mini', { maxTokens: 5 });
  expect(standIn.requests.map(({ body }) => [body['max_tokens'], body['max_completion_tokens']])).toEqual([[5, undefined], [undefined, 5], [5, undefined]]);
});

test('asks a server that knows no stream_options once more without them, and then never again', async () => {
  standIn.next({ status: 400, errorBody: { error: { message: "Unrecognized request argument: stream_options", type: 'invalid_request_error' } } });
  expect(textOf(await ask(compatible, 'gpt-4o'))).toBe('Hello from the stand-in.');
  await ask(compatible, 'gpt-4o');
  expect(standIn.requests.map(({ body }) => body.stream_options !== undefined)).toEqual([true, false, false]);
});

test('does so too where the server tells only of the field, as those built of FastAPI do', async () => {
  standIn.next({ status: 422, errorBody: { detail: [{ type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted' }] } });
  expect(textOf(await ask(compatible, 'gpt-4o'))).toBe('Hello from the stand-in.');
});

test('believes a server that repeats the words of a question no such thing: the figures of everybody else hang on it', async () => {
  standIn.next({ status: 400, errorBody: { error: { message: 'Invalid model: stream_options', type: 'invalid_request_error' } } });
  expect((await ask(compatible, 'stream_options')).at(-1)).toMatchObject({ type: 'error' });
  await ask(compatible, 'gpt-4o');
  expect(standIn.requests.map(({ body }) => body.stream_options !== undefined)).toEqual([true, true]);
});

test('reads a server that does not stream', async () => {
  standIn.next({ raw: [JSON.stringify({ model: 'gpt-4o', choices: [{ message: { role: 'assistant', content: 'At once' }, finish_reason: 'stop' }] })], headers: { 'content-type': 'application/json' } });
  const events = await ask(compatible, 'gpt-4o');
  expect([textOf(events), events.at(-1)]).toEqual(['At once', { type: 'finish', reason: 'stop' }]);
  standIn.next({ raw: [JSON.stringify({ error: { message: 'no', type: 'server_error' } })], headers: { 'content-type': 'application/json' } });
  expect((await ask(compatible, 'gpt-4o')).at(-1)).toMatchObject({ type: 'error', error: { code: 'provider_error' } });
});

test('does not send a key that cannot be a key', async () => {
  for (const apiKey of ['sk\nbad', 'schlüssel', ' ']) {
    const call = { signal, apiKey };
    expect((await collect(openai.stream({ model: 'gpt-4o', messages }, call))).flat()).toMatchObject([{ type: 'error', error: { code: 'invalid_api_key' } }]);
    expect(await openai.models(call).catch((thrown: unknown) => asParleyError(thrown).code)).toBe('invalid_api_key');
  }
  expect(standIn.requests).toHaveLength(0);
});

test('does without a list where a compatible server has none', async () => {
  standIn.next({ endpoint: 'models', status: 404 });
  expect(await compatible.models({ signal, apiKey: null })).toEqual([]);
  standIn.next({ endpoint: 'models', status: 404 });
  expect(await compatible.state({ signal, apiKey: null })).toMatchObject({ state: 'ready', detail: expect.stringContaining('name one as nearby/NAME') as string });
  standIn.next({ endpoint: 'models', status: 404 });
  expect(await openai.state({ signal, apiKey: 'sk-1' })).toMatchObject({ state: 'error' });
});

test('reads the context where compatible servers put it', async () => {
  const data = [{ id: 'a', context_length: 1 }, { id: 'b', max_model_len: 2 }, { id: 'c', context_window: 3 }, { id: 'd', meta: { n_ctx_train: 4 } }, { id: 'e' }, { id: 'bge-m3' }, { id: 7 }, null];
  standIn.next({ endpoint: 'models', raw: [JSON.stringify({ data })], headers: { 'content-type': 'application/json' } });
  const models = await compatible.models({ signal, apiKey: null });
  expect(models.map((model) => [model.model, model.contextLength, model.kinds[0]])).toEqual([['a', 1, 'chat'], ['b', 2, 'chat'], ['c', 3, 'chat'], ['d', 4, 'chat'], ['e', null, 'chat'], ['bge-m3', null, 'embedding']]);
});

test('embeds many texts in several calls, and reads base64 where a server sends it', async () => {
  const texts = Array.from({ length: 300 }, (_item, index) => `text ${index}`);
  const { vectors, tokensIn } = await openai.embed!({ model: 'text-embedding-3-small', texts, dimensions: 8 }, { signal, apiKey: 'sk-1' });
  expect([vectors.length, tokensIn, standIn.requests.length, standIn.requests[0]!.body.dimensions]).toEqual([300, 900, 2, 8]);
  const embedding = Buffer.from(Float32Array.of(1, -0.5).buffer).toString('base64');
  standIn.next({ endpoint: 'embeddings', raw: [JSON.stringify({ data: [{ index: 0, embedding }] })] });
  expect((await openai.embed!({ model: 'text-embedding-3-small', texts: ['x'] }, { signal, apiKey: 'sk-1' })).vectors).toEqual([Float32Array.of(1, -0.5)]);
  standIn.next({ endpoint: 'embeddings', raw: ['{"data":[]}'] });
  await expect(openai.embed!({ model: 'text-embedding-3-small', texts: ['x'] }, { signal, apiKey: 'sk-1' })).rejects.toMatchObject({ code: 'provider_error' });
});

test('counts tokens exactly for the models whose tokenizer is here', async () => {
  expect(await openai.countTokens!('gpt-4o', 'Hello world')).toBe(2);
  expect(await openai.countTokens!('gpt-4', 'Hello world')).toBeNull();
});

test('refuses names and addresses that cannot be used', () => {
  for (const id of ['openai', 'ollama', 'a/b', '', 'ä']) expect(() => createOpenaiCompatibleProvider({ id, baseUrl: 'http://127.0.0.1:1', timeoutMs: 1, clock: systemClock })).toThrow(/cannot name an OpenAI-compatible server/);
});
