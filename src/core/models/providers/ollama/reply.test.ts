import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ReplyEvent } from '../../types.ts';
import { createChatReplyReader } from './reply.ts';

function read(name: string, size: number): ReplyEvent[] {
  const bytes = readFileSync(new URL(`./fixtures/${name}`, import.meta.url));
  const reader = createChatReplyReader();
  const events: ReplyEvent[] = [];
  for (let at = 0; at < bytes.length && !reader.isOver; at += size) reader.push(bytes.subarray(at, at + size), events);
  if (!reader.isOver) reader.end(events);
  return events;
}

test('reads text, usage and the end', () => {
  for (const size of [1, 100, 10_000]) {
    expect(read('chat.jsonl', size)).toEqual([
      { type: 'model', model: 'llama3.2' },
      { type: 'text', text: 'The' },
      { type: 'text', text: ' sky' },
      { type: 'usage', usage: { tokensIn: 26, tokensOut: 282, durationNs: 4_883_583_458 } },
      { type: 'finish', reason: 'stop' },
    ]);
  }
});

test('reads reasoning and tool calls, and makes ids where there are none', () => {
  expect(read('tool-calls.jsonl', 10_000)).toEqual([
    { type: 'model', model: 'qwen3' },
    { type: 'reasoning', text: 'The user asks for two things.' },
    { type: 'tool', index: 0, id: expect.stringMatching(/^call_\w{20,}$/) as string, name: 'get_weather', arguments: '{"city":"Tokyo"}' },
    { type: 'tool', index: 1, id: 'call_9x', name: 'get_time', arguments: '{}' },
    { type: 'usage', usage: { tokensIn: 169, tokensOut: 15, durationNs: 182_242_375 } },
    { type: 'finish', reason: 'tool' },
  ]);
});

test('takes an error line for what it says', () => {
  const reader = createChatReplyReader();
  expect(() => reader.push(Buffer.from('{"error":"model requires more system memory"}\n'), [])).toThrow(/Ollama broke off with an error. It says: model requires more system memory/);
});
