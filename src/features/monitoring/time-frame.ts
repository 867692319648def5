import type { TimeFrame } from './types.ts';

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Longest window, milliseconds: 366 days. */
const longest = 366 * units.d;

/** How a window of time is written, for a person. */
export const timeFrameForm = 'a whole number with m, h or d, such as 30m, 24h or 7d, up to 366d';

/** Reads a window of time; null for what is none, or is longer than 366 days. */
export function parseTimeFrame(text: string): TimeFrame | null {
  const parts = /^([1-9]\d{0,5})([mhd])$/.exec(text);
  if (!parts) return null;
  const ms = Number(parts[1]) * units[parts[2] as keyof typeof units];
  return ms <= longest ? { text, ms } : null;
}
