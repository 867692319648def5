/** How long jobs wait for what, in milliseconds. */
export interface JobTimings {
  /** A running job whose owner has been silent for so long is given to another. */
  leaseMs: number;
  /** How often an owner gives a sign of life, and notices that a job was cancelled elsewhere. Well below the lease. */
  heartbeatMs: number;
  /** How often jobs are looked for that another process added, or whose time has come. */
  pollMs: number;
  /** Least time between two writes of a job's progress. */
  reportMs: number;
  /** How long a stopping server waits for handlers to notice. */
  stopMs: number;
  /** Pause before the second try; it doubles with each further one. */
  firstRetryMs: number;
  /** The longest pause between two tries. */
  maxRetryMs: number;
  /** Ended jobs without a dedup key are deleted after this time. */
  keepMs: number;
}

export const defaultTimings: JobTimings = {
  leaseMs: 20_000,
  heartbeatMs: 5_000,
  pollMs: 1_000,
  reportMs: 300,
  stopMs: 8_000,
  firstRetryMs: 1_000,
  maxRetryMs: 300_000,
  keepMs: 30 * 24 * 3_600_000,
};

/** The pause before the next try. @param attempts tries made so far, 1 or more */
export function retryPause(timings: JobTimings, attempts: number): number {
  return Math.min(timings.firstRetryMs * 2 ** (attempts - 1), timings.maxRetryMs);
}
