import { expect, test } from 'vitest';
import { drawPriceOf, drawingPrices } from './drawing-prices.ts';

test('pays pictures by the piece, in micro-dollars: by size and quality, the usual ones where none are named', () => {
  expect(drawPriceOf('openai/dall-e-3', {})).toBe(40_000);
  expect(drawPriceOf('openai/dall-e-3', { count: 3, size: '1024x1792', quality: 'hd' })).toBe(360_000);
});

test('knows no price for what is not listed, rather than a near one', () => {
  expect(drawPriceOf('openai/dall-e-3', { size: '512x512' })).toBeNull();
  expect(drawPriceOf('openai/gpt-image-1', {})).toBeNull();
});

test('every row has a day and a source, and none comes twice', () => {
  for (const price of drawingPrices) expect([price.date, price.source]).toEqual([expect.stringMatching(/^\d{4}-\d{2}-\d{2}$/), expect.stringMatching(/\S/)]);
  expect(new Set(drawingPrices.map(({ id, size, quality }) => `${id} ${size} ${quality}`)).size).toBe(drawingPrices.length);
});
