import type { LatencyTrend, ThroughputTrend } from './types.ts';

/** Fewest samples in either half of the window from which a trend is read. */
export const fewestSamples = 10;
/** How much the second half must differ from the first, as a share of it, to be more than stable. */
export const margin = 0.1;

/** What was measured in one half of the window. */
export interface Half {
  count: number;
  totalMs: number;
}

/** By the mean time of calls: less is better. */
export function latencyTrend(early: Half, late: Half): LatencyTrend {
  if (early.count < fewestSamples || late.count < fewestSamples) return 'unknown';
  const sign = change(early.totalMs / early.count, late.totalMs / late.count);
  return sign === 0 ? 'stable' : sign < 0 ? 'improving' : 'degrading';
}

/** By calls a minute; the halves are equally long, so their counts compare alike. */
export function throughputTrend(early: number, late: number): ThroughputTrend {
  if (early < fewestSamples || late < fewestSamples) return 'unknown';
  const sign = change(early, late);
  return sign === 0 ? 'stable' : sign > 0 ? 'increasing' : 'decreasing';
}

/** The sign of a change beyond the margin; 0 within it. */
function change(early: number, late: number): number {
  return Math.abs(late - early) <= early * margin ? 0 : Math.sign(late - early);
}
