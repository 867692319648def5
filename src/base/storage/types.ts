import type { Kysely, Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/** The query layer over the schema; both engines take the same queries. */
export type Queries = Kysely<Schema>;
export type WriteQueries = Transaction<Schema>;

export type Engine = 'sqlite' | 'postgres';

/**
 * The database. One query layer and one set of migrations over two engines.
 *
 * SQLite: one connection reads, another writes; writes are one after another. Nothing but queries may be awaited
 * inside `write`, because every other writer waits for it.
 */
export interface Storage {
  readonly engine: Engine;
  readonly name: string;
  /** Reads, outside any transaction. On SQLite they see everything committed before they start. */
  readonly read: Queries;
  /**
   * Single short statements that must not wait behind other work: on PostgreSQL they have connections of their own. On
   * SQLite the same as `read`.
   */
  readonly urgent: Queries;
  /**
   * Runs `work` in one transaction: all of it is committed, or, when it throws, none. When this resolves the rows
   * survive the end of the process. On PostgreSQL serialisation failures and deadlocks are tried again (3 times), so
   * `work` has no effects but its queries.
   *
   * On SQLite transactions run one after another. On PostgreSQL they run side by side (READ COMMITTED): rows on which
   * a transaction decides are locked first, by `forUpdate()` or by updating them (`update ... returning`). SQLite
   * leaves `forUpdate()` and `skipLocked()` out, so the same queries serve both. A query that fails ends the whole
   * transaction on PostgreSQL: let the error pass, and use `onConflict` where a row may be there already.
   * @throws {ParleyError} `storage_full`, `storage_unavailable`.
   * @throws {Error} when it is called inside the work of another transaction, which it would wait for.
   */
  write<Result>(work: (queries: WriteQueries) => Promise<Result>): Promise<Result>;
  /**
   * Runs `effect` once the transaction of `queries` is committed, before `write` resolves; never when it is rolled
   * back. For hints to others (wake-ups, bus messages): what it throws is logged and changes nothing.
   * @param queries what `write` gave to its work
   */
  afterCommit(queries: WriteQueries, effect: () => void): void;
  /**
   * Appends events of running turns: the hot path. All rows given in one call are committed together. A function is
   * called once, when they are about to be written, and gives them then. A row is written
   * only while its turn is RUNNING under the epoch it names; the answer says for each row whether it was.
   * @param again whether these rows were given before and `storage_unavailable` was thrown: rows that were written all the
   * same count as written now
   * @throws {ParleyError} `storage_full`; then none of the rows were written. `storage_unavailable`; then, on PostgreSQL,
   * none or all were.
   */
  appendTurnLog(rows: readonly TurnLogRow[] | (() => readonly TurnLogRow[]), again?: boolean): Promise<boolean[]>;
  /**
   * Milliseconds since the epoch by the database's clock. On SQLite the process's clock. On PostgreSQL it is read at most
   * once a second and followed in between: late by a way over the network, and unaware of a clock that was set for a second.
   */
  now(): Promise<number>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Copies the whole database, consistently, while it is in use. SQLite only. @param path a file that does not exist yet */
  backup(path: string): Promise<void>;
  /**
   * Looks through the whole database for damage, off the main thread.
   * @returns what is wrong, for a person; empty when nothing is
   */
  integrity(): Promise<string[]>;
  /** Bytes that the database takes on its disk, logs of writing beside its file included. */
  sizeBytes(): Promise<number>;
  /** Rows and bytes of every table, counted off the main thread. */
  figures(): Promise<TableFigures[]>;
  /**
   * `vacuum` writes the database anew, without the room that deleted rows left; `analyze` looks at the values, so that queries are
   * planned well. On SQLite writing waits meanwhile and reading goes on; on PostgreSQL both go on.
   * @throws {ParleyError} `storage_full` when the disk has no room for that; then nothing has changed
   */
  maintain(work: Maintenance): Promise<void>;
  /** Reads one row and writes one; what is wrong otherwise, for /health and `doctor`. */
  check(): Promise<{ ok: true } | { ok: false; problem: string }>;
}

export type Maintenance = 'vacuum' | 'analyze';

/** How large a table is. */
export interface TableFigures {
  table: string;
  rows: number;
  /** On the disk, its indexes included. */
  bytes: number;
}

/** One committed event of a turn. */
export interface TurnLogRow {
  messageId: string;
  /** 1, 2, 3, ... without gaps within one message. */
  seq: number;
  /** What the row holds: see `TurnEvent` in core/conversations. */
  kind: 'start' | 'text' | 'reasoning' | 'tool' | 'logprobs' | 'usage' | 'end';
  /** The text for `text` and `reasoning`, JSON for the other kinds. */
  body: string;
  /** For `text` and `reasoning`: UTF-16 units of that kind before this row. Otherwise 0. */
  offset: number;
  /** The epoch of the lease under which it is written. */
  epoch: number;
}
