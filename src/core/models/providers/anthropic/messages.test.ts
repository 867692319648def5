import { describe, expect, test } from 'vitest';
import type { ModelMessage, ModelRequest } from '../../types.ts';
import { blankEnd, toWireBody } from './messages.ts';
import { traitsByName, versionOf } from './options.ts';
import { narrowSchema } from './schemas.ts';

const user = (content: string): ModelMessage => ({ role: 'user', content });
const assistant = (content: string, ...toolCalls: NonNullable<ModelMessage['toolCalls']>): ModelMessage => ({ role: 'assistant', content, ...(toolCalls.length > 0 ? { toolCalls } : {}) });
const call = (id: string, text = '{}') => ({ id, name: 'weather', arguments: text });
const result = (toolCallId: string, content: string): ModelMessage => ({ role: 'tool', content, toolCallId });

interface Sent {
  system?: string;
  messages: { role: string; content: Record<string, unknown>[] }[];
  tools?: object[];
  tool_choice?: object;
  thinking?: object;
}

function send(messages: ModelMessage[], more: Partial<ModelRequest> = {}): Sent {
  const request = { model: 'claude-haiku-4-5', messages, ...more };
  return JSON.parse(toWireBody(request, traitsByName(request.model))) as Sent;
}
/** Roles with the texts and the kinds of other blocks. */
const shape = (sent: Sent): unknown[] => sent.messages.map(({ role, content }) => [role, ...content.map((block) => block['text'] ?? block['type'])]);

describe('messages take turns', () => {
  test('neighbours of one role become one message, what is empty is left out', () => {
    expect(shape(send([user('a'), user(' '), user('b'), assistant(''), assistant('c'), assistant('d'), user('e')]))).toEqual([['user', 'a', 'b'], ['assistant', 'c', 'd'], ['user', 'e']]);
  });

  test('what comes before a beginning that the assistant made is named', () => {
    expect(shape(send([assistant('c'), user('e')]))).toEqual([['user', '(The beginning of this conversation is left out.)'], ['assistant', 'c'], ['user', 'e']]);
  });

  test('all system messages have one field of their own', () => {
    const sent = send([{ role: 'system', content: 'Be brief.' }, user('a'), { role: 'system', content: 'It is late.' }]);
    expect([sent.system, shape(sent)]).toEqual(['Be brief.\n\nIt is late.', [['user', 'a']]]);
  });

  test('results of tools come first in the message behind their calls, with ids that the service takes', () => {
    const sent = send([user('a'), assistant('I look.', call('functions.weather:0', '{"city":"Graz"}'), call('b')), result('functions.weather:0', 'Sunny'), result('b', ''), user('And?')], { tools: [{ name: 'weather', parameters: {} }] });
    expect(sent.messages.slice(1)).toEqual([
      { role: 'assistant', content: [{ type: 'text', text: 'I look.' }, { type: 'tool_use', id: 'functions_weather_0', name: 'weather', input: { city: 'Graz' } }, { type: 'tool_use', id: 'b', name: 'weather', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'functions_weather_0', content: 'Sunny' }, { type: 'tool_result', tool_use_id: 'b' }, { type: 'text', text: 'And?' }] },
    ]);
  });

  test('arguments that are no object become one', () => {
    const inputs = ['{"a":1}', '', '[1]', '"x"', '{"a"'].map((text) => send([user('a'), assistant('', call('b', text)), result('b', 'x')]).messages[1]!.content[0]!['input']);
    expect(inputs).toEqual([{ a: 1 }, {}, { value: [1] }, { value: 'x' }, { text: '{"a"' }]);
  });

  test('tools that were called before are named, also when none is offered any more', () => {
    expect(send([user('a'), assistant('', call('b')), result('b', 'x')])).toMatchObject({ tools: [{ name: 'weather', input_schema: { type: 'object' } }], tool_choice: { type: 'none' } });
  });
});

