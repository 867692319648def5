import type { Period } from './types.ts';

const dayMs = 24 * 3600 * 1000;

/** Begin of the period that holds this moment and of the one behind it, in UTC, milliseconds since the epoch. */
export function periodAt(period: Period, now: number): { start: number; end: number } {
  if (period === 'day') {
    const start = Math.floor(now / dayMs) * dayMs;
    return { start, end: start + dayMs };
  }
  const date = new Date(now);
  return { start: Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1), end: Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) };
}

/** A moment as people write it, in UTC: `2026-12-01 00:00 UTC`. */
export function timeInUtc(moment: number): string {
  return `${new Date(moment).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
