import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ReplyEvent } from '../../types.ts';
import { createGenerateReader, createGenerateReplyReader } from './reply.ts';

const kept = new Map<string, string>();
const reading = { label: 'Google', apiKey: 'AIza-1', keepSignature: (callId: string, signature: string): void => { kept.set(callId, signature); } };

function read(bytes: Buffer, size: number): ReplyEvent[] {
  const reader = createGenerateReplyReader(reading);
  const events: ReplyEvent[] = [];
  for (let at = 0; at < bytes.length && !reader.isOver; at += size) reader.push(bytes.subarray(at, at + size), events);
  if (!reader.isOver) reader.end(events);
  return events;
}
const fixture = (name: string): Buffer => readFileSync(new URL(`./fixtures/${name}`, import.meta.url));
/** A stream of one chunk. */
const only = (chunk: object): ReplyEvent[] => read(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`), 10_000);

test('reads thoughts, text, the figures that count, and the end', () => {
  for (const size of [1, 100, 10_000]) {
    expect(read(fixture('thinking.txt'), size)).toEqual([
      { type: 'model', model: 'gemini-3.8-flash' },
      { type: 'reasoning', text: 'Two and two.' },
      { type: 'usage', usage: { tokensIn: 8, tokensOut: 30, tokensReasoning: 30 } },
      { type: 'text', text: 'It is' },
      // The figures so far: they stand if the answer is stopped here.
      { type: 'usage', usage: { tokensIn: 8, tokensOut: 32, tokensReasoning: 30 } },
      { type: 'text', text: ' four.' },
      // Thoughts are tokens made; what came from the cache is part of what was sent.
      { type: 'usage', usage: { tokensIn: 8, tokensOut: 34, tokensReasoning: 30, tokensCached: 4 } },
      { type: 'finish', reason: 'stop' },
    ]);
  }
});

test('reads tool calls, makes ids where there are none, and keeps what thoughts were signed with', () => {
  expect(read(fixture('tool-calls.txt'), 10_000).filter((event) => event.type === 'tool' || event.type === 'finish')).toEqual([
    { type: 'tool', index: 0, id: 'lpndqlku', name: 'get_weather', arguments: '{"city":"Paris"}' },
    { type: 'tool', index: 1, id: 'm6rogicj', name: 'get_weather', arguments: '{"city":"Tokyo"}' },
    { type: 'tool', index: 2, id: expect.stringMatching(/^call_\w{20,}$/) as string, name: 'get_time', arguments: '{}' },
    { type: 'finish', reason: 'tool' },
  ]);
  expect([...kept]).toEqual([['lpndqlku', 'c2lnbmVk']]);
});

test('takes a question that is blocked for an end, not for a broken answer', () => {
  expect(read(fixture('blocked.txt'), 10_000).slice(1)).toEqual([{ type: 'usage', usage: { tokensIn: 9 } }, { type: 'finish', reason: 'content_filter' }]);
});

test('knows why answers end', () => {
  const ends = { STOP: 'stop', MAX_TOKENS: 'length', SAFETY: 'content_filter', RECITATION: 'content_filter', PROHIBITED_CONTENT: 'content_filter', SPII: 'content_filter', IMAGE_PROHIBITED_CONTENT: 'content_filter', OTHER: 'stop' };
  for (const [finishReason, reason] of Object.entries(ends)) {
    expect([finishReason, only({ candidates: [{ content: { parts: [{ text: 'So' }] }, finishReason }] }).at(-1)]).toEqual([finishReason, { type: 'finish', reason }]);
  }
  expect(() => only({ candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL', finishMessage: 'Malformed call: print(x)' }] })).toThrow(/no tool call \(MALFORMED_FUNCTION_CALL\). It says: Malformed call/);
});

test('counts what a model used also where it made no answer of it', () => {
  const events: ReplyEvent[] = [];
  const chunk = { candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }], usageMetadata: { promptTokenCount: 9, thoughtsTokenCount: 20 } };
  expect(() => createGenerateReplyReader(reading).push(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`), events)).toThrow(/no tool call/);
  expect(events).toEqual([{ type: 'usage', usage: { tokensIn: 9, tokensOut: 20, tokensReasoning: 20 } }]);
});

test('takes a reason that is not set for none', () => {
  expect(read(Buffer.from('data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"FINISH_REASON_UNSPECIFIED"}]}\n\ndata: {"candidates":[{"finishReason":"MAX_TOKENS"}]}\n\n'), 10).at(-1)).toEqual({ type: 'finish', reason: 'length' });
});

test('takes an error in the stream for what it says', () => {
  expect(() => only({ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } })).toThrow(/overloaded or down/);
  expect(() => only({ error: { message: 'Odd.' } })).toThrow(/broke off with an error. It says: Odd/);
});

test('reads a whole answer by the same rules', () => {
  const reader = createGenerateReader(reading);
  const events: ReplyEvent[] = [];
  reader.push(Buffer.from('\ufeff{"candidates":[{"content":{"parts":[{"text":"So'), events);
  reader.push(Buffer.from('"}]},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":3,"toolUsePromptTokenCount":4,"candidatesTokenCount":"odd"}}'), events);
  reader.end(events);
  expect(events).toEqual([{ type: 'text', text: 'So' }, { type: 'usage', usage: { tokensIn: 7 } }, { type: 'finish', reason: 'length' }]);
});
