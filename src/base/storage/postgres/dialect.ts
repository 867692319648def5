import {
  PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler,
  type CompiledQuery, type DatabaseConnection, type Dialect, type Driver, type Kysely, type QueryResult, type TransactionSettings,
} from 'kysely';
import type { Pool, PoolClient } from 'pg';
import type { Tracer } from '../../observability/index.ts';
import { streamingRefused } from '../streaming.ts';
import { stepOf } from '../traced.ts';
import { commitError, isStalePlan, translatePostgresError } from './errors.ts';
import { forgetStatement, statementName } from './statements.ts';

/** Kysely over a pool of pg, with errors in Parley's terms. The pool is asked for at each use; the storage makes and ends it. */
export function postgresDialect(pool: () => Pool, tracer?: Tracer): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new PostgresDriver(pool, tracer),
    createIntrospector: (queries: Kysely<unknown>) => new PostgresIntrospector(queries),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
}

class PostgresConnection implements DatabaseConnection {
  readonly client: PoolClient;
  /** Set when the connection cannot be used again. */
  broken = false;
  inTransaction = false;
  readonly #tracer: Tracer | undefined;

  constructor(client: PoolClient, tracer: Tracer | undefined) {
    this.client = client;
    this.#tracer = tracer;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#tracer?.active) return await this.#tracer.span('storage', stepOf(query.sql), () => this.#query<Row>(query));
    return await this.#query<Row>(query);
  }

  async #query<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      return await this.#execute<Row>(query, statementName(query.sql));
    } catch (error) {
      if (!isStalePlan(error)) throw translatePostgresError(error);
      // Another instance has changed the tables. A transaction has ended with this, and is tried again as a whole.
      forgetStatement(query.sql);
      if (this.inTransaction) throw error;
    }
    try {
      return await this.#execute<Row>(query, undefined);
    } catch (error) {
      throw translatePostgresError(error);
    }
  }

  async #execute<Row>({ sql, parameters }: CompiledQuery, name: string | undefined): Promise<QueryResult<Row>> {
    const { command, rowCount, rows } = await this.client.query<Row & object>({ ...(name === undefined ? {} : { name }), text: sql, values: [...parameters] });
    const changes = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(command);
    return changes ? { rows, numAffectedRows: BigInt(rowCount ?? 0) } : { rows };
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error(streamingRefused);
  }

  async run(sql: string): Promise<string> {
    try {
      return (await this.client.query(sql)).command;
    } catch (error) {
      this.broken = true;
      throw sql === 'commit' ? commitError(error) : translatePostgresError(error);
    }
  }
}

class PostgresDriver implements Driver {
  readonly #pool: () => Pool;
  readonly #tracer: Tracer | undefined;

  constructor(pool: () => Pool, tracer: Tracer | undefined) {
    this.#pool = pool;
    this.#tracer = tracer;
  }

  async init(): Promise<void> {
    // The storage makes and ends the pool.
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    try {
      return new PostgresConnection(await this.#pool().connect(), this.#tracer);
    } catch (error) {
      throw translatePostgresError(error);
    }
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    const { client, broken } = connection as PostgresConnection;
    client.release(broken);
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const level = settings.isolationLevel ? ` isolation level ${settings.isolationLevel}` : '';
    await (connection as PostgresConnection).run(`begin${level}`);
    (connection as PostgresConnection).inTransaction = true;
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    // A transaction in which a statement failed answers COMMIT with ROLLBACK, and nobody would notice.
    if ((await (connection as PostgresConnection).run('commit')) === 'ROLLBACK') {
      throw new Error('A statement of the transaction failed and its error was not passed on; nothing was committed.');
    }
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await (connection as PostgresConnection).run('rollback');
    } catch {
      // The connection is marked as broken and goes; the server rolls back by itself. The first error is the one to tell.
    }
  }

  async destroy(): Promise<void> {
    // See init.
  }
}
