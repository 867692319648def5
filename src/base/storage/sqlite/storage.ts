import { join } from 'node:path';
import { Kysely, type Transaction } from 'kysely';
import { ParleyError } from '../../errors.ts';
import { OpenTransactions } from '../after-commit.ts';
import { checkStorage } from '../check.ts';
import { migrations } from '../migrations/index.ts';
import { migrate } from '../migrator.ts';
import type { StorageOptions } from '../open.ts';
import type { Schema } from '../schema.ts';
import type { Queries, Storage, TurnLogRow, WriteQueries } from '../types.ts';
import { WriteLock } from '../write-lock.ts';
import { SqliteConnection } from './connection.ts';
import { sqliteDialect } from './dialect.ts';
import { translateSqliteError } from './errors.ts';
import { lockDataFolder, makeDataFolder } from './folder-lock.ts';
import { TurnLogWriter } from './turn-log.ts';

/** The connections of a started storage. */
interface Open {
  reader: SqliteConnection;
  writer: SqliteConnection;
  turnLog: TurnLogWriter;
  unlock: () => void;
}

/** The database in one file, for one server. */
export class SqliteStorage implements Storage {
  readonly engine = 'sqlite';
  readonly name = 'storage';
  readonly read: Queries;
  readonly #writes: Queries;
  readonly #options: StorageOptions;
  readonly #path: string;
  readonly #lock = new WriteLock();
  readonly #transactions: OpenTransactions;
  #open: Open | null = null;

  constructor(options: StorageOptions) {
    this.#options = options;
    this.#path = join(options.dataDir, 'parley.db');
    this.#transactions = new OpenTransactions(options.log);
    this.read = new Kysely<Schema>({ dialect: sqliteDialect(() => this.#connections().reader) });
    this.#writes = new Kysely<Schema>({ dialect: sqliteDialect(() => this.#connections().writer) });
  }

  async start(): Promise<void> {
    const { dataDir, fullSync } = this.#options;
    makeDataFolder(dataDir);
    const unlock = this.#options.exclusive === false ? () => {} : lockDataFolder(dataDir);
    try {
      const writer = new SqliteConnection({ path: this.#path, dataDir, fullSync, queryOnly: false });
      const reader = new SqliteConnection({ path: this.#path, dataDir, fullSync, queryOnly: true });
      this.#open = { reader, writer, unlock, turnLog: null as unknown as TurnLogWriter };
      await this.#migrate();
      this.#open.turnLog = new TurnLogWriter(writer);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#lock.acquire();
    try {
      this.#open?.reader.close();
      this.#open?.writer.close();
      this.#open?.unlock();
      this.#open = null;
    } finally {
      this.#lock.release();
    }
  }

  async write<Result>(work: (queries: WriteQueries) => Promise<Result>): Promise<Result> {
    this.#transactions.refuseNesting();
    if (!this.#lock.tryAcquire()) await this.#lock.acquire();
    let effects: (() => void)[] = [];
    let result: Result;
    try {
      result = await this.#transactions.inside(() =>
        this.#writes.transaction().execute((queries: Transaction<Schema>) => {
          effects = this.#transactions.begin(queries);
          return work(queries);
        }),
      );
    } finally {
      this.#lock.release();
    }
    this.#transactions.run(effects);
    return result;
  }

  afterCommit(queries: WriteQueries, effect: () => void): void {
    this.#transactions.add(queries, effect);
  }

  async appendTurnLog(rows: readonly TurnLogRow[]): Promise<boolean[]> {
    if (rows.length === 0) return [];
    this.#transactions.refuseNesting();
    if (!this.#lock.tryAcquire()) await this.#lock.acquire();
    const { clock, metrics, dataDir } = this.#options;
    const started = clock.monotonic();
    try {
      return this.#connections().turnLog.append(rows);
    } catch (error) {
      throw translateSqliteError(error, dataDir);
    } finally {
      this.#lock.release();
      metrics.commitSeconds.observe((clock.monotonic() - started) / 1000);
    }
  }

  async now(): Promise<number> {
    return this.#options.clock.now();
  }

  async backup(): Promise<void> {
    throw new ParleyError('not_implemented');
  }

  async check(): Promise<{ ok: true } | { ok: false; problem: string }> {
    return await checkStorage(this, this.#options.clock);
  }

  async #migrate(): Promise<void> {
    await migrate({
      engine: 'sqlite',
      migrations: this.#options.migrations ?? migrations,
      transaction: (work) => this.write(async (queries) => await work(queries as unknown as Kysely<unknown>)),
      beforeChange: async (first) => await this.#backupBefore(first),
      now: () => this.#options.clock.now(),
    });
    this.#open?.writer.forgetStatements();
    this.#open?.reader.forgetStatements();
  }

  async #backupBefore(_first: string): Promise<void> {}

  #connections(): Open {
    if (!this.#open) throw new ParleyError('storage_unavailable', { message: 'The database is not open.' });
    return this.#open;
  }
}
