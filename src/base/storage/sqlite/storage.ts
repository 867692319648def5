import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Kysely } from 'kysely';
import { ParleyError } from '../../errors.ts';
import { OpenTransactions } from '../after-commit.ts';
import { checkStorage } from '../check.ts';
import { migrations } from '../migrations/index.ts';
import { migrate, missingMigrations } from '../migrator.ts';
import type { StorageOptions } from '../options.ts';
import type { Schema } from '../schema.ts';
import { movedTables } from '../move/tables.ts';
import type { Maintenance, Queries, Storage, TableFigures, TurnLogRow, WriteQueries } from '../types.ts';
import { WriteLock } from '../write-lock.ts';
import { copyDatabase } from './backup.ts';
import { Checkpoints } from './checkpoints.ts';
import { SqliteConnection } from './connection.ts';
import { sqliteDialect } from './dialect.ts';
import { translateSqliteError, withFolder } from './errors.ts';
import { GroupCommit } from './group-commit.ts';
import { lockDataFolder, makeDatabaseFile, makeDataFolder } from './folder-lock.ts';
import { removeLeftovers } from './leftovers.ts';
import { applyStagedRestore, backupsFolder } from './staged-restore.ts';
import { TurnLogWriter } from './turn-log.ts';
import { askOnce, type WorkerAnswer, type WorkerRequest } from './worker-client.ts';

/** The connections of a started storage. */
interface Open {
  writer: SqliteConnection;
  /** Null until the file is known to be usable. */
  reader: SqliteConnection | null;
  /** Null until the tables exist. */
  turnLog: TurnLogWriter | null;
  checkpoints: Checkpoints;
  unlock: () => void;
}

/** The database in one file, for one server. */
export class SqliteStorage implements Storage {
  readonly engine = 'sqlite';
  readonly name = 'storage';
  readonly read: Queries;
  readonly urgent: Queries;
  readonly #options: StorageOptions;
  readonly #path: string;
  readonly #lock = new WriteLock();
  readonly #transactions: OpenTransactions;
  readonly #group: GroupCommit;
  #open: Open | null = null;

