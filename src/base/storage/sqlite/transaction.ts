import { Transaction, type ConnectionProvider, type Dialect, type Kysely } from 'kysely';
import type { Schema } from '../schema.ts';
import type { WriteQueries } from '../types.ts';
import type { SqliteConnection } from './connection.ts';

/**
 * The queries of one writer. Begin and commit are not Kysely's business here, because several writers share them; what
 * it gives is that the queries end with the writer.
 */
export class WriterQueries implements ConnectionProvider {
  readonly queries: WriteQueries;
  readonly #connection: SqliteConnection;
  #ended = false;

  constructor(kysely: Kysely<Schema>, dialect: Dialect, connection: SqliteConnection) {
    this.#connection = connection;
    const executor = kysely.getExecutor().withConnectionProvider(this);
    this.queries = new Transaction<Schema>({ config: { dialect }, dialect, driver: dialect.createDriver(), executor });
  }

  async provideConnection<Result>(consumer: (connection: SqliteConnection) => Promise<Result>): Promise<Result> {
    if (this.#ended) throw new Error('The transaction of this query is already committed or rolled back.');
    return await consumer(this.#connection);
  }

  end(): void {
    this.#ended = true;
  }
}
