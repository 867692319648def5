import type { Clock } from '../../../base/clock.ts';

/** Milliseconds over which the speed is measured. */
const window = 3000;
/** Milliseconds before the first figure: less says nothing. */
const least = 250;

/** Measures how fast something goes, over the last seconds. */
export interface Speedometer {
  add(bytes: number): void;
  /** Null when there is too little to tell. */
  bytesPerSecond(): number | null;
}

export function createSpeedometer(clock: Clock): Speedometer {
  let total = 0;
  /** Times and totals, the oldest first: at most some hundreds, because those close together are joined. */
  const samples = [{ at: clock.monotonic(), total: 0 }];
  return {
    add(bytes) {
      total += bytes;
      const at = clock.monotonic();
      if (at - samples.at(-1)!.at >= window / 100) samples.push({ at, total });
      while (samples.length > 2 && samples[1]!.at <= at - window) samples.shift();
    },
    bytesPerSecond() {
      const oldest = samples[0]!;
      const elapsed = clock.monotonic() - oldest.at;
      return elapsed < least ? null : Math.round(((total - oldest.total) / elapsed) * 1000);
    },
  };
}
