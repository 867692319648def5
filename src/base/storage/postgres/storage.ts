import { Kysely, sql, type Transaction } from 'kysely';
import type { Pool, PoolConfig } from 'pg';
import { ParleyError } from '../../errors.ts';
import { OpenTransactions } from '../after-commit.ts';
import { checkStorage } from '../check.ts';
import { migrations } from '../migrations/index.ts';
import { appliedMigrations, migrate, missingMigrations } from '../migrator.ts';
import type { StorageOptions } from '../options.ts';
import type { Schema } from '../schema.ts';
import { movedTables } from '../move/tables.ts';
import type { Maintenance, Queries, Storage, TableFigures, TurnLogRow, WriteQueries } from '../types.ts';
import { WriteLock } from '../write-lock.ts';
import { checkAddress } from './address.ts';
import { postgresDialect } from './dialect.ts';
import { isRetryable, translatePostgresError } from './errors.ts';
import { InstanceLock } from './instance-lock.ts';
import { pause } from './retry.ts';
import { appendTurnLog } from './turn-log.ts';

/** Connections of each of the two pools. Reads have their own, so that open transactions cannot starve them. */
const maxConnections = 8;
/** Connections for what must never wait behind other work: the log of running turns, and the leases. */
const urgentConnections = 2;

/** How often a transaction is tried again after a serialisation failure or a deadlock. */
const maxRetries = 3;
/** How long the database's clock is followed by the process's steady one before it is read again, milliseconds. */
const clockKeptMs = 1000;

/** int8 and numeric (the type of a sum over int8), by their object identifiers. */
const numberTypes = new Set([20, 1700]);

/** The database on a PostgreSQL server, for any number of instances. */
export class PostgresStorage implements Storage {
  readonly engine = 'postgres';
  readonly name = 'storage';
  readonly read: Queries;
  readonly urgent: Queries;
  readonly #writes: Queries;
  readonly #options: StorageOptions;
  readonly #transactions: OpenTransactions;
  /** Appends go out one after another, so that the rows of a turn are committed in their order. */
  readonly #appends = new WriteLock();
  #pools: Record<'reads' | 'writes' | 'urgent', Pool> | null = null;
  readonly #lock: InstanceLock | null;
  /** Set when another server has taken the place of this one: nothing is written any more. */
  #replaced: ParleyError | null = null;
  /** The database's clock as it was read last, and the process's steady clock then. */
  #databaseClock: { time: number; readAt: number } | null = null;

