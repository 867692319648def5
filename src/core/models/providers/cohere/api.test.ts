import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../../base/clock.ts';
import { startStandIn, type StandIn } from '../../../../../test/stand-in/index.ts';
import type { ModelProvider, ModelRequest } from '../../types.ts';
import { collect, usageOf } from '../provider-suite.ts';
import { createCohereProvider } from './index.ts';

let standIn: StandIn;
let cohere: ModelProvider;
const call = { signal: new AbortController().signal, apiKey: 'co-1' };

beforeEach(async () => {
  standIn = await startStandIn();
  cohere = createCohereProvider({ baseUrl: `${standIn.url}/cohere/v2`, timeoutMs: 500, clock: systemClock });
});
afterEach(async () => {
  await cohere.stop!();
  await standIn.close();
});

const json = (value: unknown): { raw: string[]; headers: Record<string, string> } => ({ raw: [JSON.stringify(value)], headers: { 'content-type': 'application/json' } });
const ask = async (more: Partial<ModelRequest>): Promise<Record<string, unknown>> => {
  await collect(cohere.stream({ model: 'command-a-03-2025', messages: [{ role: 'user', content: 'Hello' }], ...more }, call));
  return standIn.requests.at(-1)!.body;
};

test('lists models page by page, with what they can do, and none that is given up', async () => {
  const models = await cohere.models(call);
  expect(models.map(({ id, kinds, contextLength, details }) => [id, kinds, contextLength, details?.capabilities])).toEqual([
    ['cohere/command-a-03-2025', ['chat'], 256_000, ['tools']], ['cohere/command-r7b-12-2024', ['chat'], 256_000, ['tools']], ['cohere/embed-v4.0', ['embedding'], 128_000, null],
  ]);
  expect(standIn.requests.map(({ path, query }) => [path, query])).toEqual([['/cohere/v1/models', 'page_size=1000'], ['/cohere/v1/models', 'page_size=1000&page_token=2']]);
  standIn.next({
    endpoint: 'models',
    ...json({ models: [
      { name: 'old', endpoints: ['chat'], is_deprecated: true }, { name: 'rerank-v4', endpoints: ['rerank'] }, null, { name: 7 },
      { name: 'command-a-vision-07-2025', endpoints: ['chat'], context_length: 0, features: ['vision', 'reasoning'] },
    ] }),
  });
  expect(await cohere.models(call)).toMatchObject([{ model: 'command-a-vision-07-2025', contextLength: null, details: { capabilities: ['vision', 'thinking'] } }]);
});

test('counts what is billed', async () => {
  standIn.next({ usage: { tokensIn: 11, tokensOut: 9, tokensCached: 500 } });
  expect(usageOf((await collect(cohere.stream({ model: 'command-a-03-2025', messages: [{ role: 'user', content: 'Hello' }] }, call))).flat())).toEqual({ tokensIn: 11, tokensOut: 9 });
});

test('offers one tool alone where that one must be called', async () => {
  const tools = ['weather', 'time'].map((name) => ({ name, parameters: { type: 'object' } }));
  expect(await ask({ tools, toolChoice: { name: 'time' } })).toMatchObject({ tool_choice: 'REQUIRED', tools: [{ function: { name: 'time' } }] });
  expect(await ask({ tools, toolChoice: 'none' })).toMatchObject({ tool_choice: 'NONE', tools: { length: 2 } });
  expect(await ask({ tools, toolChoice: 'auto' })).not.toHaveProperty('tool_choice');
});

