import { sql } from 'kysely';
import { columnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/**
 * What administrators did: who, when, what. Names of users are kept as they were, so that a row says something when the account
 * is gone.
 */
export const audit: Migration = {
  name: '0010-audit',
  async up(database, engine) {
    const { text, integer } = columnTypes(engine);
    const table = database.schema.createTable('audit_log');
    await (engine === 'sqlite' ? table.modifyEnd(sql`strict`) : table)
      .addColumn('id', text, (column) => column.primaryKey().notNull())
      .addColumn('at', integer, (column) => column.notNull())
      .addColumn('user_id', text)
      .addColumn('username', text, (column) => column.notNull())
      .addColumn('via', text, (column) => column.notNull())
      .addColumn('action', text, (column) => column.notNull())
      .addColumn('outcome', text, (column) => column.notNull())
      .addColumn('details', text, (column) => column.notNull())
      .execute();
  },
};
