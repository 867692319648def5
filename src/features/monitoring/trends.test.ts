import { expect, test } from 'vitest';
import { parseTimeFrame } from './time-frame.ts';
import { latencyTrend, throughputTrend } from './trends.ts';

const half = (count: number, meanMs: number) => ({ count, totalMs: count * meanMs });

test('a trend of times needs ten calls in either half, and a change of more than a tenth', () => {
  expect(latencyTrend(half(9, 100), half(50, 10))).toBe('unknown');
  expect(latencyTrend(half(50, 100), half(9, 10))).toBe('unknown');
  expect(latencyTrend(half(10, 100), half(10, 110))).toBe('stable');
  expect(latencyTrend(half(10, 100), half(10, 90))).toBe('stable');
  expect(latencyTrend(half(10, 100), half(10, 111))).toBe('degrading');
  expect(latencyTrend(half(10, 100), half(30, 89))).toBe('improving');
});

test('a trend of calls as well', () => {
  expect(throughputTrend(0, 500)).toBe('unknown');
  expect(throughputTrend(500, 9)).toBe('unknown');
  expect([throughputTrend(100, 110), throughputTrend(100, 111), throughputTrend(100, 89)]).toEqual(['stable', 'increasing', 'decreasing']);
});

test('windows of time are whole numbers of minutes, hours or days', () => {
  expect(['30m', '24h', '7d', '366d'].map((text) => parseTimeFrame(text)?.ms)).toEqual([30 * 60_000, 86_400_000, 7 * 86_400_000, 366 * 86_400_000]);
  for (const text of ['', '0h', '24', 'h', '-1h', '1.5h', '24H', ' 24h', '24h ', '1s', '1w', '367d', '9999999m', '1e3h', '٣h', '24h\n']) expect([text, parseTimeFrame(text)]).toEqual([text, null]);
});