test('says a plan in its place, and nothing for an answer that said nothing', async () => {
  const { messages } = await ask({ messages: [
    { role: 'user', content: 'Time?' },
    { role: 'assistant', content: 'I look.', toolCalls: [{ id: 'a', name: 'time', arguments: '' }] },
    { role: 'tool', toolCallId: 'a', content: 'Noon' },
    { role: 'assistant', content: '' },
  ] });
  expect(messages).toEqual([
    { role: 'user', content: 'Time?' },
    { role: 'assistant', tool_plan: 'I look.', tool_calls: [{ id: 'a', type: 'function', function: { name: 'time', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'a', content: 'Noon' },
  ]);
});

test('sends one instruction at the beginning, nothing empty, and never an answer last', async () => {
  const { messages } = await ask({ messages: [
    { role: 'user', content: 'a' }, { role: 'system', content: 'Be brief.' }, { role: 'user', content: ' ' }, { role: 'system', content: 'It is late.' }, { role: 'assistant', content: 'Once' },
  ] });
  expect(messages).toEqual([
    { role: 'system', content: 'Be brief.\n\nIt is late.' }, { role: 'user', content: 'a' }, { role: 'assistant', content: 'Once' }, { role: 'user', content: expect.stringContaining('Go on exactly') as string },
  ]);
});

test('keeps to what the service takes of the settings that clients send with everything', async () => {
  const asked = await ask({ topP: 1, frequencyPenalty: 0, presencePenalty: 0 });
  expect([asked['p'], asked['frequency_penalty'], asked['presence_penalty']]).toEqual([0.99, undefined, undefined]);
  expect(await ask({ topP: 0, presencePenalty: 0.5 })).toMatchObject({ p: 0.01, presence_penalty: 0.5 });
});

test('holds models to the part of a schema that it can, and says in words what it cannot', async () => {
  const format = (schema: Record<string, unknown>): Partial<ModelRequest> => ({ responseFormat: { type: 'json_schema', name: 'x', schema } });
  const place = { type: 'object', required: ['a'], properties: { a: { type: 'integer', minimum: 1 }, maximum: { type: 'string', format: 'email', pattern: '^a' }, b: { type: 'array', items: { anyOf: [{ const: 1 }] }, maxItems: 2 } } };
  expect((await ask(format(place)))['response_format']).toEqual({
    type: 'json_object', json_schema: { type: 'object', required: ['a'], properties: { a: { type: 'integer' }, maximum: { type: 'string' }, b: { type: 'array', items: { anyOf: [{ const: 1 }] } } } },
  });
  for (const schema of [{ type: 'object', properties: { a: {} } }, { ...place, properties: { a: { oneOf: [{ type: 'string' }] } } }, { type: 'array', items: {} }]) {
    const asked = await ask(format(schema));
    expect(asked['response_format']).toEqual({ type: 'json_object' });
    expect(asked['messages']).toMatchObject([{ role: 'system', content: expect.stringContaining(JSON.stringify(schema)) as string }, { role: 'user' }]);
  }
});

test('holds tools to their schemas only where that says all they mean', async () => {
  const tool = (name: string, a: object, required: string[]): NonNullable<ModelRequest['tools']>[number] => ({ name, strict: true, parameters: { type: 'object', properties: { a }, required } });
  const strict = async (...tools: NonNullable<ModelRequest['tools']>): Promise<unknown> => (await ask({ tools }))['strict_tools'];
  expect(await strict(tool('x', { type: 'string' }, ['a']))).toBe(true);
  expect(await strict(tool('x', { type: 'string', minLength: 3 }, ['a']))).toBeUndefined();
  expect(await strict(tool('x', { type: 'string' }, ['a']), tool('y', { type: 'string' }, []))).toBeUndefined();
});

test('lets models think as long as asked', async () => {
  expect((await ask({ reasoningEffort: 'none' }))['thinking']).toEqual({ type: 'disabled' });
  expect((await ask({ reasoningEffort: 'high' }))['thinking']).toEqual({ type: 'enabled' });
  expect((await collect(cohere.stream({ model: 'command-a-03-2025', messages: [], reasoningEffort: 'xhigh' }, call))).flat()).toMatchObject([{ type: 'error', error: { code: 'unsupported_value', parameter: 'reasoning_effort' } }]);
});

test('embeds many texts in several calls, as wide as asked, and none that is cut', async () => {
  const texts = Array.from({ length: 100 }, (_item, index) => `text ${index}`);
  const { vectors, tokensIn } = await cohere.embed!({ model: 'embed-v4.0', texts, dimensions: 256 }, call);
  expect([vectors.length, tokensIn, standIn.requests.length]).toEqual([100, 300, 2]);
  expect(standIn.requests[0]!.body).toMatchObject({ texts: { length: 96 }, input_type: 'search_document', embedding_types: ['float'], output_dimension: 256, truncate: 'NONE' });
  standIn.next({ endpoint: 'embeddings', ...json({ embeddings: { float: [[1, 2], 'odd'] } }) });
  await expect(cohere.embed!({ model: 'embed-v4.0', texts: ['a', 'b'] }, call)).rejects.toMatchObject({ code: 'provider_error' });
});
