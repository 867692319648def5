import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { ParleyError } from '../errors.ts';
import type { Log, Metrics } from '../observability/index.ts';
import type { JobsTable, Storage, WriteQueries } from '../storage/index.ts';
import { JobQueue, type Ending, type Reported } from './queue.ts';
import { hasEnded, kindOf, toJob } from './rows.ts';
import { RunningJob } from './running-job.ts';
import { defaultTimings, type JobTimings } from './timings.ts';
import type { Job, JobFilter, JobHandler, Jobs, NewJob } from './types.ts';
import { Waiters } from './waiters.ts';

export interface JobsOptions {
  storage: Storage;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Names this process among all that work on the database. */
  instanceId: string;
  /** Replaces single waiting times, for tests. */
  timings?: Partial<JobTimings>;
}

interface Kind {
  handler: JobHandler;
  concurrency: number;
  running: number;
}

/** Milliseconds between two deletions of old jobs. */
const purgeMs = 3_600_000;

/** Most jobs that `list` answers. */
const maxListed = 1_000;

/** Takes jobs from the database and runs them, as many of each kind at once as its registration allows. */
export class DurableJobs implements Jobs {
  readonly name = 'jobs';
  readonly #options: JobsOptions;
  readonly #timings: JobTimings;
  readonly #queue: JobQueue;
  readonly #kinds = new Map<string, Kind>();
  readonly #running = new Map<string, { job: RunningJob; ended: Promise<void> }>();
  readonly #waiters = new Waiters();
  #state: 'new' | 'started' | 'stopping' = 'new';
  #claiming: Promise<void> | null = null;
  #claimAgain = false;
  #pollTimer: NodeJS.Timeout | null = null;
  #heartbeatTimer: NodeJS.Timeout | null = null;
  #lastHeartbeat = 0;
  #lastRecovery = 0;
  #lastPurge = Number.NEGATIVE_INFINITY;

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#timings = { ...defaultTimings, ...options.timings };
    this.#queue = new JobQueue(options.storage, options.clock, options.instanceId, this.#timings);
  }

  async start(): Promise<void> {
    const { storage, log, clock } = this.#options;
    const recovered = await this.#queue.recover(storage.engine === 'sqlite');
    if (recovered > 0) log.info({ recovered }, 'Jobs of a server that ended are taken up again');
    this.#lastRecovery = clock.monotonic();
    this.#state = 'started';
    this.#wake();
  }

  async stop(): Promise<void> {
    const wasRunning = this.#state === 'started';
    this.#state = 'stopping';
    if (this.#pollTimer) clearTimeout(this.#pollTimer);
    if (!wasRunning) return;
    await this.#claiming;
    const running = [...this.#running.values()];
    for (const { job } of running) job.abort('stopping');
    const late = new AbortController();
    await Promise.race([
      Promise.all(running.map(({ ended }) => ended)),
      delay(this.#timings.stopMs, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
    if (this.#heartbeatTimer) clearInterval(this.#heartbeatTimer);
    for (const { job } of this.#running.values()) await this.#abandon(job);
  }

  register(kind: string, handler: JobHandler, concurrency = 1): void {
    if (this.#kinds.has(kind)) throw new Error(`Jobs of the kind ${kind} have a handler already.`);
    this.#kinds.set(kind, { handler, concurrency, running: 0 });
    this.#wake();
  }

  async add(queries: WriteQueries, job: NewJob): Promise<string | null> {
    const id = await this.#queue.insert(queries, job);
    if (id !== null) this.#options.storage.afterCommit(queries, () => this.#wake());
    return id;
  }

  async enqueue(job: NewJob): Promise<string | null> {
    return await this.#options.storage.write(async (queries) => await this.add(queries, job));
  }

  async get(id: string): Promise<Job | null> {
    const row = await this.#options.storage.read.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
    return row ? toJob(row) : null;
  }

  async list(filter: JobFilter, limit: number): Promise<Job[]> {
    let query = this.#options.storage.read.selectFrom('jobs').selectAll();
    if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind);
    const any = filter.kindOnAnyMachine;
    if (any !== undefined) query = query.where((where) => where.or([where('kind', '=', any), where(where.fn('substr', ['kind', where.lit(1), where.lit(any.length + 1)]), '=', `${any}@`)]));
    if (filter.userId !== undefined) query = query.where('user_id', '=', filter.userId);
    if (filter.states !== undefined) {
      if (filter.states.length === 0) return [];
      query = query.where('state', 'in', filter.states);
    }
    const rows = await query.orderBy('id', 'desc').limit(Math.max(0, Math.min(limit, maxListed))).execute();
    return rows.map(toJob);
  }

  async cancel(id: string): Promise<Job | null> {
    const ended = await this.#queue.cancel(id);
    if (!ended) this.#running.get(id)?.job.abort('cancelled');
    this.#waiters.wake(id);
    const job = await this.get(id);
    if (ended && job) this.#options.metrics.jobs.inc({ kind: kindOf(job.kind), state: 'cancelled' });
    return job;
  }

  async retry(id: string): Promise<Job | null> {
    await this.#queue.retry(id);
    this.#wake();
    return await this.get(id);
  }

  async wait(id: string, signal?: AbortSignal): Promise<Job> {
    for (;;) {
      signal?.throwIfAborted();
      const woken = this.#waiters.next(id, this.#timings.pollMs, signal);
      const job = await this.get(id).catch((error: unknown) => {
        this.#waiters.wake(id);
        throw error;
      });
      if (!job) throw new ParleyError('not_found', { message: 'There is no such job.' });
      if (hasEnded(job)) {
        this.#waiters.wake(id);
        return job;
      }
      await woken;
    }
  }

  /** Looks for jobs now; while that goes on, once more after it. */
  #wake(): void {
    if (this.#state !== 'started') return;
    this.#claimAgain = true;
    this.#claiming ??= this.#claimAll().finally(() => {
      this.#claiming = null;
    });
  }

  async #claimAll(): Promise<void> {
    if (this.#pollTimer) clearTimeout(this.#pollTimer);
    let pause: number = this.#timings.pollMs;
    while (this.#claimAgain && this.#state === 'started') {
      this.#claimAgain = false;
      try {
        await this.#maintain();
        const next = await this.#claimDue();
        pause = Math.min(this.#timings.pollMs, next ?? this.#timings.pollMs);
      } catch (error) {
        this.#options.log.warn({ err: error }, 'Looking for jobs failed and will be tried again');
        pause = this.#timings.pollMs;
      }
    }
    if (this.#state !== 'started') return;
    this.#pollTimer = setTimeout(() => this.#wake(), Math.max(1, pause));
    this.#pollTimer.unref();
  }

  /** Starts what is due. Milliseconds until the next is; null when none waits. */
  async #claimDue(): Promise<number | null> {
    for (const [name, kind] of this.#kinds) {
      const free = kind.concurrency - kind.running;
      if (free <= 0) continue;
      for (const row of await this.#queue.claim(name, free)) this.#begin(kind, row);
    }
    const free = [...this.#kinds].filter(([, kind]) => kind.running < kind.concurrency).map(([name]) => name);
    return await this.#queue.untilNext(free);
  }

  /** What comes up now and then: jobs of dead owners, and old rows. */
  async #maintain(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (this.#options.storage.engine !== 'sqlite' && now - this.#lastRecovery >= this.#timings.leaseMs / 2) {
      this.#lastRecovery = now;
      await this.#queue.recover(false);
    }
    if (now - this.#lastPurge >= purgeMs) {
      this.#lastPurge = now;
      await this.#queue.purge();
    }
  }

  #begin(kind: Kind, row: JobsTable): void {
    const job = new RunningJob(row, this.#queue, this.#timings, this.#options.log);
    kind.running += 1;
    const ended = this.#run(kind, job).finally(() => {
      kind.running -= 1;
      this.#running.delete(row.id);
      if (this.#running.size === 0 && this.#heartbeatTimer) {
        clearInterval(this.#heartbeatTimer);
        this.#heartbeatTimer = null;
      }
      this.#waiters.wake(row.id);
      this.#wake();
    });
    this.#running.set(row.id, { job, ended });
    if (this.#heartbeatTimer === null) {
      this.#lastHeartbeat = this.#options.clock.monotonic();
      this.#heartbeatTimer = setInterval(() => void this.#heartbeat(), this.#timings.heartbeatMs);
      this.#heartbeatTimer.unref();
    }
  }

  async #run(kind: Kind, job: RunningJob): Promise<void> {
    const { ending, reported } = await job.run(kind.handler);
    if (job.lost) return;
    await this.#end(job, ending, reported);
  }

  /** Writes how a try ended; while the database cannot be written (a full disk) it is tried again for as long as the job is ours. */
  async #end(job: RunningJob, ending: Ending, reported: Reported | null): Promise<void> {
    const { log, metrics } = this.#options;
    for (let pause = 500; !job.lost; pause = Math.min(pause * 2, 30_000)) {
      try {
        const state = await this.#queue.end(job.row, ending, reported);
        if (state !== null && state !== 'waiting') metrics.jobs.inc({ kind: kindOf(job.row.kind), state });
        return;
      } catch (error) {
        log.error({ err: error, kind: job.row.kind, id: job.row.id }, 'The end of a job could not be saved');
        if (error instanceof RangeError) ending = { state: 'failed', error: error.message };
        else if (this.#state === 'stopping') return;
        else await delay(pause, undefined, { ref: false });
      }
    }
  }

  /** A handler that does not stop loses its job, so that the next server takes it up. */
  async #abandon(job: RunningJob): Promise<void> {
    this.#options.log.warn({ kind: job.row.kind, id: job.row.id }, 'A job did not stop in time');
    try {
      await this.#queue.end(job.row, { state: 'interrupted' }, null);
    } catch (error) {
      this.#options.log.error({ err: error, id: job.row.id }, 'A job could not be put back');
    }
    job.abort('lost');
  }

  async #heartbeat(): Promise<void> {
    const { clock, log } = this.#options;
    const ids = [...this.#running.keys()];
    if (ids.length === 0) return;
    const started = clock.monotonic();
    try {
      const ours = await this.#queue.renew(ids);
      this.#lastHeartbeat = started;
      for (const id of ids) {
        const job = this.#running.get(id)?.job;
        if (!ours.has(id)) job?.abort('lost');
        else if (ours.get(id)) job?.abort('cancelled');
      }
    } catch (error) {
      log.warn({ err: error }, 'The leases of running jobs could not be renewed');
      // With SQLite nobody else can take them; elsewhere another instance will have done so by now.
      if (this.#options.storage.engine === 'sqlite' || started - this.#lastHeartbeat < this.#timings.leaseMs) return;
      for (const { job } of this.#running.values()) job.abort('lost');
    }
  }
}
