import { expect, test } from 'vitest';
import { priceOf as priceAt, prices } from './prices.ts';

const now = Date.parse('2026-11-21');
const priceOf = (id: string, tokensIn: number, tokensOut: number, tokensCached = 0, at = now): number | null => priceAt(id, tokensIn, tokensOut, tokensCached, at);

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

test('holds until its last day, where the service names one', () => {
  const prices = ['2026-12-31T23:59:59Z', '2027-01-01T00:00:00Z'].map((at) => priceOf('google/gemini-3.8-flash', 1_000_000, 0, 0, Date.parse(at)));
  expect(prices).toEqual([750_000, 1_500_000]);
});

test('counts the tokens of texts that are embedded', () => {
  expect(['openai/text-embedding-3-small', 'google/gemini-embedding-001', 'cohere/embed-v4.0'].map((id) => priceOf(id, 1_000_000, 0))).toEqual([20_000, 150_000, 120_000]);
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
  expect(new Set(prices.map((price) => `${price.provider}/${price.model} ${price.until}`)).size).toBe(prices.length);
});
