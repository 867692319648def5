import { AsyncLocalStorage } from 'node:async_hooks';
import { Kysely, type Dialect } from 'kysely';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../observability/index.ts';
import type { OpenTransactions } from '../after-commit.ts';
import type { Schema } from '../schema.ts';
import type { WriteQueries } from '../types.ts';
import type { WriteLock } from '../write-lock.ts';
import type { SqliteConnection } from './connection.ts';
import { WriterQueries } from './transaction.ts';

const defaultLongestMs = 5;

/** Milliseconds from which a group is reported as slow. */
const slowMs = 1_000;

/** Something to be written, and whoever waits for its commit. */
interface Item {
  /** Writes, behind the begin of the group or a savepoint. The answer is for the one who waits. */
  work: (connection: SqliteConnection) => unknown;
  result: unknown;
  effects: (() => void)[];
  resolve: (result: never) => void;
  reject: (error: unknown) => void;
}

export interface GroupCommitParts {
  lock: WriteLock;
  transactions: OpenTransactions;
  clock: Clock;
  log: Log;
  dialect: Dialect;
  /** Throws while the database is not open. */
  connection: () => SqliteConnection;
  /** Called after each commit. */
  committed: () => void;
  /** Milliseconds after which a group is committed, whoever still waits. Default 5. */
  longestMs?: number;
}

/**
 * Commits what many writers want in one transaction: a commit costs several times what it takes to write a message, and
 * under load there are dozens in one turn of the event loop. Each writer stands behind a savepoint of its own, so one
 * that fails takes nobody along; nobody is told before the commit is done.
 */
export class GroupCommit {
  readonly #parts: GroupCommitParts;
  readonly #kysely: Kysely<Schema>;
  #waiting: Item[] = [];
  #running: Promise<void> | null = null;

  constructor(parts: GroupCommitParts) {
    this.#parts = parts;
    this.#kysely = new Kysely<Schema>({ dialect: parts.dialect });
  }

  /** Runs `work` in the next group. Resolves when it is committed, with what `work` gave. */
  write<Result>(work: (queries: WriteQueries) => Promise<Result>): Promise<Result> {
    const { transactions, dialect } = this.#parts;
    const inContext = AsyncLocalStorage.snapshot(); // A group runs in the context of whoever came first.
    return this.#add(async (connection, item) => {
      const writer = new WriterQueries(this.#kysely, dialect, connection);
      item.effects = transactions.begin(writer.queries);
      try {
        return await inContext(() => transactions.inside(async () => await work(writer.queries)));
      } finally {
        writer.end();
      }
    });
  }

  /** The same for what is written at once, by prepared statements on the connection. */
  writeNow<Result>(work: () => Result): Promise<Result> {
    return this.#add(work);
  }

  /** Resolves when everything asked for so far has been written or refused. */
  async drain(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #add<Result>(work: (connection: SqliteConnection, item: Item) => Result | Promise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const item: Item = {
        work: (connection) => work(connection, item),
        result: undefined,
        effects: [],
        resolve: resolve as (result: never) => void,
        reject,
      };
      this.#waiting.push(item);
      this.#running ??= this.#runGroups();
    });
  }

  async #runGroups(): Promise<void> {
    while (this.#waiting.length > 0) {
      // At the end of this turn of the event loop: what other requests of the same turn write comes along.
      await new Promise(setImmediate);
      await this.#runGroup();
    }
    this.#running = null;
  }

  /** Never throws: whoever failed has been told. */
  async #runGroup(): Promise<void> {
    const { lock, transactions, clock, log, longestMs = defaultLongestMs } = this.#parts;
    if (!lock.tryAcquire()) await lock.acquire();
    const began = clock.monotonic();
    const written: Item[] = [];
    const failed: { item: Item; error: unknown }[] = [];
    try {
      await this.#writeAll(written, failed, began + longestMs);
      this.#commit(written);
    } finally {
      lock.release();
    }
    // Everybody else waits for an open group: one that takes long waits for something that is no query.
    const milliseconds = Math.round(clock.monotonic() - began);
    if (milliseconds > slowMs) log.warn({ milliseconds }, 'A transaction held up all other writers');
    // Told behind the commit, too: whoever failed because another was first then finds what the other wrote.
    for (const { item, error } of failed) item.reject(error);
    for (const item of written) {
      item.resolve(item.result as never);
      transactions.run(item.effects);
    }
  }

  /** Writes what waits, until `end`; `written` then holds the items that wait for the commit, `failed` those that gave up. */
  async #writeAll(written: Item[], failed: { item: Item; error: unknown }[], end: number): Promise<void> {
    while (this.#waiting.length > 0 && (written.length === 0 || this.#parts.clock.monotonic() < end)) {
      const item = this.#waiting.shift()!;
      try {
        await this.#writeOne(item, this.#parts.connection(), written);
        written.push(item);
      } catch (error) {
        failed.push({ item, error });
      }
    }
  }

  async #writeOne(item: Item, connection: SqliteConnection, written: Item[]): Promise<void> {
    // The first of a group is alone: when it fails, the whole transaction is undone.
    const isFirst = written.length === 0;
    connection.run(isFirst ? 'begin immediate' : 'savepoint item');
    try {
      const result = item.work(connection);
      item.result = result instanceof Promise ? await result : result;
      if (!isFirst) connection.run('release item');
      // A full disk ends the transaction, also when the writer kept the error to himself.
      if (!connection.database.isTransaction) throw new Error('The transaction ended while it was written.');
    } catch (error) {
      if (isFirst) connection.rollback();
      else if (connection.database.isTransaction) {
        connection.run('rollback to item');
        connection.run('release item');
      }
      // SQLite ends a transaction by itself when the disk is full: then nothing of the group is written.
      if (!connection.database.isTransaction) rejectAll(written, error);
      throw error;
    }
  }

  #commit(written: Item[]): void {
    if (written.length === 0) return;
    const { connection, committed } = this.#parts;
    try {
      connection().run('commit');
    } catch (error) {
      connection().rollback();
      rejectAll(written, error);
      return;
    }
    committed();
  }
}

function rejectAll(items: Item[], error: unknown): void {
  for (const item of items) item.reject(error);
  items.length = 0;
}
