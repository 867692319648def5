import { describe, expect, test } from 'vitest';
import { firstDifference } from './comparison.ts';

const compare = (sealed: string, found: string) => firstDifference([...sealed], [...found]);

describe('The first difference between what was sealed and what is there', () => {
  test.each([
    ['nothing', 'abcdef', 'abcdef', null],
    ['a message that is another one', 'abcdef', 'abXdef', { what: 'altered', position: 2 }],
    ['the last one altered', 'abc', 'abX', { what: 'altered', position: 2 }],
    ['two altered: the first is named', 'abcdef', 'aXcYef', { what: 'altered', position: 1 }],
    ['one removed', 'abcdef', 'abdef', { what: 'removed', position: 2 }],
    ['two removed', 'abcdef', 'abef', { what: 'removed', position: 2 }],
    ['the end cut off', 'abcdef', 'abcd', { what: 'truncated', position: 4 }],
    ['everything cut off', 'abc', '', { what: 'truncated', position: 0 }],
    ['one added in between', 'abcdef', 'abXcdef', { what: 'added', position: 2 }],
    ['one added at the end', 'abcdef', 'abcdefX', { what: 'added', position: 6 }],
    ['one said again', 'abcdef', 'abcbdef', { what: 'added', position: 3 }],
    ['one said again at the end', 'abc', 'abca', { what: 'added', position: 3 }],
    ['two that changed places', 'abcdef', 'abdcef', { what: 'reordered', position: 2 }],
    ['one moved to the end', 'abcdef', 'acdefb', { what: 'reordered', position: 1 }],
    ['all the other way round', 'abcdef', 'afedcb', { what: 'reordered', position: 1 }],
    ['one removed before another was altered', 'abcdef', 'acdXf', { what: 'removed', position: 1 }],
  ])('%s', (_, sealed, found, expected) => {
    expect(compare(sealed, found)).toEqual(expected);
  });
});
