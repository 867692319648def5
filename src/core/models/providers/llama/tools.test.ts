import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ModelMessage, ModelProvider, ReplyEvent, ToolDefinition } from '../../types.ts';
import { createModelBench, hear, user, type ModelBench } from './testing.ts';
import { CallParser } from './tool-calls.ts';
import { plainForm, type ToolForm } from './tool-form.ts';

/** A template that has a form of its own for tools, as those of Qwen and Hermes have. */
const toolTemplate =
  "{% if tools %}<|im_start|>system\n{% if messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}# Tools\n" +
  '{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}' +
  "{% for message in messages %}{% if message.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ message.content }}\n</tool_response><|im_end|>\n" +
  "{% elif not (message.role == 'system' and tools) %}<|im_start|>{{ message.role }}\n{% if message.content %}{{ message.content }}{% endif %}" +
  '{% for call in message.tool_calls or [] %}\n<tool_call>\n{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}' +
  '<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
const marks = ['<tool_call>', '</tool_call>'];

const weather: ToolDefinition = {
  name: 'weather',
  description: 'The weather in a city',
  parameters: { type: 'object', properties: { city: { enum: ['Graz', 'Wien'] }, days: { type: 'integer', minimum: 1 } }, required: ['city', 'days'] },
};
const clock: ToolDefinition = { name: 'weather_clock', parameters: { type: 'object', properties: {}, additionalProperties: false } };
const tools = [weather, clock];

let bench: ModelBench;
let provider: ModelProvider;
beforeAll(() => {
  bench = createModelBench();
  bench.write('plain', { contextTokens: 4096 });
  bench.write('own', { contextTokens: 4096, chatTemplate: toolTemplate, controlTokens: marks });
  bench.write('plain-caller', { says: 'Let me see. <tool_call>' });
  bench.write('hasty-caller', { says: 'Well: <tool_call>{"' });
  bench.write('own-caller', { says: 'Let me see. <tool_call>', chatTemplate: toolTemplate, controlTokens: marks });
  bench.write('talker', { says: 'I need no tool, <not even> one.' });
});
afterEach(() => bench.stop());
afterAll(() => bench.remove());

const check = (name: string, json: string): void => {
  const value = JSON.parse(json) as Record<string, unknown>;
  if (name === 'weather_clock') return void expect(value).toBeTypeOf('object');
  expect(name).toBe('weather');
  expect(Object.keys(value)).toEqual(['city', 'days']);
  expect(['Graz', 'Wien']).toContain(value['city']);
  expect(Number.isSafeInteger(value['days'])).toBe(true);
};

describe.each(['plain', 'own'])('tools on a model that talks nonsense, with a template that is %s', (model) => {
  it('are called rightly whenever they must be', async () => {
    provider = bench.open({ contextTokens: 4096, sequences: 4 });
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, seed) => hear(provider, { model, tools: [weather], toolChoice: 'required', temperature: 1, seed, maxTokens: 2000 })),
    );
    for (const { calls, text, end } of answers) {
      expect(end).toBe('tool');
      expect(text).toBe('');
      expect(calls.length).toBeGreaterThan(0);
      for (const { name, arguments: json } of calls) check(name, json);
      expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length);
    }
    expect(answers.some(({ calls }) => calls.length > 1)).toBe(true);
  });

  it('are called once where several are not wanted, and by the name that was chosen', async () => {
    provider = bench.open({ contextTokens: 4096, sequences: 4 });
    const once = await Promise.all(
      Array.from({ length: 4 }, (_, seed) => hear(provider, { model, tools, toolChoice: 'required', parallelToolCalls: false, temperature: 1, seed, maxTokens: 2000 })),
    );
    for (const { calls } of once) expect(calls).toHaveLength(1);
    const chosen = await Promise.all(
      Array.from({ length: 2 }, (_, seed) => hear(provider, { model, tools, toolChoice: { name: 'weather' }, temperature: 1, seed, maxTokens: 2000 })),
    );
    for (const { calls } of chosen) expect(calls.map(({ name }) => name)).toEqual(['weather']);
  });

  it('end with `length` where there is no room for the whole call', async () => {
    const { end, calls } = await hear(bench.open(), { model, tools: [weather], toolChoice: 'required', maxTokens: 4 });
    expect(end).toBe('length');
    expect(calls.length).toBeLessThanOrEqual(1);
  });

  it('are told to the model with their results, which cost tokens', async () => {
    const messages: ModelMessage[] = [
      user('What is the weather?'),
      { role: 'assistant', content: 'Wait.', toolCalls: [{ id: 'a', name: 'weather', arguments: '{"city":"Graz","days":2}' }, { id: 'b', name: 'weather_clock', arguments: '{}' }] },
      { role: 'tool', content: 'Sunny', toolCallId: 'a' },
      { role: 'tool', content: 'Noon', toolCallId: 'b' },
    ];
    provider = bench.open({ contextTokens: 4096 });
    const ask = async (more: object): Promise<number> => (await hear(provider, { model, messages, maxTokens: 1, ...more })).usage.tokensIn!;
    const without = await ask({});
    expect(await ask({ tools, toolChoice: 'none' })).toBe(without);
    expect(await ask({ tools })).toBeGreaterThan(without + 100);
    expect(await ask({ messages: messages.slice(0, 1) })).toBeLessThan(without - 40);
  });
});

