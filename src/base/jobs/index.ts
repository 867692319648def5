import { DurableJobs, type JobsOptions } from './jobs.ts';
import type { Jobs } from './types.ts';

export type * from './types.ts';
export type { JobsOptions } from './jobs.ts';
export { kindOf } from './rows.ts';
export type { JobTimings } from './timings.ts';

/** The queue of long work. Handlers are registered before or after `start`; nothing runs before it. */
export function createJobs(options: JobsOptions): Jobs {
  return new DurableJobs(options);
}
