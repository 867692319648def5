import type { WriteQueries } from '../storage/index.ts';
import type { Part } from '../lifecycle.ts';

/** A job to be done later, whatever happens to the process. */
export interface NewJob {
  /** Its name, and behind an `@` the machine that must do it, if it must be a certain one: `model-pull@m1`. */
  kind: string;
  userId?: string | null;
  /** JSON value for the handler. */
  payload: unknown;
  /** While a job of this key is waiting or running, or has been done, a second one is not made. */
  dedupKey?: string | null;
  /** Make it also when one of its key has been done: its result is not what is wanted any more. */
  again?: boolean;
  /** Greater runs first. Default 0. */
  priority?: number;
  /** Milliseconds since the epoch; not before. */
  runAt?: number;
  /** Tries in all; default 5, with growing pauses. */
  maxAttempts?: number;
}

export interface Job {
  id: string;
  kind: string;
  userId: string | null;
  payload: unknown;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  attempts: number;
  /** 0 to 1; null while not known. */
  progress: number | null;
  /** What the handler noted, to go on from after a break and to show. */
  note: unknown;
  result: unknown;
  error: string | null;
  createdAt: number;
  endedAt: number | null;
}

/** What a handler is given besides the job. */
export interface JobRun {
  /** Aborted when the job is cancelled, its lease is lost, or the server stops. */
  signal: AbortSignal;
  /** Whether it was aborted because somebody has cancelled it: then it does not go on later. */
  isCancelled(): boolean;
  /** Saves progress (0 to 1, null when not known) and a note; at most a few times a second reach the database. */
  report(progress: number | null, note?: unknown): Promise<void>;
}

/**
 * Does one job; what it returns is stored as the result (JSON of at most a million characters). What it throws is
 * stored as the error and tried again later, but for a ParleyError of the 4xx kind: a wrong request stays wrong. When
 * `signal` is aborted it should throw soon; however it ends then, the job is cancelled, or put back to waiting when the
 * server stops (that try does not count).
 */
export type JobHandler = (job: Job, run: JobRun) => Promise<unknown>;

/** Which jobs are meant; what is left out does not matter. */
export interface JobFilter {
  kind?: string;
  /** A kind without a machine: those of all machines. */
  kindOnAnyMachine?: string;
  userId?: string;
  states?: Job['state'][];
}

/** Durable long work: at-least-once, so handlers are idempotent. */
export interface Jobs extends Part {
  /** @param concurrency jobs of this kind at the same time in this process; default 1 */
  register(kind: string, handler: JobHandler, concurrency?: number): void;
  /** Adds a job in the caller's transaction; it starts only if that commits. Returns its id, or null when the dedup key was taken. */
  add(queries: WriteQueries, job: NewJob): Promise<string | null>;
  /** Adds a job in a transaction of its own. */
  enqueue(job: NewJob): Promise<string | null>;
  get(id: string): Promise<Job | null>;
  /** Newest first. */
  list(filter: JobFilter, limit: number): Promise<Job[]>;
  /** Waiting jobs end at once, running ones when their handler has stopped. */
  cancel(id: string): Promise<Job | null>;
  /** Puts a failed or cancelled job back to waiting; its note is kept. */
  retry(id: string): Promise<Job | null>;
  /** Resolves when the job has ended (done, failed or cancelled). */
  wait(id: string, signal?: AbortSignal): Promise<Job>;
}
