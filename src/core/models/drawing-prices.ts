import type { DrawRequest } from './types.ts';

/**
 * List prices of pictures, in US dollars for one. What is not listed has no known price: its cost is null, never a guess.
 * Models that count tokens for their pictures (gpt-image-...) have rows once their prices could be looked up.
 */
export interface DrawingPrice {
  /** `provider/model`. */
  id: string;
  size: string;
  quality: string;
  dollars: number;
  /** The day the price was looked up, ISO 8601. */
  date: string;
  source: string;
}

const date = '2026-11-21';
const source = 'platform.openai.com/docs/pricing as in github.com/BerriAI/litellm';

function openai(model: string, quality: string, size: string, dollars: number): DrawingPrice {
  return { id: `openai/${model}`, size, quality, dollars, date, source };
}

export const drawingPrices: readonly DrawingPrice[] = [
  openai('dall-e-3', 'standard', '1024x1024', 0.04),
  openai('dall-e-3', 'standard', '1024x1792', 0.08),
  openai('dall-e-3', 'standard', '1792x1024', 0.08),
  openai('dall-e-3', 'hd', '1024x1024', 0.08),
  openai('dall-e-3', 'hd', '1024x1792', 0.12),
  openai('dall-e-3', 'hd', '1792x1024', 0.12),
  openai('dall-e-2', 'standard', '256x256', 0.016),
  openai('dall-e-2', 'standard', '512x512', 0.018),
  openai('dall-e-2', 'standard', '1024x1024', 0.02),
];

/** Micro-dollars for pictures by the table; null when one of them is not in it. The dall-e models draw 1024x1024 and standard unless told otherwise. */
export function drawPriceOf(id: string, { count = 1, size = '1024x1024', quality = 'standard' }: Pick<DrawRequest, 'count' | 'size' | 'quality'>): number | null {
  const price = drawingPrices.find((row) => row.id === id && row.size === size && row.quality === quality);
  return price ? Math.round(price.dollars * 1e6) * count : null;
}
