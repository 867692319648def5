import type { Clock } from '../../../base/clock.ts';
import type { Metrics } from '../../../base/observability/index.ts';
import type { UsageTable } from '../../../base/storage/index.ts';

/** Records one call of a model that has ended. What somebody stopped has not failed. */
export function recordCall({ clock, metrics }: { clock: Clock; metrics: Metrics }, outcome: UsageTable['outcome'], durationMs: number | null, firstTokenMs: number | null): void {
  if (durationMs === null) return;
  const now = clock.monotonic();
  const failed = outcome === 'FAILED' || outcome === 'INTERRUPTED';
  metrics.recordings.ai.add(now, durationMs, failed);
  if (firstTokenMs !== null) metrics.recordings.firstToken.add(now, firstTokenMs, failed);
}