  constructor(options: StorageOptions) {
    this.#options = options;
    this.#transactions = new OpenTransactions(options.log);
    this.read = new Kysely<Schema>({ dialect: postgresDialect(() => this.#opened().reads, options.tracer) });
    this.urgent = new Kysely<Schema>({ dialect: postgresDialect(() => this.#writable().urgent, options.tracer) });
    this.#writes = new Kysely<Schema>({ dialect: postgresDialect(() => this.#writable().writes, options.tracer) });
    this.#lock = this.#makeLock();
  }

  async start(): Promise<void> {
    await checkAddress(this.#options.databaseUrl!);
    this.#pools = { reads: await this.#makePool(maxConnections), writes: await this.#makePool(maxConnections), urgent: await this.#makePool(urgentConnections) };
    try {
      // Before the tables are touched: another server may be using them.
      await this.#lock?.take();
      await migrate({
        engine: 'postgres',
        migrations: this.#options.migrations ?? migrations,
        transaction: (work) => this.write(async (queries) => await work(queries as unknown as Kysely<unknown>)),
        beforeChange: async (first) => {
          this.#options.log.info({ migration: first }, 'Changing the tables');
        },
        now: () => this.#options.clock.now(),
      });
    } catch (error) {
      await this.stop();
      if (error instanceof ParleyError && error.cause instanceof Error) {
        throw new ParleyError(error.code, { message: `PostgreSQL cannot be used: ${error.cause.message}`, cause: error.cause });
      }
      throw error;
    }
  }

  async stop(): Promise<void> {
    const pools = this.#pools;
    this.#pools = null;
    await Promise.all([pools?.reads.end(), pools?.writes.end(), pools?.urgent.end()]);
    await this.#lock?.release();
  }

  async write<Result>(work: (queries: WriteQueries) => Promise<Result>): Promise<Result> {
    this.#transactions.refuseNesting();
    for (let attempt = 1; ; attempt += 1) {
      let effects: (() => void)[] = [];
      try {
        const result = await this.#transactions.inside(() =>
          this.#writes.transaction().execute((queries: Transaction<Schema>) => {
            effects = this.#transactions.begin(queries);
            return work(queries);
          }),
        );
        this.#transactions.run(effects);
        return result;
      } catch (error) {
        if (!isRetryable(error) || attempt > maxRetries) throw error;
        await pause(attempt);
      }
    }
  }

  afterCommit(queries: WriteQueries, effect: () => void): void {
    this.#transactions.add(queries, effect);
  }

  async appendTurnLog(given: readonly TurnLogRow[] | (() => readonly TurnLogRow[]), again = false): Promise<boolean[]> {
    this.#transactions.refuseNesting();
    await this.#appends.acquire();
    const { clock, metrics } = this.#options;
    const started = clock.monotonic();
    try {
      const rows = typeof given === 'function' ? given() : given;
      return rows.length === 0 ? [] : await appendTurnLog(this.#writable().urgent, rows, again);
    } catch (error) {
      throw translatePostgresError(error);
    } finally {
      this.#appends.release();
      metrics.commitSeconds.observe((clock.monotonic() - started) / 1000);
    }
  }

  async now(): Promise<number> {
    const { clock } = this.#options;
    const known = this.#databaseClock;
    const passed = known ? clock.monotonic() - known.readAt : Infinity;
    if (known && passed >= 0 && passed < clockKeptMs) return Math.floor(known.time + passed);
    const { rows } = await sql<{ now: number }>`select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(this.read);
    this.#databaseClock = { time: rows[0]!.now, readAt: clock.monotonic() };
    return rows[0]!.now;
  }

  async backup(): Promise<void> {
    throw new ParleyError('not_implemented', {
      message: 'Parley copies SQLite databases only. Back up PostgreSQL with its own tools, such as pg_dump.',
    });
  }

  async integrity(): Promise<string[]> {
    const names = await appliedMigrations(this.read as unknown as Kysely<unknown>);
    return missingMigrations(names, this.#options.migrations ?? migrations);
  }

  async figures(): Promise<TableFigures[]> {
    const figures: TableFigures[] = [];
    for (const table of Object.keys(movedTables)) {
      const { rows } = await sql<{ rows: number; bytes: number }>`select (select count(*) from ${sql.table(table)}) as rows, pg_total_relation_size(to_regclass(${table})) as bytes`.execute(this.read);
      figures.push({ table, rows: Number(rows[0]!.rows), bytes: Number(rows[0]!.bytes) });
    }
    return figures;
  }

  /** Table by table: neither can stand in a transaction, and both may take longer than other statements. */
  async maintain(work: Maintenance): Promise<void> {
    const client = await this.#writable().writes.connect();
    try {
      await client.query('set statement_timeout = 0');
      for (const table of Object.keys(movedTables)) await client.query(`${work === 'vacuum' ? 'vacuum (analyze)' : 'analyze'} ${table}`);
      await client.query('reset statement_timeout');
      client.release();
    } catch (error) {
      client.release(true);
      throw translatePostgresError(error);
    }
  }

  async sizeBytes(): Promise<number> {
    const { rows } = await sql<{ size: number }>`select pg_database_size(current_database()) as size`.execute(this.read);
    return Number(rows[0]!.size);
  }

  async check(): Promise<{ ok: true } | { ok: false; problem: string }> {
    return await checkStorage(this, this.#options.clock);
  }

  /** The library is loaded here, because most installations never need it. */
  async #makePool(max: number): Promise<Pool> {
    const { default: pg } = await import('pg');
    const parsers = pg.types;
    const config: PoolConfig = {
      connectionString: this.#options.databaseUrl!,
      application_name: 'parley',
      max,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      // An instance that is stopped in the middle of a transaction must not hold its locks for ever.
      idle_in_transaction_session_timeout: 5000,
      lock_timeout: 15_000,
      statement_timeout: 60_000,
      types: {
        getTypeParser: ((type: number, format?: 'text' | 'binary') => {
          if (numberTypes.has(type) && format !== 'binary') return toNumber;
          return parsers.getTypeParser(type, format as 'text');
        }) as typeof parsers.getTypeParser,
      },
    };
    const pool = new pg.Pool(config);
    const note = (error: Error): void => this.#options.log.warn({ err: error }, 'A connection to PostgreSQL broke');
    pool.on('error', note);
    // Without a listener a connection that breaks while it is in use would end the process; its query fails anyway.
    pool.on('connect', (client) => client.on('error', note));
    return pool;
  }

  #makeLock(): InstanceLock | null {
    const { databaseUrl, exclusive, instances, log, onReplaced } = this.#options;
    if (instances === undefined || exclusive === false || databaseUrl === null) return null;
    const onLost = (error: ParleyError): void => {
      this.#replaced = error;
      log.fatal(error.message);
      onReplaced?.(error);
    };
    return new InstanceLock({ databaseUrl, instances, log, onLost });
  }

  #writable(): Record<'writes' | 'urgent', Pool> {
    if (this.#replaced) throw new ParleyError('storage_unavailable', { message: this.#replaced.message });
    return this.#opened();
  }

  #opened(): Record<'reads' | 'writes' | 'urgent', Pool> {
    if (!this.#pools) throw new ParleyError('storage_unavailable', { message: 'The database is not open.' });
    return this.#pools;
  }
}

/** As SQLite does: a whole number that JavaScript cannot hold exactly is an error, not a slightly different number. */
function toNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError(`The number ${text} from the database is too large.`);
  return value;
}
