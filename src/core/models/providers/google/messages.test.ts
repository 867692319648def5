import { expect, test } from 'vitest';
import type { ModelRequest } from '../../types.ts';
import { toGenerateBody } from './messages.ts';
import { refusal } from './options.ts';
import { createSignatures, unsigned } from './signatures.ts';

const body = (request: Partial<ModelRequest>, signatures: Record<string, string> = {}): Record<string, unknown> =>
  JSON.parse(toGenerateBody({ model: 'gemini-2.5-flash', messages: [{ role: 'user', content: 'Hello' }], ...request }, (callId) => signatures[callId] ?? null)) as Record<string, unknown>;

const conversation: ModelRequest['messages'] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Weather in Graz and Wien?' },
  { role: 'assistant', content: 'I look.', toolCalls: [{ id: 'a', name: 'weather', arguments: '{"city":"Graz"}' }, { id: 'b', name: 'weather', arguments: 'oops' }] },
  { role: 'tool', toolCallId: 'a', content: 'Sunny' },
  { role: 'tool', toolCallId: 'b', content: 'Rain' },
  { role: 'system', content: 'In German.' },
  { role: 'assistant', content: '' },
  { role: 'user', content: 'Thanks' },
];

test('keeps instructions apart, results together, and leaves out what says nothing', () => {
  expect(body({ messages: conversation })).toMatchObject({
    systemInstruction: { parts: [{ text: 'Be brief.' }, { text: 'In German.' }] },
    contents: [
      { role: 'user', parts: [{ text: 'Weather in Graz and Wien?' }] },
      { role: 'model', parts: [{ text: 'I look.' }, { functionCall: { id: 'a', name: 'weather', args: { city: 'Graz' } } }, { functionCall: { id: 'b', name: 'weather', args: { text: 'oops' } } }] },
      { role: 'user', parts: [{ functionResponse: { id: 'a', name: 'weather', response: { output: 'Sunny' } } }, { functionResponse: { id: 'b', name: 'weather', response: { output: 'Rain' } } }] },
      { role: 'user', parts: [{ text: 'Thanks' }] },
    ],
  });
});

test('asks by the instructions where there is nothing else', () => {
  expect(body({ messages: [{ role: 'system', content: 'Tell a joke.' }] })).toMatchObject({ contents: [{ role: 'user', parts: [{ text: 'Tell a joke.' }] }] });
});

test('sends thoughts back signed, or says that they are not', () => {
  const signaturesOf = (model: string, known: Record<string, string>): unknown[] => {
    const { contents } = body({ model, messages: conversation }, known) as { contents: { parts: { functionCall?: object; thoughtSignature?: string }[] }[] };
    return contents[1]!.parts.filter((part) => part.functionCall).map((part) => part.thoughtSignature);
  };
  expect(signaturesOf('gemini-3.8-flash', { a: 'c2ln' })).toEqual(['c2ln', undefined]);
  expect(signaturesOf('gemini-3.8-flash', {})).toEqual([unsigned, undefined]);
  expect(signaturesOf('gemini-2.5-flash', {})).toEqual([undefined, undefined]);
});

test('keeps signatures for whoever made the call, and not for ever', () => {
  const signatures = createSignatures();
  signatures.keep('ada', 'a', 'c2ln');
  expect([signatures.find('ada', 'a'), signatures.find('bob', 'a')]).toEqual(['c2ln', null]);
  signatures.keep('ada', 'huge', 'x'.repeat(200_000));
  expect(signatures.find('ada', 'huge')).toBeNull();
  for (let index = 0; index < 2000; index += 1) signatures.keep('bob', String(index), 'x');
  expect([signatures.find('ada', 'a'), signatures.find('bob', '0')]).toEqual([null, 'x']);
});

test('lets each model think as it can be told to', () => {
  const thinking = (model: string, reasoningEffort?: string): unknown =>
    (body({ model, ...(reasoningEffort ? { reasoningEffort } : {}) })['generationConfig'] as { thinkingConfig?: unknown }).thinkingConfig;
  expect(thinking('gemini-3.8-flash', 'low')).toEqual({ includeThoughts: true, thinkingLevel: 'low' });
  expect(thinking('gemini-2.5-flash', 'high')).toEqual({ includeThoughts: true, thinkingBudget: 24_576 });
  expect(thinking('gemini-2.5-flash', 'none')).toEqual({ thinkingBudget: 0 });
  expect(thinking('gemini-2.5-pro')).toEqual({ includeThoughts: true });
  for (const model of ['gemini-2.0-flash', 'gemma-3-27b-it', 'gemini-2.5-flash-image']) expect(thinking(model)).toBeUndefined();
});

test('refuses what a model cannot be told', () => {
  const refused = (model: string, reasoningEffort: string): string | undefined => refusal({ model, messages: [], reasoningEffort })?.parameter;
  for (const [model, effort] of [['gemini-3.8-flash', 'none'], ['gemini-2.5-pro', 'none'], ['gemini-2.5-flash', 'xhigh'], ['gemini-2.0-flash', 'low']] as const) {
    expect([model, refused(model, effort)]).toEqual([model, 'reasoning_effort']);
  }
  expect(refused('gemini-2.0-flash', 'none')).toBeUndefined();
});

test('says a constant as a choice of one', () => {
  const schema = { type: 'object', properties: { kind: { const: 'place' }, const: { type: 'string' } }, $defs: { a: { anyOf: [{ const: 1 }] } }, default: { const: 1 } };
  const { generationConfig } = body({ responseFormat: { type: 'json_schema', name: 'x', schema } }) as { generationConfig: { responseJsonSchema: unknown } };
  expect(generationConfig.responseJsonSchema).toEqual({
    type: 'object', properties: { kind: { enum: ['place'] }, const: { type: 'string' } }, $defs: { a: { anyOf: [{ enum: [1] }] } }, default: { const: 1 },
  });
});