describe('a model that may choose', () => {
  it.each(['plain-caller', 'own-caller'])('calls when it writes the mark of a call (%s)', async (model) => {
    const { text, calls, end } = await hear(bench.open(), { model, tools: [weather], parallelToolCalls: false, maxTokens: 300 });
    expect(text.trim()).toBe('Let me see.');
    expect(end).toBe('tool');
    for (const { name, arguments: json } of calls) check(name, json);
  });

  it('calls also when the mark comes together with what follows it', async () => {
    const { text, calls, end } = await hear(bench.open(), { model: 'hasty-caller', tools: [weather], parallelToolCalls: false, maxTokens: 300 });
    expect(text.trim()).toBe('Well:');
    expect(end).toBe('tool');
    expect(calls).toHaveLength(1);
    check(calls[0]!.name, calls[0]!.arguments);
  });

  it('just answers otherwise', async () => {
    const { text, calls, end } = await hear(bench.open(), { model: 'talker', tools });
    expect(text).toBe('I need no tool, <not even> one.');
    expect(calls).toEqual([]);
    expect(end).toBe('stop');
  });

  it('does not call without tools, nor where they are forbidden', async () => {
    provider = bench.open();
    for (const more of [{}, { tools, toolChoice: 'none' as const }]) {
      const { text, calls, end } = await hear(provider, { model: 'plain-caller', ...more });
      expect(text).toBe('Let me see. <tool_call>');
      expect(calls).toEqual([]);
      expect(end).toBe('stop');
    }
  });

  it('is cancelled in the middle of a call', async () => {
    const cancel = new AbortController();
    const stop = (event: ReplyEvent): void => void (event.type === 'tool' && cancel.abort());
    const { end, usage } = await hear(bench.open({ contextTokens: 4096 }), { model: 'plain', tools, toolChoice: 'required', temperature: 1, seed: 1 }, { signal: cancel.signal, onEvent: stop });
    expect(end).toBe('cancelled');
    expect(usage.tokensOut).toBeGreaterThan(0);
  });
});

describe('what cannot be', () => {
  const refusals: [what: string, request: Parameters<typeof hear>[1], code: string, message: RegExp][] = [
    ['a tool that was not offered', { model: 'plain', tools, toolChoice: { name: 'other' } }, 'invalid_request', /other is not among/],
    ['a name that is none', { model: 'plain', tools: [{ name: 'a b', parameters: {} }] }, 'invalid_request', /"a b" cannot be the name/],
    ['parameters that cannot be expressed', { model: 'plain', tools: [{ name: 'a', parameters: { type: 'object', not: {} } }] }, 'unsupported_value', /has "not"/],
    ['schemas that begin with themselves', { model: 'plain', responseFormat: { type: 'json_schema', name: 'x', schema: { anyOf: [{ type: 'null' }, { anyOf: [{ $ref: '#' }] }] } } }, 'unsupported_value', /without end/],
    ['a choice between tools and a form', { model: 'plain', tools, responseFormat: { type: 'json_object' } }, 'unsupported_value', /tool_choice to "none" or "required"/],
    ['going on with a form', { model: 'plain', prefill: '{', responseFormat: { type: 'json_object' } }, 'unsupported_value', /cannot go on/],
  ];
  it.each(refusals)('is refused: %s', async (_what, request, code, message) => {
    const { end, error, text } = await hear(bench.open(), request);
    expect([end, text]).toEqual([code, '']);
    expect(error).toMatchObject({ serviceFault: false, message: expect.stringMatching(message) });
  });

  it('but a form beside tools that must be called is no obstacle: the answer is the call', async () => {
    const { end } = await hear(bench.open(), { model: 'plain-caller', tools: [weather], toolChoice: 'required', parallelToolCalls: false, responseFormat: { type: 'json_object' }, maxTokens: 400 });
    expect(end).toBe('tool');
  });
});

describe('the reading of calls', () => {
  const read = (form: ToolForm, pieces: readonly string[]): { name: string; json: string }[] => {
    const calls: { name: string; json: string }[] = [];
    const parser = new CallParser(form, ['get', 'get_all'], (event) => {
      if (event.type !== 'tool') return;
      calls[event.index] ??= { name: event.name!, json: '' };
      calls[event.index]!.json += event.arguments;
    });
    for (const piece of pieces) parser.push(piece);
    expect(parser.complete).toBe(calls.length);
    return calls;
  };

  it('is the same however the text is cut', () => {
    const text = 'get_all", "arguments": {"a": "}\\"{", "b": [{}]} }\n</tool_call>\n<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call>';
    const expected = [{ name: 'get_all', json: '{"a": "}\\"{", "b": [{}]}' }, { name: 'get', json: '{}' }];
    for (let at = 0; at <= text.length; at += 1) expect(read(plainForm, [text.slice(0, at), text.slice(at)])).toEqual(expected);
    expect(read(plainForm, [...text])).toEqual(expected);
  });
});