  constructor(options: StorageOptions) {
    this.#options = options;
    this.#path = join(options.dataDir, 'parley.db');
    this.#transactions = new OpenTransactions(options.log);
    this.read = new Kysely<Schema>({ dialect: sqliteDialect(() => this.#opened().reader!, options.tracer) });
    this.urgent = this.read;
    const connection = (): SqliteConnection => this.#opened().writer;
    this.#group = new GroupCommit({
      lock: this.#lock,
      transactions: this.#transactions,
      clock: options.clock,
      log: options.log,
      dialect: sqliteDialect(connection),
      connection,
      committed: () => this.#open?.checkpoints.noteCommit(),
    });
  }

  async start(): Promise<void> {
    const { dataDir, fullSync, log, exclusive = true } = this.#options;
    makeDataFolder(dataDir);
    const unlock = exclusive ? lockDataFolder(dataDir) : () => {};
    try {
      if (exclusive) {
        await removeLeftovers([dataDir, join(dataDir, backupsFolder)]);
        await applyStagedRestore(dataDir, join(dataDir, backupsFolder), this.#options);
      }
      makeDatabaseFile(this.#path);
      const writer = new SqliteConnection({ path: this.#path, dataDir, fullSync, queryOnly: false });
      const checkpoints = new Checkpoints({ path: this.#path, fullSync, readOnly: false }, this.#lock, log);
      this.#open = { writer, unlock, checkpoints, reader: null, turnLog: null };
      this.#open.reader = new SqliteConnection({ path: this.#path, dataDir, fullSync, queryOnly: true });
      await this.#migrate();
      this.#open.turnLog = new TurnLogWriter(writer);
    } catch (error) {
      if (!this.#open) unlock();
      await this.stop();
      throw withFolder(error, dataDir);
    }
  }

  async stop(): Promise<void> {
    await this.#group.drain();
    await this.#open?.checkpoints.stop(); // Before the lock is taken, because a checkpoint may be waiting for it.
    await this.#lock.acquire();
    const open = this.#open;
    this.#open = null;
    try {
      open?.reader?.close();
      open?.writer.close();
    } finally {
      open?.unlock();
      this.#lock.release();
    }
  }

  async write<Result>(work: (queries: WriteQueries) => Promise<Result>): Promise<Result> {
    this.#transactions.refuseNesting();
    this.#opened();
    return this.#group.write(work);
  }

  afterCommit(queries: WriteQueries, effect: () => void): void {
    this.#transactions.add(queries, effect);
  }

  async appendTurnLog(rows: readonly TurnLogRow[] | (() => readonly TurnLogRow[])): Promise<boolean[]> {
    this.#transactions.refuseNesting();
    const { clock, metrics, dataDir } = this.#options;
    const turnLog = this.#opened().turnLog!;
    const started = clock.monotonic();
    try {
      return await this.#group.writeNow(() => turnLog.append(typeof rows === 'function' ? rows() : rows));
    } catch (error) {
      throw translateSqliteError(error, dataDir);
    } finally {
      metrics.commitSeconds.observe((clock.monotonic() - started) / 1000);
    }
  }

  async now(): Promise<number> {
    return this.#options.clock.now();
  }

  async backup(path: string): Promise<void> {
    this.#opened();
    await copyDatabase(this.#path, resolve(path), 'refuse');
  }

  async integrity(): Promise<string[]> {
    this.#opened();
    const { problems = [], migrations: names = [] } = await this.#askOnce({ operation: 'integrity' }, true);
    return [...problems, ...missingMigrations(names, this.#options.migrations ?? migrations)];
  }

  async figures(): Promise<TableFigures[]> {
    this.#opened();
    const { figures = [] } = await this.#askOnce({ operation: 'figures', tables: Object.keys(movedTables) }, true);
    return figures;
  }

  /** The connections of this process notice by themselves that the file was written anew. */
  async maintain(work: Maintenance): Promise<void> {
    this.#opened();
    await this.#lock.acquire();
    try {
      await this.#askOnce({ operation: 'maintain', work }, false);
    } finally {
      this.#lock.release();
    }
  }

  async #askOnce(request: WorkerRequest, readOnly: boolean): Promise<WorkerAnswer> {
    const { fullSync, dataDir } = this.#options;
    try {
      return await askOnce({ path: this.#path, fullSync, readOnly }, request);
    } catch (error) {
      throw translateSqliteError(error, dataDir);
    }
  }

  async sizeBytes(): Promise<number> {
    this.#opened();
    const files = ['', '-wal', '-shm'].map(async (ending) => (await stat(this.#path + ending).catch(() => null))?.size ?? 0);
    return (await Promise.all(files)).reduce((sum, size) => sum + size, 0);
  }

  async check(): Promise<{ ok: true } | { ok: false; problem: string }> {
    return await checkStorage(this, this.#options.clock);
  }

  async #migrate(): Promise<void> {
    const unlocks: (() => void)[] = [];
    try {
      await migrate({
        engine: 'sqlite',
        migrations: this.#options.migrations ?? migrations,
        transaction: (work) => this.write(async (queries) => await work(queries as unknown as Kysely<unknown>)),
        beforeChange: async (first, present) => {
          // A command beside the server must not change the tables under it.
          if (this.#options.exclusive === false) unlocks.push(lockDataFolder(this.#options.dataDir));
          if (present.length > 0) await this.#backupBefore(first);
        },
        now: () => this.#options.clock.now(),
      });
    } finally {
      for (const unlock of unlocks) unlock();
    }
    this.#open?.writer.forgetStatements();
    this.#open?.reader?.forgetStatements();
  }

  async #backupBefore(first: string): Promise<void> {
    const path = join(this.#options.dataDir, `parley-before-${first}.db`);
    await copyDatabase(this.#path, path, 'replace');
    this.#options.log.info({ path }, 'Made a backup before changing the tables');
  }

  #opened(): Open {
    if (!this.#open) throw new ParleyError('storage_unavailable', { message: 'The database is not open.' });
    return this.#open;
  }
}
