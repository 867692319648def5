import { open, type FileHandle } from 'node:fs/promises';
import type { Log } from '../../observability/index.ts';
import type { WriteLock } from '../write-lock.ts';
import { DatabaseWorker, type WorkerAnswer, type WorkerSettings } from './worker-client.ts';

/** When to do what. */
export interface CheckpointTimes {
  /** Milliseconds from a commit until it is on the disk, whatever happens to the machine. */
  delayMs: number;
  /** Bytes of the write-ahead log up to which there is no checkpoint. It is SQLite's own default. */
  minLogBytes: number;
  /**
   * Pages of 4 KiB in the log from which writers are held up for a moment to empty it. Under steady writing a
   * checkpoint that hinders nobody never reaches the end of the log, which would grow for ever.
   */
  maxLogPages: number;
  /** Milliseconds to wait after a checkpoint that failed, such as on a full disk, or that a reader hindered. */
  retryMs: number;
  /** Milliseconds without a commit after which the thread is ended, for its memory. */
  idleMs: number;
}

const defaultTimes: CheckpointTimes = { delayMs: 1_000, minLogBytes: 4_096_000, maxLogPages: 16_384, retryMs: 10_000, idleMs: 30_000 };

/**
 * Keeps the write-ahead log safe and short, without stopping the event loop: soon after commits it makes the disk keep
 * them (SQLite with `synchronous = normal` does that at checkpoints only), and when the log has grown it moves its pages
 * into the database file, in a thread.
 */
export class Checkpoints {
  readonly #settings: WorkerSettings;
  readonly #lock: WriteLock;
  readonly #log: Log;
  readonly #times: CheckpointTimes;
  #file: FileHandle | null = null;
  #worker: DatabaseWorker | null = null;
  #timer: NodeJS.Timeout | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(settings: WorkerSettings, lock: WriteLock, log: Log, times: Partial<CheckpointTimes> = {}) {
    this.#settings = settings;
    this.#lock = lock;
    this.#log = log;
    this.#times = { ...defaultTimes, ...times };
  }

  /** Tells that something was committed. Costs nothing while a run is due already. */
  noteCommit(): void {
    if (this.#timer === null && !this.#stopped) this.#schedule(this.#times.delayMs);
  }

  /** Ends the thread. The caller closes the database after it, which moves what is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of [this.#timer, this.#idleTimer]) if (timer) clearTimeout(timer);
    await this.#running;
    await this.#endWorker();
    await this.#file?.close();
    this.#file = null;
  }

  /** Does what is due now; it never throws. */
  async run(): Promise<void> {
    try {
      if ((await this.#syncLog()) < this.#times.minLogBytes) return;
      const first = await this.#ask('passive');
      if ((first.logPages ?? 0) < this.#times.maxLogPages) return;
      await this.#ask('passive'); // What was written meanwhile: this leaves little for the part that holds up writers.
      await this.#lock.acquire();
      try {
        const { busy } = await this.#ask('truncate');
        if (busy && !this.#stopped) this.#schedule(this.#times.retryMs); // A long read, such as a backup, needs the log.
      } finally {
        this.#lock.release();
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'A checkpoint of the database failed and will be tried again');
      if (!this.#stopped) this.#schedule(this.#times.retryMs);
    }
  }

  /** Makes the disk keep the log, in Node's thread pool. The answer is the size of its file in bytes. */
  async #syncLog(): Promise<number> {
    // Other files of the database must not be opened: closing them would take SQLite's locks away. This one has none.
    this.#file ??= await open(`${this.#settings.path}-wal`, 'r+');
    if (!this.#settings.fullSync) await this.#file.datasync();
    return (await this.#file.stat()).size;
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
    if (this.#idleTimer) clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.#running = this.#running.then(() => this.#endWorker());
    }, this.#times.idleMs);
    this.#idleTimer.unref();
    return await this.#worker.ask({ operation });
  }

  async #endWorker(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    try {
      await worker?.stop();
    } catch (error) {
      this.#log.warn({ err: error }, 'The checkpoint thread did not end properly');
    }
  }
}
