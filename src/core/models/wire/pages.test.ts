import { expect, test } from 'vitest';
import { readPages } from './pages.ts';

test('reads page after page until none is named', async () => {
  const marks: string[] = [];
  const pages: Record<string, { entries: number[]; next: unknown }> = { '': { entries: [1, 2], next: 'b' }, b: { entries: [3], next: '' } };
  expect(await readPages(async (mark) => {
    marks.push(mark);
    return pages[mark]!;
  })).toEqual([1, 2, 3]);
  expect(marks).toEqual(['', 'b']);
});

test('does not go round in circles, nor on for ever', async () => {
  let asked = 0;
  const count = (next: () => string): Promise<number[]> => readPages(async () => {
    asked += 1;
    return { entries: [asked], next: next() };
  });
  expect(await count(() => 'same')).toEqual([1, 2]);
  asked = 0;
  expect(await count(() => `page ${asked}`)).toHaveLength(10);
});
