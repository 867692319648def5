import { describe, expect, it } from 'vitest';
import { leastPiece, mostPiece, mostPieces, piecesBetween } from './limits.ts';
import { PieceCutter, PieceLine } from './pieces.ts';
import { fill, stagesIn } from './templates.ts';

function cut(...texts: string[]): string[] {
  const cutter = new PieceCutter();
  return [...texts.flatMap((text) => cutter.add(text)), ...cutter.rest()].map(({ text, gap }) => `${text}|${gap}`);
}

describe('Pieces of a text', () => {
  const long = 'This sentence has more than forty letters in it';

  it('end behind sentences and lines, wherever the text was broken', () => {
    expect(cut(`${long}. And so on.\n\n${long}!  End`)).toEqual([`${long}.| `, `And so on.\n\n${long}!|  `, 'End|']);
    expect(cut(...`${long}. And so on.\n\n${long}!  End`)).toEqual(cut(`${long}. And so on.\n\n${long}!  End`));
    expect(cut(`${long}\n${long}`)).toEqual([`${long}|\n`, `${long}|`]);
    expect(cut('', ' ', '\n')).toEqual([]);
    expect(leastPiece).toBeLessThan(long.length);
  });

  it('are cut where no sentence ends, but never through a character', () => {
    const text = '🙂'.repeat(mostPiece * 2);
    const pieces = cut(`x${text}`);
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.every((piece) => piece.isWellFormed() && piece.length <= mostPiece * 2 + 1)).toBe(true);
    expect(pieces.join('').replaceAll('|', '')).toBe(`x${text}`);
  });

  it('wait for each other, and there is an end to them', async () => {
    const stop = new AbortController();
    const line = new PieceLine(stop.signal);
    const piece = { text: 'x', gap: '' };
    for (let at = 0; at < piecesBetween; at += 1) await line.put(piece);
    let isIn = false;
    const waiting = line.put(piece).then(() => (isIn = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isIn).toBe(false);
    const reader = line.all();
    await reader.next();
    await waiting;
    const all = (async () => { let count = 0; for await (const _piece of reader) count += 1; return count; })();
    for (let at = piecesBetween + 1; at < mostPieces; at += 1) await line.put(piece);
    await expect(line.put(piece)).rejects.toMatchObject({ code: 'too_large' });
    line.close();
    expect(await all).toBe(mostPieces - 1);
    const other = new PieceLine(stop.signal).all().next();
    stop.abort();
    await expect(other).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('A prompt', () => {
  const fillings = { input: '{{original}} $& in', original: 'out', stages: new Map([['a-1', 'first']]) };

  it('is filled once: what is put in is just text', () => {
    expect(fill('{{input}} / {{ original }} / {{stage.a-1}} / {{stage.none}} / {{other}}', fillings)).toBe('{{original}} $& in / out / first /  / {{other}}');
    expect(fill('Say it', fillings)).toBe('Say it\n\n{{original}} $& in');
    expect(fill(null, fillings)).toBe(fillings.input);
    expect(stagesIn('{{stage.a}} {{ stage.b }} {{input}}')).toEqual(['a', 'b']);
  });
});