describe('a text to go on with', () => {
  test('stands last where the model goes on behind it, without white space at its end', () => {
    expect(shape(send([user('a')], { prefill: 'Once upon \n' }))).toEqual([['user', 'a'], ['assistant', 'Once upon']]);
    expect(blankEnd({ model: 'x', messages: [], prefill: 'Once upon \n' }, traitsByName('claude-haiku-4-5'))).toBe(' \n');
  });

  test('is followed by the words to go on where it may not', () => {
    expect(shape(send([user('a')], { prefill: 'Once upon ', model: 'claude-opus-5-5' }))).toEqual([['user', 'a'], ['assistant', 'Once upon '], ['user', expect.stringContaining('Go on exactly') as string]]);
    expect(blankEnd({ model: 'x', messages: [], prefill: 'Once upon ' }, traitsByName('claude-opus-5-5'))).toBe('');
  });

  test('may be the last message of a client, too', () => {
    expect(shape(send([user('a'), assistant('Once ')]))).toEqual([['user', 'a'], ['assistant', 'Once']]);
    expect(shape(send([user('a'), assistant('Once ')], { model: 'claude-sonnet-4-6' })).at(-1)).toEqual(['user', expect.stringContaining('Go on exactly') as string]);
  });
});

describe('models that think by a budget', () => {
  const thinks = (messages: ModelMessage[], more: Partial<ModelRequest> = {}): boolean => send(messages, { reasoningEffort: 'high', ...more }).thinking !== undefined;

  test('do not where the service would refuse it: behind a result without signed thoughts, for a tool that must be called, in an answer that has begun', () => {
    expect(thinks([user('a')])).toBe(true);
    expect(thinks([user('a'), assistant('', call('b')), result('b', 'x')])).toBe(false);
    expect(thinks([user('a'), assistant('', call('b')), result('b', 'x'), assistant('c'), user('d')])).toBe(true);
    expect(thinks([user('a')], { tools: [{ name: 'x', parameters: {} }], toolChoice: 'required' })).toBe(false);
    expect(thinks([user('a')], { prefill: 'Once' })).toBe(false);
  });
});

test('reads the version out of a name, wherever it stands', () => {
  const versions = { 'claude-3-haiku-20240307': 3, 'claude-3-5-haiku-20241022': 3.5, 'claude-3-7-sonnet-latest': 3.7, 'claude-sonnet-4-20250514': 4, 'claude-opus-4-1-20250805': 4.1, 'claude-opus-4-8': 4.8, 'claude-opus-5': 5, 'claude-fable-5-1': 5.1, 'claude-mythos-preview': null };
  expect(Object.keys(versions).map(versionOf)).toEqual(Object.values(versions));
});

describe('schemas', () => {
  const object = (properties: object, more: object = {}): Record<string, unknown> => ({ type: 'object', properties, ...more });

  test('are closed and lose the bounds that the service cannot hold to', () => {
    expect(narrowSchema(object({ age: { type: 'integer', minimum: 0 }, tags: { type: 'array', items: { type: 'string', maxLength: 5 }, minItems: 3 } }, { required: ['age'] }))).toEqual({
      schema: object({ age: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } }, { required: ['age'], additionalProperties: false }),
      isExact: false,
    });
    const exact = object({ place: { anyOf: [{ type: 'string', format: 'uri' }, { type: 'null' }] } }, { additionalProperties: false });
    expect(narrowSchema(exact)).toEqual({ schema: exact, isExact: true });
  });

  test('properties may have the names of keywords', () => {
    expect(narrowSchema(object({ minimum: { type: 'string' }, not: { type: 'string' } }))?.schema['properties']).toEqual({ minimum: { type: 'string' }, not: { type: 'string' } });
  });

  test.each([
    ['maps', { type: 'object', additionalProperties: { type: 'string' } }],
    ['objects without named fields', object({ any: { type: 'object' } })],
    ['choices it does not have', object({ a: { oneOf: [{ type: 'string' }] } })],
    ['circles', object({ next: { $ref: '#/$defs/node' } }, { $defs: { node: object({ next: { $ref: '#/$defs/node' } }) } })],
    ['what is elsewhere', object({ a: { $ref: 'https://schemas.example/a' } })],
    ['no objects', { type: 'array', items: { type: 'string' } }],
    ['anything', object({ a: true })],
  ])('%s cannot be held to', (_what, schema) => expect(narrowSchema(schema)).toBeNull());

  test('are held to where they can, else said in words', () => {
    const format = { type: 'json_schema' as const, name: 'x', schema: { type: 'object', additionalProperties: { type: 'string' } } };
    const sent = send([user('a')], { responseFormat: format });
    expect([sent.system, 'output_config' in sent]).toEqual([expect.stringContaining('must fit this JSON Schema:\n{"type":"object"'), false]);
    const begun = send([user('a')], { responseFormat: { ...format, schema: object({ a: { type: 'string' } }) }, prefill: '{"a"' });
    expect('output_config' in begun).toBe(false);
  });
});
