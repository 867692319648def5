import { sql, type CreateTableBuilder, type Kysely } from 'kysely';
import type { Engine } from '../types.ts';
import { columnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/** Sessions of two agents, which are conversations in which nothing branches, and their agents. */
export const agents: Migration = {
  name: '0006-agents',
  async up(database, engine) {
    const { text, integer } = columnTypes(engine);
    await database.schema.alterTable('conversations').addColumn('is_linear', integer, (column) => column.notNull().defaultTo(0)).execute();
    await table(database, engine, 'agent_sessions')
      .addColumn('conversation_id', text, (column) => column.primaryKey().notNull().references('conversations.id').onDelete('cascade'))
      .addColumn('owner_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
      .addColumn('status', text, (column) => column.notNull())
      .addColumn('started_at', integer, (column) => column.notNull())
      .addColumn('ended_at', integer)
      .addColumn('turns', integer, (column) => column.notNull())
      .addColumn('most_turns', integer, (column) => column.notNull())
      .addColumn('most_depth', integer, (column) => column.notNull())
      .addColumn('most_ms', integer, (column) => column.notNull())
      .addColumn('most_cost_micros', integer, (column) => column.notNull())
      .addColumn('run_id', text)
      .addColumn('run_state', text)
      .addColumn('run_turns', integer, (column) => column.notNull())
      .addColumn('run_reason', text)
      .addColumn('transcript_state', text, (column) => column.notNull())
      .addColumn('transcript_transactions', text, (column) => column.notNull())
      .execute();
    await database.schema.createIndex('agent_sessions_by_owner').on('agent_sessions').columns(['owner_id', 'started_at', 'conversation_id']).execute();
    await table(database, engine, 'session_agents')
      .addColumn('conversation_id', text, (column) => column.notNull().references('agent_sessions.conversation_id').onDelete('cascade'))
      .addColumn('place', integer, (column) => column.notNull())
      .addColumn('account_id', text, (column) => column.notNull())
      .addColumn('role', text, (column) => column.notNull())
      .addColumn('model', text)
      .addColumn('prompt', text)
      .addPrimaryKeyConstraint('session_agents_primary', ['conversation_id', 'place'])
      .execute();
  },
};

/** Begins a table. STRICT makes SQLite refuse values of the wrong type, as PostgreSQL does. */
function table<Name extends string>(database: Kysely<unknown>, engine: Engine, name: Name): CreateTableBuilder<Name, never> {
  const builder = database.schema.createTable(name);
  return engine === 'sqlite' ? builder.modifyEnd(sql`strict`) : builder;
}
