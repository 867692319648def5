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

test('gives turns the order that the service wants, wherever a conversation was cut and however it ends', () => {
  const shape = (messages: ModelRequest['messages'], prefill?: string): unknown[] => {
    const { contents } = body({ messages, ...(prefill ? { prefill } : {}) }) as { contents: { role: string; parts: Record<string, unknown>[] }[] };
    return contents.map(({ role, parts }) => [role, ...parts.map((part) => part['text'] ?? Object.keys(part)[0])]);
  };
  const called: ModelRequest['messages'] = [{ role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'weather', arguments: '{}' }] }, { role: 'tool', toolCallId: 'a', content: 'Sunny' }];
  const beginning = ['user', '(The beginning of this conversation is left out.)'];
  const goesOn = ['user', expect.stringContaining('Go on exactly') as string];
  expect(shape(called)).toEqual([beginning, ['model', 'functionCall'], ['user', 'functionResponse']]);
  expect(shape([{ role: 'user', content: 'a' }, { role: 'assistant', content: 'I look.' }, ...called, { role: 'user', content: 'b' }, { role: 'user', content: 'c' }]))
    .toEqual([['user', 'a'], ['model', 'I look.', 'functionCall'], ['user', 'functionResponse'], ['user', 'b', 'c']]);
  expect(shape([{ role: 'user', content: 'a' }, { role: 'assistant', content: 'Once' }])).toEqual([['user', 'a'], ['model', 'Once'], goesOn]);
  expect(shape([{ role: 'user', content: 'a' }], 'Once')).toEqual([['user', 'a'], ['model', 'Once'], goesOn]);
  expect(shape([{ role: 'assistant', content: 'Once' }])).toEqual([beginning, ['model', 'Once'], goesOn]);
});

test('leaves penalties out that ask for nothing: some models refuse any', () => {
  const config = (more: Partial<ModelRequest>): object => body({ model: 'gemini-2.0-flash', ...more })['generationConfig'] as object;
  expect(Object.keys(config({ frequencyPenalty: 0, presencePenalty: 0 }))).toEqual([]);
  expect(config({ frequencyPenalty: 0.5, presencePenalty: -1 })).toEqual({ frequencyPenalty: 0.5, presencePenalty: -1 });
});

test('refuses kinds of pictures that Gemini does not see', () => {
  const refused = (url: string): string | undefined => refusal({ model: 'gemini-3.8-flash', messages: [{ role: 'user', content: '', parts: [{ type: 'image', url }] }] })?.message;
  for (const seen of ['data:image/png;base64,iVBORw0KGgo=', 'data:image/jpeg;base64,/9j/', 'data:image/webp;base64,UklGRg==', 'data:image/heic;base64,AAAA']) expect([seen, refused(seen)]).toEqual([seen, undefined]);
  for (const other of ['data:image/gif;base64,R0lGODlh', 'data:image/png;base64,R0lGODlh', 'data:image/svg+xml;base64,PHN2Zz4=']) expect([other, refused(other)]).toEqual([other, expect.stringContaining('PNG, JPEG, WebP')]);
});

test('a picture from before that Gemini does not see is left out with a note: the conversation can go on', () => {
  const before: ModelRequest['messages'] = ['data:image/gif;base64,R0lGODlh', 'https://pictures.example/one.png'].map((url) => ({ role: 'user', content: '', parts: [{ type: 'image', url }] }));
  const request = { model: 'gemini-3.8-flash', messages: [...before, { role: 'assistant' as const, content: 'Nice.' }, { role: 'user' as const, content: 'Thanks' }] };
  expect(refusal(request)).toBeNull();
  const note = { text: expect.stringContaining('left out') as string };
  expect(body(request)['contents']).toEqual([{ role: 'user', parts: [note, note] }, { role: 'model', parts: [{ text: 'Nice.' }] }, { role: 'user', parts: [{ text: 'Thanks' }] }]);
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

test('keeps signatures for whoever made the call and the model that signed, and not for ever', () => {
  const signatures = createSignatures();
  const model = 'gemini-3.8-flash';
  signatures.keep('ada', model, 'a', 'c2ln');
  expect([signatures.find('ada', model, 'a'), signatures.find('bob', model, 'a'), signatures.find('ada', 'gemini-3.7-flash', 'a')]).toEqual(['c2ln', null, null]);
  signatures.keep('ada', model, 'huge', 'x'.repeat(200_000));
  expect(signatures.find('ada', model, 'huge')).toBeNull();
  for (let index = 0; index < 2000; index += 1) signatures.keep('bob', model, String(index), 'x');
  expect([signatures.find('ada', model, 'a'), signatures.find('bob', model, '0')]).toEqual([null, 'x']);
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
