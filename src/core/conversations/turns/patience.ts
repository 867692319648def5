import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../../base/clock.ts';
import { ParleyError } from '../../../base/errors.ts';

/** How long is waited for a database that cannot be read, milliseconds: a server that restarts is back by then. */
export const readPatienceMs = 30_000;
/** Pause before it is read again, milliseconds. */
const againMs = 500;

/**
 * Reads again for a while when the database is away.
 * @param mayWait asked before each further try: false when nobody needs the answer any more
 * @throws what `read` throws, when it is something else or lasts for too long
 */
export async function patiently<Result>(clock: Clock, mayWait: () => boolean, read: () => Promise<Result>): Promise<Result> {
  const began = clock.monotonic();
  for (;;) {
    try {
      return await read();
    } catch (error) {
      const mayPass = error instanceof ParleyError && error.code === 'storage_unavailable' && mayWait();
      if (!mayPass || clock.monotonic() - began > readPatienceMs) throw error;
      await delay(againMs, undefined, { ref: false });
    }
  }
}
