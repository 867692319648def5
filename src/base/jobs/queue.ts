import { sql } from 'kysely';
import type { Clock } from '../clock.ts';
import { newId } from '../ids.ts';
import { databaseTime, type JobsTable, type Storage, type WriteQueries } from '../storage/index.ts';
import { endedStates, toJson } from './rows.ts';
import type { JobTimings } from './timings.ts';
import type { NewJob } from './types.ts';

/** Tries in all, unless the job says otherwise. */
const defaultMaxAttempts = 5;

/** Most characters of an error that are kept. */
const maxErrorLength = 500;

/** Rows that one transaction of the clean-up deletes, and transactions of one clean-up. */
const purgeRows = 200;
const maxPurgeRounds = 100;

/** What is kept of a handler's reports. */
export interface Reported {
  progress: number | null;
  /** `undefined` leaves the note as it is. */
  note: unknown;
}

/** How a try ended. */
export type Ending =
  | { state: 'done'; result: unknown }
  | { state: 'cancelled' }
  | { state: 'failed'; error: string }
  /** To be tried again after a pause. */
  | { state: 'waiting'; error: string; pauseMs: number }
  /** The server stops: the try does not count. */
  | { state: 'interrupted' };

/**
 * The rows of the jobs. Whatever is written for a running job names its owner and its try, so that an owner who was
 * taken for dead and wakes up again changes nothing.
 */
export class JobQueue {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #instanceId: string;
  readonly #timings: JobTimings;

  constructor(storage: Storage, clock: Clock, instanceId: string, timings: JobTimings) {
    this.#storage = storage;
    this.#clock = clock;
    this.#instanceId = instanceId;
    this.#timings = timings;
  }

  #now() {
    return databaseTime(this.#storage.engine, this.#clock);
  }

  /** The id, or null when a job of the same key waits, runs or was done. One that failed or was cancelled gives its key away, one that was done only to a job that is to be made again. */
  async insert(queries: WriteQueries, job: NewJob): Promise<string | null> {
    const id = await this.#insertOnce(queries, job);
    if (id !== null || !job.dedupKey) return id;
    const freed = await queries.updateTable('jobs').set({ dedup_key: null })
      .where('dedup_key', '=', job.dedupKey).where('state', 'in', job.again ? [...endedStates] : ['failed', 'cancelled'])
      .executeTakeFirst();
    return freed.numUpdatedRows > 0n ? await this.#insertOnce(queries, job) : null;
  }

