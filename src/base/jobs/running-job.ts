import { randomInt } from 'node:crypto';
import { ParleyError } from '../errors.ts';
import type { Log } from '../observability/index.ts';
import type { JobsTable } from '../storage/index.ts';
import type { Ending, JobQueue, Reported } from './queue.ts';
import { toJob } from './rows.ts';
import { retryPause, type JobTimings } from './timings.ts';
import type { JobHandler } from './types.ts';

/** Why a running job is aborted. */
export type AbortReason = 'cancelled' | 'stopping' | 'lost';

/** One try of one job: calls the handler, keeps its reports, and decides how the try ended. */
export class RunningJob {
  readonly row: JobsTable;
  readonly #queue: JobQueue;
  readonly #timings: JobTimings;
  readonly #log: Log;
  readonly #abort = new AbortController();
  #reason: AbortReason | null = null;
  /** The newest report that is not in the database yet. */
  #unsaved: Reported | null = null;
  #saving: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor(row: JobsTable, queue: JobQueue, timings: JobTimings, log: Log) {
    this.row = row;
    this.#queue = queue;
    this.#timings = timings;
    this.#log = log;
  }

  /** Whether it may no longer write anything. */
  get lost(): boolean {
    return this.#reason === 'lost';
  }

  /** Asks the handler to stop. The first reason counts, but a lost lease outweighs the others. */
  abort(reason: AbortReason): void {
    if (this.#reason === null || reason === 'lost') this.#reason = reason;
    this.#abort.abort(new Error(`The job was aborted: ${this.#reason}.`));
  }

  /** Runs the handler to its end and answers what to write. Never throws. */
  async run(handler: JobHandler): Promise<{ ending: Ending; reported: Reported | null }> {
    let ending: Ending;
    try {
      const result = await handler(toJob(this.row), { signal: this.#abort.signal, isCancelled: () => this.#reason === 'cancelled', report: async (progress, note) => this.#report(progress, note) });
      ending = this.#aborted() ?? { state: 'done', result: result ?? null };
    } catch (error) {
      ending = this.#aborted() ?? this.#failure(error);
    }
    if (this.#timer) clearTimeout(this.#timer);
    await this.#saving;
    return { ending, reported: this.#unsaved };
  }

  /** However a handler ends after it was aborted, its work may be half done: the reason decides. */
  #aborted(): Ending | null {
    if (this.#reason === null) return null;
    return this.#reason === 'cancelled' ? { state: 'cancelled' } : { state: 'interrupted' };
  }

  #failure(error: unknown): Ending {
    const { kind, id, attempts, max_attempts: most } = this.row;
    const message = error instanceof Error ? error.message : String(error);
    if (attempts >= most || isFinal(error)) {
      this.#log.error({ err: error, kind, id, attempts }, 'A job failed');
      return { state: 'failed', error: message };
    }
    const pause = retryPause(this.#timings, attempts);
    const asked = error instanceof ParleyError ? (error.retryAfterMs ?? 0) : 0;
    const pauseMs = Math.max(asked, pause + randomInt(Math.floor(pause / 5) + 1));
    this.#log.warn({ err: error, kind, id, attempts, pauseMs }, 'A job failed and will be tried again');
    return { state: 'waiting', error: message, pauseMs };
  }

  /** The first report is written at once, later ones at most once in `reportMs`; the newest always is. */
  #report(progress: number | null, note: unknown): void {
    if (progress !== null && !(progress >= 0 && progress <= 1)) throw new RangeError('Progress is between 0 and 1.');
    const earlier = this.#unsaved?.note;
    this.#unsaved = { progress, note: note === undefined ? earlier : note };
    if (this.#timer === null) this.#save();
  }

  #save(): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#unsaved) this.#save();
    }, this.#timings.reportMs);
    this.#timer.unref();
    this.#saving = this.#saving.then(async () => {
      const reported = this.#unsaved;
      if (!reported || this.lost) return;
      try {
        await this.#queue.report(this.row, reported);
        if (this.#unsaved === reported) this.#unsaved = null;
      } catch (error) {
        this.#log.warn({ err: error, kind: this.row.kind, id: this.row.id }, 'The progress of a job could not be saved');
      }
    });
  }
}

/** A request that is wrong stays wrong: errors of the 4xx kind are not tried again, unless they say when to. */
function isFinal(error: unknown): boolean {
  return error instanceof ParleyError && error.status >= 400 && error.status < 500 && error.retryAfterMs === undefined && error.code !== 'rate_limited';
}
