import { describe, expect, it } from 'vitest';
import { Words } from './words.ts';

const texts = ["That's wonderful to hear!", 'one', '', ' ', '  two  spaces ', 'a\nb c\n', '日本語 と 😀 emoji', 'end ', ' begin'];

/** Everything told of a text that comes in pieces of `size` units. */
function tell(text: string, size: number, words = new Words()) {
  const told = [];
  for (let at = 0; at < text.length; at += size) told.push(...words.take(text.slice(at, at + size), at));
  return [...told, ...words.rest()];
}

describe('Words of a growing text', () => {
  it.each(texts)('joined by one space are the text again, however it came: %j', (text) => {
    for (const size of [1, 2, 3, 100]) expect(tell(text, size).map(({ piece }) => piece).join(' ')).toBe(text);
  });

  it.each(texts)('go on from each position exactly: %j', (text) => {
    const whole = tell(text, 2);
    for (const [at, { position }] of whole.entries()) {
      for (const size of [1, 100]) expect(tell(text, size, new Words(position))).toEqual(whole.slice(at + 1));
    }
  });

  it('are told when the space behind them has come, not before', () => {
    const words = new Words();
    expect(words.take('Hel', 0)).toEqual([]);
    expect(words.take('lo, An', 3)).toEqual([{ piece: 'Hello,', position: 7 }]);
    expect(words.rest()).toEqual([{ piece: 'An', position: 10 }]);
    expect(words.rest()).toEqual([]);
  });

  it('leave out what comes once more', () => {
    const words = new Words();
    words.take('one two ', 0);
    expect(words.take('one two three ', 0)).toEqual([{ piece: 'three', position: 14 }]);
  });
});
