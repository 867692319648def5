import { describe, expect, test } from 'vitest';
import { canonicalRow, RowSum, type Row } from './rows.ts';

const sumOf = (rows: Row[]): string => {
  const sum = new RowSum();
  sum.add(rows);
  return sum.end().checksum;
};

describe('The canonical form of a row', () => {
  test('writes numbers as both engines hold them', () => {
    expect(canonicalRow([1, 1.0, -0, 0.1, 1e300, Infinity, 1152921504606846977n, null])).toBe('1,1,0,0.1,1e+300,Infinity,1152921504606846977,null');
  });

  test.each<[Row, Row]>([
    [['null'], [null]],
    [['1'], [1]],
    [['a,b'], ['a', 'b']],
    [['a\n"b'], ['a\\n"b']],
    [['é'], ['e\u0301']],
    [[''], [null]],
    [[new Uint8Array([1, 2])], ['x0102']],
  ])('tells %j from %j', (one, other) => {
    expect(canonicalRow(one)).not.toBe(canonicalRow(other));
  });

  test('refuses values that no engine has', () => {
    expect(() => canonicalRow([{} as never])).toThrow(TypeError);
    expect(() => canonicalRow([true as never])).toThrow(TypeError);
  });
});

describe('The sum of a table', () => {
  test('does not depend on the pieces in which rows come', () => {
    const parts = new RowSum();
    parts.add([['a', 1]]);
    parts.add([]);
    parts.add([['b', 2]]);
    expect(parts.end()).toEqual({ rows: 2, checksum: sumOf([['a', 1], ['b', 2]]) });
  });

  test('changes with a value, with the order, and with a row more', () => {
    const sums = [[['a', 1], ['b', 2]], [['a', 1], ['b', 3]], [['b', 2], ['a', 1]], [['a', 1], ['b', 2], ['b', 2]], []] as Row[][];
    expect(new Set(sums.map(sumOf)).size).toBe(sums.length);
  });
});
