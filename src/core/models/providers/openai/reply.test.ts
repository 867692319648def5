import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ReplyEvent } from '../../types.ts';
import { replyErrorOf } from '../../wire/index.ts';
import { createChatReplyReader, createCompletionReader } from './reply.ts';

const reading = { label: 'The service', apiKey: 'sk-secret' };

/** Reads a body in reads of `size` bytes; what is thrown becomes an error event, as the caller makes it one. */
function read(body: string | Buffer, size = Infinity, reader = createChatReplyReader(reading)): ReplyEvent[] {
  const bytes = Buffer.from(body);
  const events: ReplyEvent[] = [];
  try {
    for (let at = 0; at < bytes.length && !reader.isOver; at += size) reader.push(bytes.subarray(at, at + size), events);
    if (!reader.isOver) reader.end(events);
  } catch (thrown) {
    events.push({ type: 'error', error: replyErrorOf(thrown) });
  }
  return events;
}

function fixture(path: string): Buffer {
  return readFileSync(new URL(path, import.meta.url));
}

const chunk = (choice: object, more: object = {}): string => `data: ${JSON.stringify({ choices: [choice], ...more })}\n\n`;
const text = (content: string): string => chunk({ delta: { content } });
const stop = chunk({ delta: {}, finish_reason: 'stop' });

describe('texts in lists, as Mistral sends them where its models reason', () => {
  const content = [{ type: 'thinking', thinking: [{ type: 'text', text: 'A greeting.' }] }, { type: 'text', text: 'Hi' }, null, { type: 'reference', reference_ids: [1] }];
  const expected = [{ type: 'reasoning', text: 'A greeting.' }, { type: 'text', text: 'Hi' }, { type: 'finish', reason: 'stop' }];

  test('in pieces, with plain ones between', () => {
    const body = chunk({ delta: { content: '' } }) + content.map((part) => chunk({ delta: { content: [part] } })).join('') + text('!') + stop;
    expect(read(body)).toEqual([...expected.slice(0, 2), { type: 'text', text: '!' }, expected[2]]);
  });

  test('in one answer', () => {
    expect(read(JSON.stringify({ choices: [{ message: { content }, finish_reason: 'stop' }] }), Infinity, createCompletionReader(reading))).toEqual(expected);
  });
});

describe('calls of tools, as servers send them', () => {
  const pieces = (...calls: object[]): string => calls.map((call) => chunk({ delta: { tool_calls: [call] } })).join('') + chunk({ delta: {}, finish_reason: 'tool_calls' });
  const weather = (more: object): object => ({ function: { name: 'weather', arguments: '{}' }, ...more });
  /** Number, id, name and arguments of each call, its pieces put together. */
  const calls = (body: string, reader?: ReturnType<typeof createCompletionReader>): string[][] => {
    const found: string[][] = [];
    for (const event of read(body, Infinity, reader)) {
      if (event.type !== 'tool') continue;
      const call = (found[event.index] ??= ['', '', '']);
      call[0] += event.id ?? '';
      call[1] += event.name ?? '';
      call[2] += event.arguments;
    }
    return found;
  };
  const madeId = expect.stringMatching(/^call_\w{20,}$/) as string;

  test('without numbers: whole calls, one to a chunk', () => {
    expect(calls(pieces(weather({ id: 'a' }), weather({ id: 'b' })))).toEqual([['a', 'weather', '{}'], ['b', 'weather', '{}']]);
    expect(calls(pieces(weather({}), weather({})))).toEqual([[madeId, 'weather', '{}'], [madeId, 'weather', '{}']]);
  });

  test('without numbers: pieces of the call that came last', () => {
    expect(calls(pieces({ id: 'a', function: { name: 'weather' } }, { function: { arguments: '{' } }, { id: 'a', function: { arguments: '}' } }))).toEqual([['a', 'weather', '{}']]);
  });

  test('with one number for all of them', () => {
    expect(calls(pieces(weather({ index: 0, id: 'a' }), weather({ index: 0, id: 'b' }), { index: 0, function: { arguments: ' ' } }))).toEqual([['a', 'weather', '{}'], ['b', 'weather', '{} ']]);
  });

  test('with the id and the name in every piece', () => {
    expect(calls(pieces({ index: 1, id: 'a', function: { name: 'weather', arguments: '{' } }, { index: 1, id: 'a', function: { arguments: '}' } }))).toEqual([['a', 'weather', '{}']]);
  });

  test('without ids: each gets one of its own, whole or streamed', () => {
    const [one, two] = calls(pieces(weather({ index: 0 }), weather({ index: 1 })));
    expect([one, two]).toEqual([[madeId, 'weather', '{}'], [madeId, 'weather', '{}']]);
    expect(one![0]).not.toBe(two![0]);
    const whole = JSON.stringify({ choices: [{ message: { tool_calls: [weather({}), weather({ id: 'b' })] }, finish_reason: 'tool_calls' }] });
    expect(calls(whole, createCompletionReader(reading))).toEqual([[madeId, 'weather', '{}'], ['b', 'weather', '{}']]);
  });

  test('with arguments that are an object', () => {
    expect(calls(pieces({ index: 0, id: 'a', function: { name: 'weather', arguments: { city: 'Graz' } } }))).toEqual([['a', 'weather', '{"city":"Graz"}']]);
  });
});

