import { sql, type CreateTableBuilder, type Kysely } from 'kysely';
import type { Engine } from '../types.ts';
import { columnTypes, type ColumnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/**
 * Budgets: what a user or an API key may use in a day or a month, what was used of it, and what is reserved by calls
 * under way.
 *
 * All three go when their user goes. `budgets.subject_id` names a user or a key; keys are never deleted but with their
 * user, so the foreign key of `user_id` is enough.
 */
export const budgets: Migration = {
  name: '0002-budgets',
  async up(database, engine) {
    const types = columnTypes(engine);
    await bounds(database, engine, types);
    await reservations(database, engine, types);
    // What a call without figures of its own counts against budgets.
    for (const column of ['charged_tokens', 'charged_micros']) await database.schema.alterTable('usage').addColumn(column, types.integer).execute();
    const byKey = database.schema.createIndex('usage_by_key').on('usage').columns(['api_key_id', 'created_at']);
    await byKey.where(sql.ref('api_key_id'), 'is not', null).execute();
    await database.schema.createIndex('usage_by_time').on('usage').columns(['created_at']).execute();
  },
};

/** Begins a table. STRICT makes SQLite refuse values of the wrong type, as PostgreSQL does. */
function table<Name extends string>(database: Kysely<unknown>, engine: Engine, name: Name): CreateTableBuilder<Name, never> {
  const builder = database.schema.createTable(name);
  return engine === 'sqlite' ? builder.modifyEnd(sql`strict`) : builder;
}

async function bounds(database: Kysely<unknown>, engine: Engine, { text, integer }: ColumnTypes): Promise<void> {
  await table(database, engine, 'budgets')
    .addColumn('subject', text, (column) => column.notNull())
    .addColumn('subject_id', text, (column) => column.notNull())
    .addColumn('period', text, (column) => column.notNull())
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('requests', integer)
    .addColumn('tokens', integer)
    .addColumn('cost_micros', integer)
    .addColumn('changed_at', integer, (column) => column.notNull())
    .addPrimaryKeyConstraint('budgets_primary', ['subject', 'subject_id', 'period'])
    .execute();
  await database.schema.createIndex('budgets_by_user').on('budgets').columns(['user_id']).execute();
  await table(database, engine, 'budget_counters')
    .addColumn('subject', text, (column) => column.notNull())
    .addColumn('subject_id', text, (column) => column.notNull())
    .addColumn('period', text, (column) => column.notNull())
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('period_start', integer, (column) => column.notNull())
    .addColumn('period_end', integer, (column) => column.notNull())
    .addColumn('requests', integer, (column) => column.notNull())
    .addColumn('tokens', integer, (column) => column.notNull())
    .addColumn('cost_micros', integer, (column) => column.notNull())
    .addColumn('recount_at', integer)
    .addPrimaryKeyConstraint('budget_counters_primary', ['subject', 'subject_id', 'period'])
    .execute();
  await database.schema.createIndex('budget_counters_by_user').on('budget_counters').columns(['user_id']).execute();
}

async function reservations(database: Kysely<unknown>, engine: Engine, { text, integer }: ColumnTypes): Promise<void> {
  await table(database, engine, 'budget_reservations')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('api_key_id', text)
    .addColumn('tokens_in', integer, (column) => column.notNull())
    .addColumn('tokens_out', integer, (column) => column.notNull())
    .addColumn('cost_micros', integer, (column) => column.notNull())
    .addColumn('owner', text, (column) => column.notNull())
    .addColumn('expires_at', integer, (column) => column.notNull())
    .execute();
  await database.schema.createIndex('budget_reservations_by_user').on('budget_reservations').columns(['user_id']).execute();
  await database.schema.createIndex('budget_reservations_by_expiry').on('budget_reservations').columns(['expires_at']).execute();
}
