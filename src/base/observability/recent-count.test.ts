import { expect, test } from 'vitest';
import { RecentCount } from './recent-count.ts';

test('counts what happened in the last sixty seconds, and forgets the rest', () => {
  const recent = new RecentCount();
  expect(recent.count(0)).toBe(0);
  for (let second = 0; second < 100; second += 1) recent.add(second * 1000 + 500);
  expect(recent.count(99_600)).toBe(60);
  expect(recent.count(130_000)).toBe(29);
  expect(recent.count(1_000_000)).toBe(0);
  for (let count = 0; count < 7; count += 1) recent.add(1_000_000);
  expect(recent.count(1_059_999)).toBe(7);
  expect(recent.count(1_060_000)).toBe(0);
});
