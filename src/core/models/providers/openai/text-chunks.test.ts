import { describe, expect, test } from 'vitest';
import type { ReplyEvent } from '../../types.ts';
import { createChatReplyReader } from './reply.ts';
import { TextChunks } from '../../wire/index.ts';

/** Reads these chunks of one answer, each as a service would send it. */
function read(chunks: readonly string[]): ReplyEvent[] {
  const events: ReplyEvent[] = [];
  const reader = createChatReplyReader({ label: 'The service', apiKey: null });
  for (const chunk of chunks) reader.push(Buffer.from(`data: ${chunk}\n\n`), events);
  return events;
}

/** The same chunks read one by one, each as the first of an answer: so all of them are parsed. */
const parsed = (chunks: readonly string[]): ReplyEvent[] => chunks.flatMap((chunk) => read([chunk]));

const chunkOf = (content: string, more: object = {}): string => JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null, ...more }], usage: null });

describe('chunks that differ in their text alone', () => {
  const forms: Record<string, string[]> = {
    'plain texts': ['Hello', ' there', '', ', 😀', 'Grüße', ' "quoted"', 'back\\slash', 'new\nline', '\u2028', '\u0000', 'a', 'Hello'].map((text) => chunkOf(text)),
    'a text that stands elsewhere, too': [JSON.stringify({ note: 'a', choices: [{ delta: { content: 'a' } }] }), JSON.stringify({ note: 'b', choices: [{ delta: { content: 'b' } }] }), JSON.stringify({ note: 'a', choices: [{ delta: { content: 'c' } }] })],
    'a key that comes twice: the last counts': ['{"choices":[{"delta":{"content":"a","content":"b"}}]}', '{"choices":[{"delta":{"content":"c","content":"b"}}]}', '{"choices":[{"delta":{"content":"a","content":"d"}}]}'],
    'the same text in two places': ['{"choices":[{"delta":{"role":"x","content":"x"}}]}', '{"choices":[{"delta":{"role":"y","content":"x"}}]}', '{"choices":[{"delta":{"role":"x","content":"z"}}]}'],
    'more than a text between them': [chunkOf('a'), chunkOf('b'), chunkOf('c', { finish_reason: 'stop' }), chunkOf('d'), chunkOf('e', { delta: { content: 'e', reasoning_content: 'hm' } }), chunkOf('f')],
    'noise in each': ['a', 'b', 'c', 'd', 'e', 'f'].map((text, at) => JSON.stringify({ choices: [{ delta: { content: text } }], obfuscation: 'x'.repeat(at) })),
    'reasoning in place of text': ['a', 'b'].map((text) => JSON.stringify({ choices: [{ delta: { reasoning_content: text } }] })),
    'refusals': ['a', 'b'].map((text) => JSON.stringify({ choices: [{ delta: { refusal: text } }] })),
  };

  test.each(Object.entries(forms))('are read as if each were parsed: %s', (_name, chunks) => {
    expect(read(chunks)).toEqual(parsed(chunks));
  });

  test('that are cut or followed by something else are still errors', () => {
    for (const broken of ['{"id":"c","choices":[{"index":0,"delta":{"content":"c', `${chunkOf('c')}x`, chunkOf('c').replace('"c"}', '"c"')]) {
      expect(() => read([chunkOf('a'), chunkOf('b'), broken])).toThrow();
    }
    expect(() => read([chunkOf('a'), chunkOf('b'), JSON.stringify({ error: { message: 'Overloaded' } })])).toThrow();
  });

  test('are cut out, not parsed', () => {
    const chunks = new TextChunks();
    chunks.learn('{"t":"one"}', 'one', (data) => (JSON.parse(data) as { t: string }).t);
    expect(['{"t":"two"}', '{"t":"a\\nb"}', '{"t":""}', '{"u":"two"}', '{"t":"two"} '].map((data) => chunks.textOf(data))).toEqual(['two', null, null, null, null]);
  });
});
