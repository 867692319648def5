import type { Log } from '../../observability/index.ts';
import type { WriteLock } from '../write-lock.ts';
import { DatabaseWorker, type WorkerAnswer, type WorkerSettings } from './worker-client.ts';

/** Milliseconds from a commit to the checkpoint after it. */
const delayMs = 1000;

/** Milliseconds to wait after a checkpoint that failed, such as on a full disk, or that a reader hindered. */
const retryDelayMs = 10_000;

/**
 * Pages of 4 KiB in the write-ahead log (64 MiB) from which writers are held up for a moment to empty it. Under steady
 * writing a checkpoint that hinders nobody never reaches the end of the log, which would grow for ever.
 */
const maxLogPages = 16_384;

/** Moves committed pages from the write-ahead log into the database file, in a thread, soon after they were written. */
export class Checkpoints {
  readonly #settings: WorkerSettings;
  readonly #lock: WriteLock;
  readonly #log: Log;
  readonly #limit: number;
  #worker: DatabaseWorker | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  /** @param limit pages in the log from which it is emptied */
  constructor(settings: WorkerSettings, lock: WriteLock, log: Log, limit = maxLogPages) {
    this.#settings = settings;
    this.#lock = lock;
    this.#log = log;
    this.#limit = limit;
  }

  /** Tells that something was committed. Costs nothing while a checkpoint is due already. */
  noteCommit(): void {
    if (this.#timer === null && !this.#stopped) this.#schedule(delayMs);
  }

  /** Ends the thread. The caller closes the database after it, which moves what is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#running;
    const worker = this.#worker;
    this.#worker = null;
    await worker?.stop();
  }

  /** Runs a checkpoint now; it never throws. */
  async run(): Promise<void> {
    try {
      const first = await this.#ask('passive');
      if ((first.logPages ?? 0) < this.#limit) return;
      await this.#ask('passive'); // What was written meanwhile: this leaves little for the part that holds up writers.
      await this.#lock.acquire();
      try {
        const { busy } = await this.#ask('truncate');
        if (busy && !this.#stopped) this.#schedule(retryDelayMs); // A long read, such as a backup, needs the log.
      } finally {
        this.#lock.release();
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'A checkpoint of the database failed and will be tried again');
      if (!this.#stopped) this.#schedule(retryDelayMs);
    }
  }

  #schedule(milliseconds: number): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#running = this.#running.then(() => this.run());
    }, milliseconds);
    this.#timer.unref();
  }

  async #ask(operation: 'passive' | 'truncate'): Promise<WorkerAnswer> {
    if (!this.#worker || this.#worker.ended) this.#worker = new DatabaseWorker(this.#settings);
    return await this.#worker.ask({ operation });
  }
}