  async #insertOnce(queries: WriteQueries, job: NewJob): Promise<string | null> {
    const row = await queries.insertInto('jobs')
      .values({
        id: newId(),
        kind: job.kind,
        user_id: job.userId ?? null,
        payload: toJson(job.payload, 'payload') ?? 'null',
        state: 'waiting',
        dedup_key: job.dedupKey ?? null,
        priority: job.priority ?? 0,
        attempts: 0,
        max_attempts: job.maxAttempts ?? defaultMaxAttempts,
        run_at: job.runAt ?? this.#now(),
        owner: null,
        lease_until: null,
        progress: null,
        note: null,
        result: null,
        error: null,
        cancel_requested: 0,
        created_at: this.#now(),
        ended_at: null,
      })
      .onConflict((conflict) => conflict.column('dedup_key').doNothing())
      .returning('id')
      .executeTakeFirst();
    return row?.id ?? null;
  }

  /** Takes up to `most` jobs of this kind whose time has come; nobody else gets the same ones. */
  async claim(kind: string, most: number): Promise<JobsTable[]> {
    const due = this.#storage.read.selectFrom('jobs').select('id')
      .where('state', '=', 'waiting').where('kind', '=', kind).where('run_at', '<=', this.#now());
    if (!(await due.limit(1).executeTakeFirst())) return [];
    return await this.#storage.write(async (queries) => {
      const chosen = await queries.selectFrom('jobs').select('id')
        .where('state', '=', 'waiting').where('kind', '=', kind).where('run_at', '<=', this.#now())
        .orderBy('priority', 'desc').orderBy('run_at').orderBy('id')
        .limit(most)
        .forUpdate().skipLocked()
        .execute();
      if (chosen.length === 0) return [];
      return await queries.updateTable('jobs')
        .set((column) => ({
          state: 'running' as const,
          owner: this.#instanceId,
          lease_until: sql<number>`${this.#now()} + ${this.#timings.leaseMs}`,
          attempts: column('attempts', '+', 1),
          error: null,
        }))
        .where('id', 'in', chosen.map((row) => row.id))
        .returningAll()
        .execute();
    });
  }

  /** Milliseconds until the next waiting job of these kinds is due; null when none waits. */
  async untilNext(kinds: readonly string[]): Promise<number | null> {
    if (kinds.length === 0) return null;
    const row = await this.#storage.read.selectFrom('jobs')
      .select((column) => [column.fn.min('run_at').as('next'), this.#now().as('now')])
      .where('state', '=', 'waiting').where('kind', 'in', [...kinds])
      .executeTakeFirst();
    return row?.next === null || row?.next === undefined ? null : Math.max(0, Number(row.next) - Number(row.now));
  }

  /** Gives a sign of life for running jobs. The answer holds those that are still ours, and whether someone wants them cancelled. */
  async renew(ids: readonly string[]): Promise<Map<string, boolean>> {
    const rows = await this.#storage.write(async (queries) =>
      await queries.updateTable('jobs')
        .set({ lease_until: sql<number>`${this.#now()} + ${this.#timings.leaseMs}` })
        .where('id', 'in', [...ids]).where('state', '=', 'running').where('owner', '=', this.#instanceId)
        .returning(['id', 'cancel_requested'])
        .execute(),
    );
    return new Map(rows.map((row) => [row.id, row.cancel_requested === 1]));
  }

  /** Keeps progress and note of a running job. */
  async report(row: JobsTable, { progress, note }: Reported): Promise<void> {
    const values = note === undefined ? { progress } : { progress, note: toJson(note, 'note') };
    await this.#storage.write(async (queries) => {
      await queries.updateTable('jobs').set(values)
        .where('id', '=', row.id).where('state', '=', 'running').where('owner', '=', this.#instanceId).where('attempts', '=', row.attempts)
        .execute();
    });
  }

  /** Ends a try. The answer is the state that the row has now; null when the job was no longer ours. */
  async end(row: JobsTable, ending: Ending, reported: Reported | null): Promise<JobsTable['state'] | null> {
    const common = {
      owner: null,
      lease_until: null,
      ...(reported ? { progress: reported.progress } : {}),
      ...(reported && reported.note !== undefined ? { note: toJson(reported.note, 'note') } : {}),
    };
    const values = { ...common, ...this.#columnsOf(ending, row) };
    return await this.#storage.write(async (queries) => {
      const ours = queries.updateTable('jobs')
        .where('id', '=', row.id).where('state', '=', 'running').where('owner', '=', this.#instanceId).where('attempts', '=', row.attempts)
        .returning('state');
      if (values.state === 'waiting') {
        // Someone may have asked to cancel it meanwhile, in another process.
        const cancelled = await ours.where('cancel_requested', '=', 1).set({ ...common, ...this.#columnsOf({ state: 'cancelled' }, row) }).executeTakeFirst();
        if (cancelled) return cancelled.state;
      }
      return (await ours.set(values).executeTakeFirst())?.state ?? null;
    });
  }

  #columnsOf(ending: Ending, row: JobsTable) {
    switch (ending.state) {
      case 'done':
        return { state: ending.state, result: toJson(ending.result, 'result'), progress: 1, ended_at: this.#now() };
      case 'cancelled':
        return { state: ending.state, ended_at: this.#now() };
      case 'failed':
        return { state: ending.state, error: ending.error.slice(0, maxErrorLength), ended_at: this.#now() };
      case 'waiting':
        return { state: ending.state, error: ending.error.slice(0, maxErrorLength), run_at: sql<number>`${this.#now()} + ${ending.pauseMs}` };
      case 'interrupted':
        return { state: 'waiting' as const, attempts: row.attempts - 1 };
    }
  }

  /** Cancels a waiting job, or asks for it when it runs. True when it has ended by this. */
  async cancel(id: string): Promise<boolean> {
    return await this.#storage.write(async (queries) => {
      const waiting = await queries.updateTable('jobs').set({ state: 'cancelled', ended_at: this.#now() })
        .where('id', '=', id).where('state', '=', 'waiting')
        .executeTakeFirst();
      if (waiting.numUpdatedRows > 0n) return true;
      await queries.updateTable('jobs').set({ cancel_requested: 1 }).where('id', '=', id).where('state', '=', 'running').execute();
      return false;
    });
  }

  /** Puts a failed or cancelled job back to waiting, with all its tries before it. */
  async retry(id: string): Promise<void> {
    await this.#storage.write(async (queries) => {
      await queries.updateTable('jobs')
        .set({ state: 'waiting', attempts: 0, error: null, ended_at: null, cancel_requested: 0, run_at: this.#now() })
        .where('id', '=', id).where('state', 'in', ['failed', 'cancelled'])
        .execute();
    });
  }

  /**
   * Puts jobs back to waiting whose owner died. With SQLite one server holds the data folder, so at its start every
   * running job is an orphan; otherwise the lease tells. One that has used up its tries has failed: it may be what
   * killed the process.
   * @param all whether to look at no lease
   */
  async recover(all: boolean): Promise<number> {
    return await this.#storage.write(async (queries) => {
      let orphans = queries.selectFrom('jobs').select(['id', 'cancel_requested', 'attempts', 'max_attempts']).where('state', '=', 'running');
      if (!all) orphans = orphans.where('lease_until', '<', this.#now());
      const rows = await orphans.forUpdate().skipLocked().execute();
      for (const row of rows) {
        const free = { owner: null, lease_until: null };
        const values = row.cancel_requested === 1
          ? { ...free, state: 'cancelled' as const, ended_at: this.#now() }
          : row.attempts >= row.max_attempts
            ? { ...free, state: 'failed' as const, error: 'The server ended during the last try.', ended_at: this.#now() }
            : { ...free, state: 'waiting' as const, run_at: this.#now() };
        await queries.updateTable('jobs').set(values).where('id', '=', row.id).execute();
      }
      return rows.length;
    });
  }

  /** Deletes jobs that ended long ago, a few at a time. Those with a dedup key stay: they say what has been done. */
  async purge(): Promise<void> {
    for (let round = 0; round < maxPurgeRounds; round += 1) {
      const old = await this.#storage.read.selectFrom('jobs').select('id')
        .where('dedup_key', 'is', null).where('ended_at', '<', sql<number>`${this.#now()} - ${this.#timings.keepMs}`)
        .limit(purgeRows)
        .execute();
      if (old.length === 0) return;
      await this.#storage.write(async (queries) => {
        await queries.deleteFrom('jobs').where('id', 'in', old.map((row) => row.id)).where('state', 'in', [...endedStates]).execute();
      });
    }
  }
}
