import { sql, type CreateTableBuilder, type Kysely } from 'kysely';
import type { Engine } from '../types.ts';
import { columnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/** Runs of pipelines, and their stages. */
export const pipelines: Migration = {
  name: '0011-pipelines',
  async up(database, engine) {
    const { text, integer } = columnTypes(engine);
    await table(database, engine, 'pipeline_runs')
      .addColumn('id', text, (column) => column.primaryKey().notNull())
      .addColumn('owner_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
      .addColumn('job_id', text)
      .addColumn('api_key_id', text)
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('state', text, (column) => column.notNull())
      .addColumn('input', text, (column) => column.notNull())
      .addColumn('output', text)
      .addColumn('error_code', text)
      .addColumn('error_message', text)
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('started_at', integer)
      .addColumn('ended_at', integer)
      .addColumn('duration_ms', integer)
      .addColumn('is_forgotten', integer, (column) => column.notNull())
      .execute();
    await database.schema.createIndex('pipeline_runs_by_owner').on('pipeline_runs').columns(['owner_id', 'id']).execute();
    await database.schema.createIndex('pipeline_runs_by_state').on('pipeline_runs').columns(['state', 'ended_at']).execute();
    await table(database, engine, 'pipeline_stages')
      .addColumn('run_id', text, (column) => column.notNull().references('pipeline_runs.id').onDelete('cascade'))
      .addColumn('place', integer, (column) => column.notNull())
      .addColumn('definition', text, (column) => column.notNull())
      .addColumn('state', text, (column) => column.notNull())
      .addColumn('attempt', integer, (column) => column.notNull())
      .addColumn('output', text)
      .addColumn('model', text)
      .addColumn('calls', integer, (column) => column.notNull())
      .addColumn('tokens_in', integer)
      .addColumn('tokens_out', integer)
      .addColumn('started_at', integer)
      .addColumn('ended_at', integer)
      .addColumn('duration_ms', integer)
      .addColumn('first_text_ms', integer)
      .addColumn('error_code', text)
      .addColumn('error_message', text)
      .addPrimaryKeyConstraint('pipeline_stages_primary', ['run_id', 'place'])
      .execute();
  },
};

/** Begins a table. STRICT makes SQLite refuse values of the wrong type, as PostgreSQL does. */
function table<Name extends string>(database: Kysely<unknown>, engine: Engine, name: Name): CreateTableBuilder<Name, never> {
  const builder = database.schema.createTable(name);
  return engine === 'sqlite' ? builder.modifyEnd(sql`strict`) : builder;
}
