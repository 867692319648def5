import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ModelMessage, ModelProvider, ModelRequest } from '../../types.ts';
import { createModelBench, hear, user, type Heard, type ModelBench } from './testing.ts';

/*
 * What is kept between answers must never change one. So after each way in which an answer can end, the next ones on the same
 * place are compared with those of an engine that has kept nothing: alone on the engine and at temperature 0 they are equal.
 */

const settings = { sequences: 1, contextTokens: 2048 };
const tools = [{ name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string', maxLength: 5 } }, required: ['city'] } }];
const schema = { type: 'object', properties: { mood: { enum: ['good', 'bad'] }, list: { type: 'array', items: { type: 'boolean' }, maxItems: 3 } }, required: ['mood', 'list'] };
const responseFormat = { type: 'json_schema' as const, name: 'form', schema };
const question = (length: number): ModelMessage => user(Array.from({ length }, (_word, at) => ['river', 'mill', 'stone', 'why'][(at * at + length) % 4]).join(' '));
const said = ({ text, reasoning, calls, end, usage }: Heard): unknown => ({ text, reasoning, calls: calls.map(({ name, arguments: given }) => [name, given]), end, tokens: usage.tokensOut });

const before: ModelMessage[] = [question(60), { role: 'assistant', content: 'A mill.' }];
const messages = [...before, question(40)];
/** What is asked next, in this order. */
const next: Partial<ModelRequest>[] = [{}, { responseFormat }, { tools, toolChoice: 'required' }, { frequencyPenalty: 0.7 }, {}];

let bench: ModelBench;
/** What an engine says to it that has kept nothing. */
const wanted: unknown[] = [];
beforeAll(async () => {
  bench = createModelBench();
  bench.write('random', { contextTokens: 4096 });
  for (const more of next) {
    const provider = bench.open(settings);
    wanted.push(said(await hear(provider, { model: 'random', messages, maxTokens: 40, ...more })));
    await provider.stop!();
  }
}, 30_000);
afterAll(async () => {
  await bench.stop();
  bench.remove();
});

async function abortAt(provider: ModelProvider, messages: ModelMessage[], events: number): Promise<void> {
  const abort = new AbortController();
  let seen = 0;
  const heard = await hear(provider, { model: 'random', messages, maxTokens: 200 }, { signal: abort.signal, onEvent: () => { if ((seen += 1) === events) abort.abort(); } });
  expect(heard.end).toBe('cancelled');
}

const endings: [what: string, run: (provider: ModelProvider, messages: ModelMessage[]) => Promise<unknown>][] = [
  ['was aborted in the middle', (provider, messages) => abortAt(provider, messages, 5)],
  ['was aborted while its question was read', async (provider, messages) => {
    const abort = new AbortController();
    const asked = hear(provider, { model: 'random', messages: [...messages, question(1000)] }, { signal: abort.signal });
    setImmediate(() => abort.abort());
    expect((await asked).end).toBe('cancelled');
  }],
  ['was left by its reader', async (provider, messages) => {
    for await (const batch of provider.stream({ model: 'random', messages }, { signal: new AbortController().signal, apiKey: null })) if (batch.length > 0) break;
  }],
  ['reached its length', (provider, messages) => hear(provider, { model: 'random', messages, maxTokens: 3 })],
  ['came to a stop text', (provider, messages) => hear(provider, { model: 'random', messages, maxTokens: 50, stop: ['e'] })],
  ['was cut in its form', (provider, messages) => hear(provider, { model: 'random', messages, maxTokens: 7, responseFormat })],
  ['was cut in a call', (provider, messages) => hear(provider, { model: 'random', messages, maxTokens: 9, tools, toolChoice: 'required' })],
  ['told log-probabilities', (provider, messages) => hear(provider, { model: 'random', messages, maxTokens: 20, logprobs: { top: 2 }, temperature: 1, seed: 5 })],
  ['was refused', (provider, messages) => hear(provider, { model: 'random', messages: [...messages, question(9000)] })],
];

it.each(endings)('the next answers are the same when the last one %s', async (_what, run) => {
  const provider = bench.open(settings);
  await hear(provider, { model: 'random', messages: before.slice(0, 1), maxTokens: 20 });
  await run(provider, messages);
  let kept = 0;
  for (const [at, more] of next.entries()) {
    const heard = await hear(provider, { model: 'random', messages, maxTokens: 40, ...more });
    kept += heard.usage.tokensCached ?? 0;
    expect(said(heard)).toEqual(wanted[at]);
  }
  expect(kept).toBeGreaterThan(0);
}, 30_000);
