import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../../base/clock.ts';
import { startStandIn, type StandIn } from '../../../../../test/stand-in/index.ts';
import type { ModelProvider, ModelRequest } from '../../types.ts';
import { collect, usageOf } from '../provider-suite.ts';
import { createGoogleProvider } from './index.ts';

let standIn: StandIn;
let google: ModelProvider;
const call = { signal: new AbortController().signal, apiKey: 'AIza-1', userId: 'ada' };

beforeEach(async () => {
  standIn = await startStandIn();
  google = createGoogleProvider({ baseUrl: `${standIn.url}/google/v1beta/`, timeoutMs: 500, clock: systemClock });
});
afterEach(async () => {
  await google.stop!();
  await standIn.close();
});

const json = (value: unknown): { raw: string[]; headers: Record<string, string> } => ({ raw: [JSON.stringify(value)], headers: { 'content-type': 'application/json' } });

test('lists models page by page, and none that does not chat or embed', async () => {
  const models = await google.models(call);
  expect(models.map(({ id, kinds, contextLength }) => [id, kinds[0], contextLength])).toEqual([
    ['google/gemini-2.5-flash', 'chat', 1_048_576], ['google/gemini-3.8-flash', 'chat', 1_048_576], ['google/gemini-embedding-001', 'embedding', 1_048_576],
  ]);
  expect(models[0]).toMatchObject({ label: 'gemini 2.5 flash', location: 'local', details: { capabilities: ['tools', 'vision', 'thinking'] } });
  expect(standIn.requests.map(({ query }) => query)).toEqual(['pageSize=1000', 'pageSize=1000&pageToken=2']);
  standIn.next({ endpoint: 'models', ...json({ models: [{ name: 'models/imagen-4', supportedGenerationMethods: ['predict'] }, { name: 'models/gemini-2.5-flash-image', supportedGenerationMethods: ['generateContent'] }, null, {}] }) });
  expect(await google.models(call)).toEqual([]);
});

test('ends a list that has no end', async () => {
  for (let page = 0; page < 20; page += 1) standIn.next({ endpoint: 'models', ...json({ models: [], nextPageToken: `page ${page}` }) });
  await google.models(call);
  expect(standIn.requests).toHaveLength(10);
});

test('sends back what thoughts were signed with, to the same person alone', async () => {
  const ask = async (messages: ModelRequest['messages'], userId: string): Promise<void> => {
    await collect(google.stream({ model: 'gemini-3.8-flash', messages }, { ...call, userId }));
  };
  standIn.next({ toolCalls: [{ id: 'a', name: 'weather', argumentPieces: ['{}'] }] });
  await ask([{ role: 'user', content: 'Weather?' }], 'ada');
  const messages: ModelRequest['messages'] = [
    { role: 'user', content: 'Weather?' }, { role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'weather', arguments: '{}' }] }, { role: 'tool', toolCallId: 'a', content: 'Sunny' },
  ];
  for (const [userId, signature] of [['ada', 'signature-of-a'], ['bob', 'skip_thought_signature_validator']] as const) {
    await ask(messages, userId);
    expect(standIn.requests.at(-1)!.body).toMatchObject({ contents: [{}, { parts: [{ functionCall: { name: 'weather' }, thoughtSignature: signature }] }, {}] });
  }
});

test('counts thoughts with what was made', async () => {
  standIn.next({ usage: { tokensIn: 11, tokensOut: 9, tokensReasoning: 4, tokensCached: 2 } });
  expect(usageOf((await collect(google.stream({ model: 'gemini-2.5-flash', messages: [{ role: 'user', content: 'Hello' }] }, call))).flat())).toEqual({ tokensIn: 11, tokensOut: 9, tokensReasoning: 4, tokensCached: 2 });
});

test('embeds many texts in several calls, as wide as asked, of length 1', async () => {
  const texts = Array.from({ length: 150 }, (_item, index) => `text ${index}`);
  const { vectors, tokensIn } = await google.embed!({ model: 'gemini-embedding-001', texts, dimensions: 8 }, call);
  expect([vectors.length, tokensIn, standIn.requests.length]).toEqual([150, null, 2]);
  expect(standIn.requests[0]!.body).toMatchObject({ requests: { length: 100, 0: { model: 'models/gemini-embedding-001', outputDimensionality: 8 } } });
  expect(Math.hypot(...vectors[0]!)).toBeCloseTo(1, 5);
  standIn.next({ endpoint: 'embeddings', ...json({ embeddings: [{ values: [3, 4] }], usageMetadata: { promptTokenCount: 5 } }) });
  expect(await google.embed!({ model: 'gemini-embedding-001', texts: ['x'] }, call)).toEqual({ vectors: [Float32Array.of(3, 4)], tokensIn: 5 });
  standIn.next({ endpoint: 'embeddings', ...json({ embeddings: [{ values: [] }] }) });
  await expect(google.embed!({ model: 'gemini-embedding-001', texts: ['x'] }, call)).rejects.toMatchObject({ code: 'provider_error' });
});
