import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ReplyEvent } from '../../types.ts';
import { createChatReader, createChatReplyReader } from './reply.ts';

const reading = { label: 'Cohere', apiKey: 'co-1' };

function read(bytes: Buffer, size: number): ReplyEvent[] {
  const reader = createChatReplyReader(reading);
  const events: ReplyEvent[] = [];
  for (let at = 0; at < bytes.length && !reader.isOver; at += size) reader.push(bytes.subarray(at, at + size), events);
  if (!reader.isOver) reader.end(events);
  return events;
}
const fixture = (name: string): Buffer => readFileSync(new URL(`./fixtures/${name}`, import.meta.url));
const stream = (...events: object[]): ReplyEvent[] => read(Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')), 10_000);
const end = (finish_reason: string, more: object = {}): object => ({ type: 'message-end', delta: { finish_reason, ...more } });

test('reads thoughts, text, what is billed, and the end; citations are passed over', () => {
  for (const size of [1, 100, 10_000]) {
    expect(read(fixture('thinking.txt'), size)).toEqual([
      { type: 'reasoning', text: 'A sum' },
      { type: 'reasoning', text: '.' },
      { type: 'text', text: 'It is' },
      { type: 'text', text: ' four' },
      { type: 'text', text: '.' },
      { type: 'usage', usage: { tokensIn: 8, tokensOut: 50 } },
      { type: 'finish', reason: 'stop' },
    ]);
  }
});

test('reads the plan and the tool calls, also those without arguments', () => {
  expect(read(fixture('tool-calls.txt'), 10_000)).toEqual([
    { type: 'reasoning', text: 'I will' },
    { type: 'reasoning', text: ' look.' },
    { type: 'tool', index: 0, id: 'weather_e8p4', name: 'weather', arguments: '' },
    { type: 'tool', index: 0, arguments: '{"' },
    { type: 'tool', index: 0, arguments: 'city":"Graz"}' },
    { type: 'tool', index: 1, id: 'time_y46a', name: 'time', arguments: '' },
    { type: 'tool', index: 1, arguments: '{}' },
    { type: 'usage', usage: { tokensIn: 119, tokensOut: 44 } },
    { type: 'finish', reason: 'tool' },
  ]);
});

test('knows why answers end', () => {
  for (const [reason, expected] of [['COMPLETE', 'stop'], ['STOP_SEQUENCE', 'stop'], ['MAX_TOKENS', 'length'], ['TOOL_CALL', 'tool'], ['ERROR_TOXIC', 'content_filter']] as const) {
    expect(stream(end(reason))).toEqual([{ type: 'finish', reason: expected }]);
  }
  expect(() => stream(end('ERROR', { error: 'out of memory' }))).toThrow('Cohere broke off with an error. It says: out of memory');
  expect(() => stream(end('TIMEOUT'))).toThrow(/took too long/);
  expect(() => stream({ message: 'no such thing' })).toThrow('It says: no such thing');
  expect(() => stream({ type: 'message-start' })).toThrow('Cohere broke off before the answer was complete.');
  expect(() => stream({ type: 'tool-call-delta', index: 0, delta: { message: { tool_calls: {} } } })).toThrow(/a piece of a tool call that has not begun/);
});

test('takes all tokens where nothing is billed', () => {
  expect(stream(end('COMPLETE', { usage: { tokens: { input_tokens: 500, output_tokens: 5 }, cached_tokens: 448 } }))[0]).toEqual({ type: 'usage', usage: { tokensIn: 500, tokensOut: 5, tokensCached: 448 } });
});

test('lets the first token stand for a piece of several', () => {
  const logprobs = { text: 'Graz', token_ids: [5, 6], logprobs: [-0.5, -0.25] };
  expect(stream({ type: 'content-delta', index: 0, delta: { message: { content: { text: 'Graz' } } }, logprobs }, end('COMPLETE'))[1]).toEqual({
    type: 'logprobs',
    tokens: [{ token: 'Graz', logprob: -0.5, bytes: [71, 114, 97, 122], top: [] }, { token: '', logprob: -0.25, bytes: null, top: [] }],
  });
});

test('reads a whole answer by the same rules', () => {
  const events: ReplyEvent[] = [];
  const reader = createChatReader(reading);
  reader.push(Buffer.from(JSON.stringify({
    message: { tool_plan: 'I look.', tool_calls: [{ id: 'a', function: { name: 'time', arguments: 'null' } }], content: [{ type: 'text', text: 'So' }, null] },
    finish_reason: 'TOOL_CALL', usage: { billed_units: { input_tokens: 1, output_tokens: 2 } },
  })), events);
  reader.end(events);
  expect(events).toEqual([
    { type: 'reasoning', text: 'I look.' }, { type: 'text', text: 'So' },
    { type: 'tool', index: 0, id: 'a', name: 'time', arguments: '' }, { type: 'tool', index: 0, arguments: '{}' },
    { type: 'usage', usage: { tokensIn: 1, tokensOut: 2 } }, { type: 'finish', reason: 'tool' },
  ]);
});
