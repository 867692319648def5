import {
  SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler,
  type DatabaseConnection, type Dialect, type Driver, type Kysely, type SelectModifierNode,
} from 'kysely';
import type { Tracer } from '../../observability/index.ts';
import { tracedConnection } from '../traced.ts';
import type { SqliteConnection } from './connection.ts';

/**
 * Kysely over node:sqlite. The connection is asked for at each use, so that queries may be built before the database
 * is open. Who may use a connection when is decided outside (see WriteLock), not here.
 */
export function sqliteDialect(connection: () => SqliteConnection, tracer?: Tracer): Dialect {
  return {
    createAdapter: () => new Adapter(),
    createDriver: () => new SqliteDriver(connection, tracer),
    createIntrospector: (queries: Kysely<unknown>) => new SqliteIntrospector(queries),
    createQueryCompiler: () => new QueryCompiler(),
  };
}

class Adapter extends SqliteAdapter {
  /** True, because Kysely would otherwise put its own queue before ours and let no read pass while a transaction is open. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/**
 * Row locks are left out: a write transaction on SQLite holds the whole database. So `forUpdate` and `skipLocked` can
 * stand in queries that serve both engines.
 */
class QueryCompiler extends SqliteQueryCompiler {
  protected override visitSelectModifier(node: SelectModifierNode): void {
    if (node.modifier === 'Distinct' || node.rawModifier) super.visitSelectModifier(node);
  }
}

class SqliteDriver implements Driver {
  readonly #connection: () => SqliteConnection;
  readonly #tracer: Tracer | undefined;

  constructor(connection: () => SqliteConnection, tracer: Tracer | undefined) {
    this.#connection = connection;
    this.#tracer = tracer;
  }

  async init(): Promise<void> {
    // The storage opens and closes the connections.
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#tracer?.active ? tracedConnection(this.#connection(), this.#tracer) : this.#connection();
  }

  async releaseConnection(): Promise<void> {
    // See init.
  }

  /** `immediate` takes the write lock at once: a transaction that reads first could otherwise fail when it comes to write. */
  async beginTransaction(): Promise<void> {
    this.#connection().run('begin immediate');
  }

  async commitTransaction(): Promise<void> {
    this.#connection().run('commit');
  }

  async rollbackTransaction(): Promise<void> {
    this.#connection().rollback();
  }

  async destroy(): Promise<void> {
    // See init.
  }
}
