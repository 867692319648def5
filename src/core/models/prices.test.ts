import { expect, test } from 'vitest';
import { priceOf, prices } from './prices.ts';

test('multiplies tokens by the price of their kind, in micro-dollars', () => {
  // 1000 sent at 2.5, of which 400 from the cache at 1.25, and 100 made at 10.
  expect(priceOf('openai/gpt-4o', 1000, 100, 400)).toBe(600 * 2.5 + 400 * 1.25 + 100 * 10);
  expect(priceOf('openai/gpt-4', 1000, 100, 400)).toBe(1000 * 30 + 100 * 60);
});

test('holds for dated snapshots, unless they have a price of their own', () => {
  expect(priceOf('openai/gpt-4o-2024-08-06', 1_000_000, 0)).toBe(2_500_000);
  expect(priceOf('openai/gpt-4o-2024-05-13', 1_000_000, 0)).toBe(5_000_000);
  expect(priceOf('anthropic/claude-haiku-4-5-20251001', 1_000_000, 1_000_000)).toBe(6_000_000);
});

test('knows no price for what is not listed, rather than a near one', () => {
  for (const id of ['openai/gpt-4o-realtime', 'openai/gpt-3.5-turbo-1106', 'other/gpt-4o', 'ollama/llama2', 'gpt-4o', '']) expect(priceOf(id, 10, 10)).toBeNull();
});

test('is never more cached than was sent', () => {
  expect(priceOf('openai/gpt-4o', 10, 0, 1000)).toBe(Math.round(10 * 1.25));
});

test('every row has a day and a source, and no model is listed twice', () => {
  for (const price of prices) {
    expect(price.date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(price.source).not.toBe('');
    expect(Math.min(price.input, price.output, price.cached ?? 0)).toBeGreaterThanOrEqual(0);
  }
  expect(new Set(prices.map((price) => `${price.provider}/${price.model}`)).size).toBe(prices.length);
});
