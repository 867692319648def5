import { describe, expect, it } from 'vitest';
import { ChunkPace, wholeFrameDue, type DueChunk } from './chunk-pace.ts';

describe('Frames that repeat the whole text', () => {
  it('come less often as the text grows: all together are O(n log n)', () => {
    const token = 'word ';
    const total = (tokens: number): number => {
      let sent = 0;
      const pace = new ChunkPace(true, (due: DueChunk) => (sent += due.whole!.length));
      for (let at = 1; at <= tokens; at += 1) pace.update(token.repeat(at), at);
      pace.stop();
      return sent;
    };
    const [small, large] = [total(2000), total(16_000)];
    expect(large / small).toBeLessThan(8 * 2);
    expect(wholeFrameDue(1, 2000)).toBe(true);
    expect(wholeFrameDue(1, 100_000)).toBe(false);
  });

  it('add up to the text', () => {
    const due: DueChunk[] = [];
    const pace = new ChunkPace(true, (chunk) => due.push(chunk));
    for (let at = 1; at <= 3000; at += 1) pace.update('word '.repeat(at), at);
    pace.flush();
    expect(due.map(({ chunk }) => chunk).join('')).toBe('word '.repeat(3000));
    for (const [at, chunk] of due.entries()) expect(chunk.whole).toBe((due[at - 1]?.whole ?? '') + chunk.chunk);
  });
});
