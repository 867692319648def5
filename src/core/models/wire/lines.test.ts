import { describe, expect, test } from 'vitest';
import { createLineSplitter, StreamFormError } from './lines.ts';
import { createSseParser } from './sse.ts';

/** The lines of some bytes that come in reads of `size`. */
function lines(text: string | Buffer, size = Infinity, maxLength = 1000): string[] {
  const found: string[] = [];
  const splitter = createLineSplitter((line) => found.push(line), maxLength);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size));
  splitter.end();
  return found;
}

/** The events of a stream that comes in reads of `size`. */
function events(text: string, size = Infinity): [string, string][] {
  const found: [string, string][] = [];
  const parser = createSseParser((data, name) => found.push([data, name]), 1000);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
  parser.end();
  return found;
}

describe('lines', () => {
  test('end with LF, CRLF or CR, wherever the reads are cut', () => {
    for (const size of [1, 2, 3, 100]) {
      expect(lines('a\nb\r\nc\rd\n\r\n\re', size)).toEqual(['a', 'b', 'c', 'd', '', '', 'e']);
    }
  });

  test('keep characters whole that are split between reads', () => {
    for (const size of [1, 2, 3]) expect(lines('ä漢🦜\nü', size)).toEqual(['ä漢🦜', 'ü']);
  });

  test('lose the byte order mark at the beginning and no other', () => {
    expect(lines('\ufeffa\n\ufeffb', 1)).toEqual(['a', '\ufeffb']);
  });

  test('hold U+FFFD where the bytes are no UTF-8', () => {
    expect(lines(Buffer.from([0x61, 0xff, 0x0a, 0xe6]))).toEqual(['a\ufffd', '\ufffd']);
  });

  test('are bounded, whether they end or not', () => {
    expect(() => lines(`${'x'.repeat(1001)}\n`)).toThrow(StreamFormError);
    expect(() => lines('x'.repeat(1001), 10)).toThrow(StreamFormError);
    expect(lines('x'.repeat(1000), 10)).toEqual(['x'.repeat(1000)]);
  });

  test('of a megabyte that drips byte by byte take no more than a moment', () => {
    const began = performance.now();
    expect(lines('x'.repeat(1_000_000), 1, 2_000_000)[0]).toHaveLength(1_000_000);
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

describe('server-sent events', () => {
  test('join their data lines, carry their name, and pass over everything else', () => {
    const stream = ': comment\nid: 7\nretry: 10\nevent: greeting\ndata: one\ndata:two\ndata\nwhatever\n\ndata: three\n\n';
    for (const size of [1, 5, 1000]) expect(events(stream, size)).toEqual([['one\ntwo\n', 'greeting'], ['three', '']]);
  });

  test('without data are none', () => {
    expect(events('event: ping\n\n\n\ndata: x\n\n')).toEqual([['x', '']]);
  });

  test('are handed over when the stream ends in them', () => {
    expect(events('data: {"half')).toEqual([['{"half', '']]);
  });

  test('lose one space behind the colon, no more', () => {
    expect(events('data:  x\n\n')).toEqual([[' x', '']]);
  });

  test('are bounded however many lines they have', () => {
    expect(() => events('data: 0123456789\n'.repeat(100))).toThrow(StreamFormError);
  });
});