describe('streams of real services', () => {
  test('OpenAI: name, text with log-probabilities, usage behind the finish reason', () => {
    expect(read(fixture('./fixtures/chat.txt'))).toEqual([
      { type: 'model', model: 'gpt-4o-2024-08-06' },
      { type: 'text', text: 'Hello' },
      { type: 'logprobs', tokens: [{ token: 'Hello', logprob: -0.31725305, bytes: [72, 101, 108, 108, 111], top: [] }] },
      { type: 'text', text: '!' },
      { type: 'logprobs', tokens: [{ token: '!', logprob: -0.02380986, bytes: [33], top: [] }] },
      { type: 'usage', usage: { tokensIn: 19, tokensOut: 10, tokensReasoning: 4, tokensCached: 16 } },
      { type: 'finish', reason: 'stop' },
    ]);
  });

  test('OpenAI: two tool calls in pieces', () => {
    expect(read(fixture('./fixtures/tool-calls.txt'))).toEqual([
      { type: 'model', model: 'gpt-4o' },
      { type: 'tool', index: 0, id: 'call_abc123', name: 'get_current_weather', arguments: '' },
      { type: 'tool', index: 0, arguments: '{"location": ' },
      { type: 'tool', index: 0, arguments: '"Boston"}' },
      { type: 'tool', index: 1, id: 'call_def456', name: 'get_time', arguments: '{}' },
      { type: 'finish', reason: 'tool' },
    ]);
  });

  test('Groq: usage under x_groq', () => {
    expect(read(fixture('../openai-compatible/fixtures/groq.txt'))).toContainEqual({ type: 'usage', usage: { tokensIn: 18, tokensOut: 2 } });
  });

  test('DeepSeek: reasoning, and usage beside the finish reason', () => {
    expect(read(fixture('../openai-compatible/fixtures/deepseek.txt')).slice(1)).toEqual([
      { type: 'reasoning', text: 'Simple' },
      { type: 'text', text: 'Four' },
      { type: 'usage', usage: { tokensIn: 17, tokensOut: 9, tokensReasoning: 7 } },
      { type: 'finish', reason: 'length' },
    ]);
  });

  test('OpenRouter: comments, reasoning, and an error in the middle', () => {
    expect(read(fixture('../openai-compatible/fixtures/openrouter.txt')).slice(1)).toEqual([
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'Yes' },
      { type: 'error', error: expect.objectContaining({ code: 'provider_error', status: 502, serviceFault: true }) as object },
    ]);
  });

  test('Moonshot: usage inside the choice', () => {
    expect(read(fixture('../openai-compatible/fixtures/moonshot.txt'))).toContainEqual({ type: 'usage', usage: { tokensIn: 19, tokensOut: 13 } });
  });

  test('a server that does not stream: one document', () => {
    expect(read(fixture('../openai-compatible/fixtures/not-streamed.json'), 10, createCompletionReader(reading))).toEqual([
      { type: 'model', model: 'local-model' },
      { type: 'text', text: 'All\nat once.' },
      { type: 'usage', usage: { tokensIn: 9, tokensOut: 4 } },
      { type: 'finish', reason: 'stop' },
    ]);
  });

  test('the same events, however the bytes are cut', () => {
    const body = fixture('./fixtures/chat.txt');
    const whole = read(body);
    for (const size of [1, 2, 3, 7, 64]) expect(read(body, size)).toEqual(whole);
  });
});

