import { describe, expect, it } from 'vitest';
import type { UsageLine } from '../../shared/api/index.ts';
import { daysOfMonth } from './days.ts';

const line = (group: string, input: number): UsageLine => ({ group, label: group, calls: 1, tokens: { input, output: 1 }, cost_usd: 0, calls_without_tokens: 0, calls_without_price: 0 });

describe('The days of a month', () => {
  it('are all there, up to today, also those on which nothing was asked', () => {
    const days = daysOfMonth([line('2030-02-02', 9), line('2030-02-04', 19)], new Date('2030-02-04T23:59:00Z'));
    expect(days.map(({ date, tokens }) => [date, tokens])).toEqual([['2030-02-01', 0], ['2030-02-02', 10], ['2030-02-03', 0], ['2030-02-04', 20]]);
  });

  it('are those of UTC, as the server counts them', () => {
    expect(daysOfMonth([], new Date('2030-03-01T00:30:00+02:00')).at(-1)!.date).toBe('2030-02-28');
  });
});
