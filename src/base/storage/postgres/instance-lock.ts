import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { ParleyError } from '../../errors.ts';
import type { Log } from '../../observability/index.ts';
import { translatePostgresError } from './errors.ts';

/** How many servers may use the database: `one` that is alone, or `many` that share a Redis. */
export type Instances = 'one' | 'many';

/** The first half of the key of our advisory locks; the second is the schema, so that each has a lock of its own. */
export const lockClass = 0x7061_726c;

/** Milliseconds to wait at the start for a server that is just ending. */
const waitMs = 2000;
const retryMs = 200;
/** How often the connection of the lock is looked at, and how long it may take to answer, milliseconds. */
const lookEveryMs = 5000;
const patienceMs = 5000;

interface InstanceLockParts {
  databaseUrl: string;
  instances: Instances;
  log: Log;
  /** Called once when another server has the lock that this one had. */
  onLost: (error: ParleyError) => void;
}

/**
 * Keeps servers apart that do not know of each other: an advisory lock of PostgreSQL, exclusive without Redis and shared
 * with it, on a connection of its own (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
 * The database server gives it back when the connection ends, however it ends.
 */
export class InstanceLock {
  readonly #parts: InstanceLockParts;
  #client: Client | null = null;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #retaking: Promise<void> | null = null;
  readonly #stop = new AbortController();

  constructor(parts: InstanceLockParts) {
    this.#parts = parts;
  }

  /** @throws {ParleyError} `conflict` when another server uses the database, `storage_unavailable` */
  async take(): Promise<void> {
    const until = performance.now() + waitMs;
    while (!(await this.#try())) {
      if (performance.now() >= until) throw this.#conflict();
      await delay(retryMs);
    }
  }

  async release(): Promise<void> {
    this.#stopped = true;
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#retaking;
    const client = this.#client;
    this.#client = null;
    await client?.end();
  }

  /** One attempt: false when another server holds the lock. */
  async #try(): Promise<boolean> {
    const { default: pg } = await import('pg');
    const client = new pg.Client({
      connectionString: this.#parts.databaseUrl, application_name: 'parley-lock', connectionTimeoutMillis: 10_000, keepAlive: true,
      query_timeout: patienceMs, statement_timeout: 0, idle_session_timeout: 0,
    } as ConstructorParameters<typeof pg.Client>[0]);
    // Also keeps an error of the connection from ending the process.
    client.on('error', (error) => this.#broke(client, error));
    client.on('end', () => this.#broke(client, new Error('the connection was ended')));
    try {
      await client.connect();
      const call = this.#parts.instances === 'one' ? 'pg_try_advisory_lock' : 'pg_try_advisory_lock_shared';
      const { rows } = await client.query<{ held: boolean }>(`select ${call}($1::integer, hashtext(current_schema())) as held`, [lockClass]);
      if (rows[0]?.held === true && !this.#stopped) {
        this.#client = client;
        this.#look(client);
        return true;
      }
      await client.end();
      return rows[0]?.held === true;
    } catch (error) {
      void client.end().catch(() => undefined);
      throw translatePostgresError(error);
    }
  }

  /** A connection that a network swallows is never closed: only a question tells. */
  #look(client: Client): void {
    this.#timer = setTimeout(() => {
      client.query('select 1').then(
        () => {
          if (this.#client === client) this.#look(client);
        },
        (error: unknown) => this.#broke(client, error),
      );
    }, lookEveryMs);
    this.#timer.unref();
  }

  #broke(client: Client, error: unknown): void {
    if (this.#client !== client || this.#stopped) return;
    this.#client = null;
    clearTimeout(this.#timer);
    void client.end().catch(() => undefined);
    this.#parts.log.warn({ err: error }, 'The connection that holds the lock on the database broke; taking the lock again');
    this.#retaking ??= this.#retake().finally(() => (this.#retaking = null));
  }

  /** Tries until the lock is ours again, or another server has it. */
  async #retake(): Promise<void> {
    const refusedUntil = performance.now() + waitMs;
    while (!this.#stopped) {
      try {
        if (await this.#try()) return this.#parts.log.info('The lock on the database is held again');
        // The server may not have noticed yet that our old connection is gone, and hold the lock for it.
        if (performance.now() >= refusedUntil) return this.#parts.onLost(this.#conflict());
      } catch (error) {
        this.#parts.log.debug({ err: error }, 'The lock on the database could not be asked for');
      }
      await delay(retryMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #conflict(): ParleyError {
    return new ParleyError('conflict', {
      message: this.#parts.instances === 'one'
        ? 'Another Parley uses this PostgreSQL database. Without Redis only one can: stop the other one, or set REDIS_URL to the same Redis for all of them (docs/several-instances.md).'
        : 'A Parley without REDIS_URL uses this PostgreSQL database, and such a one must be alone. Stop it, or give it the same REDIS_URL (docs/several-instances.md).',
    });
  }
}
