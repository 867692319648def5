import { describe, expect, it } from 'vitest';
import { fold, holdsAll, snippetOf, wordsOf } from './matching.ts';

/** The parts of a snippet that are marked as hits. */
const marked = (text: string, query: string): string[] => {
  const snippet = snippetOf(text, wordsOf(query));
  return snippet.matches.map(({ start, end }) => snippet.text.slice(start, end));
};
const found = (text: string, query: string): boolean => holdsAll(text, wordsOf(query));

describe('Words', () => {
  it('are without case, in every script that has one', () => {
    for (const [text, query] of [
      ['Straße', 'STRASSE'], ['STRASSE', 'straße'], ['ΟΔΥΣΣΕΥΣ', 'οδυσσευς'], ['όνομας', 'ΌΝΟΜΑΣ'], ['Привет', 'ПРИВЕТ'], ['ՀԱՅԵՐԵՆ', 'հայերեն'],
      ['Éclair', 'e\u0301CLAIR'], ['ﬁne', 'FINE'], ['𐐀𐐁', '𐐨𐐩'], ['İzmir', 'i\u0307zmir'], ['한국어', '\u1112\u1161\u11ab국어'], ['日本語', '本'],
    ] as const) {
      expect(found(text, query), `${text} and ${query}`).toBe(true);
      expect(fold(fold(text))).toBe(fold(text));
    }
    expect(found('resume', 'résumé')).toBe(false);
  });

  it('are plain text: nothing in them is a wildcard', () => {
    for (const query of ['100%', 'a_b', '.*', '[x]', '\\', "'", '"', '*', '(', '^$']) {
      expect(found(`before ${query} behind`, query), query).toBe(true);
      expect(found('100 percent, aXb, anything', query), query).toBe(false);
    }
  });

  it('must all occur, in any order; the same one counts once', () => {
    expect(found('the quick brown fox', 'FOX quick')).toBe(true);
    expect(found('the quick brown fox', 'fox slow')).toBe(false);
    expect(wordsOf('  Fox\tfox\u3000FOX ')).toEqual(['fox']);
    expect(wordsOf(' \n ')).toEqual([]);
    expect(wordsOf(Array.from({ length: 50 }, (_, index) => `w${index}`).join(' '))).toHaveLength(16);
  });
});

describe('A snippet', () => {
  it('shows the surroundings of the first hit, in one line, and where the hits are', () => {
    const text = `${'first words '.repeat(30)}\nhere is the\tTreasure, a treasure!${' last words'.repeat(30)}`;
    const snippet = snippetOf(text, ['treasure']);
    expect(snippet.text).toMatch(/^….*here is the Treasure, a treasure!.*…$/);
    expect(snippet.text.length).toBeLessThanOrEqual(202);
    expect(marked(text, 'TREASURE here')).toEqual(['here', 'Treasure', 'treasure']);
  });

  it('marks what the text says, also where its folded form is longer or shorter', () => {
    expect(marked('In der Straße, große STRASSE', 'strasse')).toEqual(['Straße', 'STRASSE']);
    expect(marked('cafe\u0301 and CAFÉ', 'café')).toEqual(['cafe\u0301', 'CAFÉ']);
    expect(marked('İİİ izmir', 'izmir')).toEqual(['izmir']);
    expect(marked(`${'ß '.repeat(9000)}needle`, 'NEEDLE')).toEqual(['needle']);
  });

  it('cuts no character in two', () => {
    const { text } = snippetOf(`x${'😀'.repeat(300)}needle${'😀'.repeat(300)}`, ['needle']);
    expect(text.isWellFormed()).toBe(true);
    expect(text).toContain('needle');
  });

  it('joins hits that overlap', () => {
    expect(marked('banana', 'ana nan')).toEqual(['anana']);
  });
});
