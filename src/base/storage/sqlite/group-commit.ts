import type { ControlledTransaction } from 'kysely';
import type { Clock } from '../../clock.ts';
import type { OpenTransactions } from '../after-commit.ts';
import type { Queries, WriteQueries } from '../types.ts';
import type { Schema } from '../schema.ts';
import type { WriteLock } from '../write-lock.ts';
import type { SqliteConnection } from './connection.ts';

/** Milliseconds after which a group is committed, whoever still waits. */
const longestGroupMs = 5;

/** Something to be written, and whoever waits for its commit. */
interface Item {
  work: (queries: WriteQueries) => unknown;
  result: unknown;
  effects: (() => void)[];
  resolve: (result: never) => void;
  reject: (error: unknown) => void;
}

export interface GroupCommitParts {
  lock: WriteLock;
  transactions: OpenTransactions;
  clock: Clock;
  writes: Queries;
  connection: () => SqliteConnection;
  /** Called after each commit. */
  committed: () => void;
}

/**
 * Commits what many writers want in one transaction: a commit costs several times what it takes to write a message, and
 * under load there are dozens in one turn of the event loop. Each writer stands behind a savepoint of its own, so one
 * that fails takes nobody along; nobody is told before the commit is done.
 */
export class GroupCommit {
  readonly #parts: GroupCommitParts;
  #waiting: Item[] = [];
  #scheduled = false;

  constructor(parts: GroupCommitParts) {
    this.#parts = parts;
  }

  /** Runs `work` in the next group. Resolves when it is committed, with what `work` gave. */
  write<Result>(work: (queries: WriteQueries) => Result | Promise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ work, result: undefined, effects: [], resolve: resolve as (result: never) => void, reject });
      this.#schedule();
    });
  }

  /** At the end of this turn of the event loop: what other requests of the same turn write comes along. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => void this.#runGroup());
  }

  async #runGroup(): Promise<void> {
    const { lock, transactions } = this.#parts;
    await lock.acquire();
    const written: Item[] = [];
    try {
      await this.#writeAll(written);
    } finally {
      lock.release();
      this.#scheduled = false;
      if (this.#waiting.length > 0) this.#schedule();
    }
    for (const item of written) {
      item.resolve(item.result as never);
      transactions.run(item.effects);
    }
  }

  /** Writes and commits; `written` then holds the items that are committed. Never throws: whoever failed has been told. */
  async #writeAll(written: Item[]): Promise<void> {
    const { writes, clock, committed } = this.#parts;
    const began = clock.monotonic();
    let transaction: ControlledTransaction<Schema> | null = null;
    while (this.#waiting.length > 0 && clock.monotonic() - began < longestGroupMs) {
      const item = this.#waiting.shift()!;
      try {
        transaction ??= await writes.startTransaction().execute();
        await this.#writeOne(item, transaction, written.length > 0);
        written.push(item);
      } catch (error) {
        item.reject(error);
        // SQLite ends a transaction by itself when the disk is full: then nothing of the group is written.
        if (transaction && !this.#parts.connection().database.isTransaction) {
          rejectAll(written, error);
          transaction = null;
        }
      }
    }
    if (!transaction) return;
    try {
      await transaction.commit().execute();
      committed();
    } catch (error) {
      this.#parts.connection().rollback();
      rejectAll(written, error);
    }
  }

  async #writeOne(item: Item, queries: WriteQueries, isLater: boolean): Promise<void> {
    const connection = this.#parts.connection();
    // The first of a group is alone: when it fails, the whole transaction is undone.
    if (isLater) connection.run('savepoint item');
    try {
      item.effects = this.#parts.transactions.begin(queries);
      item.result = await this.#parts.transactions.inside(async () => item.work(queries));
      if (isLater) connection.run('release item');
    } catch (error) {
      if (!isLater) connection.rollback();
      else if (connection.database.isTransaction) {
        connection.run('rollback to item');
        connection.run('release item');
      }
      throw error;
    }
  }
}

function rejectAll(items: Item[], error: unknown): void {
  for (const item of items) item.reject(error);
  items.length = 0;
}
