import { describe, expect, it } from 'vitest';
import { fileNameOf } from './saving.ts';

describe('the name of a saved chat', () => {
  it.each([
    ['Bread: how long?', 'Bread how long'],
    ['a/b\\c', 'a b c'],
    ['..hidden', 'hidden'],
    ['  Crème\tbrûlée  ', 'Crème brûlée'],
    ['???', 'chat'],
  ])('%j is saved as %j', (title, name) => {
    expect(fileNameOf(title)).toBe(name);
  });

  it('is short enough for any file system', () => {
    expect(fileNameOf('long '.repeat(100)).length).toBeLessThanOrEqual(80);
  });
});
