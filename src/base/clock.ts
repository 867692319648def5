/**
 * The only source of time. Parts receive a clock as a parameter, so that tests can move it.
 */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. May jump. */
  now(): number;
  /** Monotonic time in milliseconds with fractions, for durations. Never jumps. */
  monotonic(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** Milliseconds since the epoch as an ISO 8601 text in UTC, as every dialect writes times. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