describe('the end', () => {
  test('is the finish reason where [DONE] is missing', () => {
    expect(read(text('Hi') + stop)).toEqual([{ type: 'text', text: 'Hi' }, { type: 'finish', reason: 'stop' }]);
  });

  test('is [DONE] where the finish reason is missing', () => {
    expect(read(`${text('Hi')}data: [DONE]\n\n`).at(-1)).toEqual({ type: 'finish', reason: 'stop' });
  });

  test('is an error where both are missing, even when the last event is cut in its middle', () => {
    for (const rest of ['', 'data: {"choices":[{"delta":{"con', 'data: {"choices"']) {
      expect(read(text('Hi') + rest)).toEqual([
        { type: 'text', text: 'Hi' },
        { type: 'error', error: { code: 'provider_error', message: 'The service broke off before the answer was complete.', serviceFault: true } },
      ]);
    }
  });

  test('takes nothing that comes behind [DONE]', () => {
    expect(read(`${text('Hi')}${stop}data: [DONE]\n\n${text('more')}data: {broken\n\n`).filter((event) => event.type === 'text')).toHaveLength(1);
  });

  test('keeps each known reason apart, and takes unknown ones for a stop', () => {
    const reasons = Object.fromEntries(['stop', 'length', 'tool_calls', 'function_call', 'content_filter', 'eos'].map((reason) => {
      const last = read(chunk({ delta: {}, finish_reason: reason })).at(-1);
      return [reason, last?.type === 'finish' ? last.reason : null];
    }));
    expect(reasons).toEqual({ stop: 'stop', length: 'length', tool_calls: 'tool', function_call: 'tool', content_filter: 'content_filter', eos: 'stop' });
  });
});

describe('errors in the stream', () => {
  const errorOf = (body: string): object | undefined => {
    const last = read(body).at(-1);
    return last?.type === 'error' ? last.error : undefined;
  };

  test('are known by their codes', () => {
    const event = (error: object): string => `data: ${JSON.stringify({ error })}\n\n`;
    expect(errorOf(event({ message: 'x', type: 'server_error', code: null }))).toMatchObject({ code: 'provider_error', serviceFault: true });
    expect(errorOf(event({ message: 'x', type: 'insufficient_quota', code: 'insufficient_quota' }))).toMatchObject({ code: 'quota_exceeded', serviceFault: false });
    expect(errorOf(event({ message: "This model's maximum context length is 8192 tokens.", type: 'invalid_request_error', code: 'context_length_exceeded' }))).toMatchObject({ code: 'context_overflow' });
    expect(errorOf(event({ message: 'Slow down', type: 'rate_limit_error', code: null }))).toMatchObject({ code: 'rate_limited' });
    expect(errorOf('event: error\ndata: {"message":"Tool use failed"}\n\n')).toMatchObject({ code: 'provider_error', message: 'The service broke off with an error. It says: Tool use failed' });
  });

  test('never show the key that was sent', () => {
    expect(JSON.stringify(errorOf(`data: ${JSON.stringify({ error: { message: 'bad key sk-secret' } })}\n\n`))).not.toContain('sk-secret');
  });

  test('are made of JSON that is none, of other JSON, and of wild types', () => {
    for (const data of ['{broken', '7', '"text"', 'null', '{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}', '{"choices":[{"delta":{"tool_calls":[{"index":1e9}]}}]}', '{"choices":[{"delta":{"tool_calls":7}}]}']) {
      expect(errorOf(`data: ${data}\n\n`), data).toMatchObject({ code: 'provider_error', serviceFault: true });
    }
    for (const data of ['{}', '[]', '{"choices":null}', '{"choices":[null]}', '{"choices":[{"delta":null}]}', '{"choices":[{"delta":{"content":7}}],"usage":{"prompt_tokens":"many"}}']) {
      expect(read(`data: ${data}\n\n${stop}`).at(-1), data).toEqual({ type: 'finish', reason: 'stop' });
    }
  });
});
