import { describe, expect, it } from 'vitest';
import { dayGroup, formatBytes, formatCost, formatCount, formatDuration } from './format.ts';

describe('figures for a person', () => {
  it.each([[0, '0 B'], [999, '999 B'], [1000, '1 KB'], [1536, '1.5 KB'], [999_600, '1 MB'], [469_000_000, '469 MB'], [1_234_567_890, '1.2 GB'], [5e15, '5000 TB']])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([[0, '0 ms'], [840.4, '840 ms'], [3210, '3.2 s'], [59_949, '59.9 s'], [59_960, '1 min 0 s'], [125_000, '2 min 5 s'], [3_725_000, '1 h 2 min']])('%f ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it.each([[0, 'free'], [0.00001, 'under $0.0001'], [0.0012, '$0.0012'], [0.5, '$0.50'], [12.345, '$12.35']])('%f dollars are %s', (dollars, text) => {
    expect(formatCost(dollars)).toBe(text);
  });

  it('separates thousands', () => {
    expect(formatCount(1234567)).toBe('1,234,567');
  });
});

describe('the days of the list', () => {
  const now = new Date(2026, 2, 10, 9, 30);
  it.each([
    [new Date(2026, 2, 10, 0, 0), 'Today'],
    [new Date(2026, 2, 9, 23, 59), 'Yesterday'],
    [new Date(2026, 2, 4), 'Last 7 days'],
    [new Date(2026, 1, 12), 'Last 30 days'],
    [new Date(2025, 1, 12), 'Older'],
    [new Date(2026, 2, 10, 9, 31), 'Today'],
  ])('%s belongs to %s', (time, group) => {
    expect(dayGroup(time.toISOString(), now)).toBe(group);
  });
});
