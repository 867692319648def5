import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely';
import { streamingRefused } from '../streaming.ts';
import { translateSqliteError } from './errors.ts';

/** Statements kept ready for each connection. The least recently used one goes first. */
const maxStatements = 500;

/** Milliseconds that a statement waits for another process (a command of the CLI), which blocks the event loop. */
const busyTimeoutMs = 5000;

interface CachedStatement {
  statement: StatementSync;
  /** Names of the result columns; empty for statements that answer no rows. */
  columns: string[];
}

export interface ConnectionSettings {
  path: string;
  /** Named in error messages. */
  dataDir: string;
  /** Whether each commit waits for the disk. Without, a power cut may lose the last second; a crash of the process never does. */
  fullSync: boolean;
  /** Refuses every statement that would write. */
  queryOnly: boolean;
}

/**
 * One connection to the database file, in the form that Kysely's driver takes. Rows are arrays in node:sqlite's own
 * code and become ordinary objects here, which is faster than copying its objects without prototype.
 */
export class SqliteConnection implements DatabaseConnection {
  readonly database: DatabaseSync;
  readonly #dataDir: string;
  readonly #statements = new Map<string, CachedStatement>();

  /** @throws {ParleyError} `storage_unavailable`, `storage_full`. */
  constructor(settings: ConnectionSettings) {
    this.#dataDir = settings.dataDir;
    try {
      this.database = new DatabaseSync(settings.path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
      // Checkpoints run in a worker thread: in here they would stop the event loop while the disk works.
      this.database.exec(`
        pragma journal_mode = wal;
        pragma wal_autocheckpoint = 0;
        pragma synchronous = ${settings.fullSync ? 'full' : 'normal'};
        pragma temp_store = memory;
        pragma cache_size = -8000;
        pragma query_only = ${settings.queryOnly ? 'on' : 'off'};
      `);
    } catch (error) {
      throw translateSqliteError(error, settings.dataDir);
    }
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      const { statement, columns } = this.#prepared(query.sql);
      const parameters = query.parameters as SQLInputValue[];
      if (columns.length > 0) {
        return { rows: toObjects(statement.all(...parameters) as unknown as SQLInputValue[][], columns) as Row[] };
      }
      return { rows: [], numAffectedRows: BigInt(statement.run(...parameters).changes) };
    } catch (error) {
      throw translateSqliteError(error, this.#dataDir);
    }
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error(streamingRefused);
  }

  /** Runs a statement without parameters or rows, such as `begin`. */
  run(sql: string): void {
    try {
      this.#prepared(sql).statement.run();
    } catch (error) {
      throw translateSqliteError(error, this.#dataDir);
    }
  }

  /** Ends an open transaction, if there is one: SQLite itself rolls back when the disk is full. */
  rollback(): void {
    if (this.database.isTransaction) this.run('rollback');
  }

  /** Forgets prepared statements, because the tables have changed. */
  forgetStatements(): void {
    this.#statements.clear();
  }

  close(): void {
    this.#statements.clear();
    if (this.database.isOpen) this.database.close();
  }

  #prepared(sql: string): CachedStatement {
    const found = this.#statements.get(sql);
    if (found) {
      // Most statements are in the cache's recent half already; moving each at every use would cost more than it saves.
      if (this.#statements.size > maxStatements / 2) {
        this.#statements.delete(sql);
        this.#statements.set(sql, found);
      }
      return found;
    }
    const prepared = this.#prepare(sql);
    this.#statements.set(sql, prepared);
    if (this.#statements.size > maxStatements) this.#statements.delete(this.#statements.keys().next().value!);
    return prepared;
  }

  #prepare(sql: string): CachedStatement {
    const statement = this.database.prepare(sql);
    const columns = statement.columns().map((column) => column.name);
    if (columns.length > 0) statement.setReturnArrays(true);
    return { statement, columns };
  }
}

function toObjects(rows: readonly SQLInputValue[][], columns: readonly string[]): Record<string, SQLInputValue>[] {
  return rows.map((values) => {
    const row: Record<string, SQLInputValue> = {};
    for (let index = 0; index < columns.length; index += 1) row[columns[index]!] = values[index]!;
    return row;
  });
}
