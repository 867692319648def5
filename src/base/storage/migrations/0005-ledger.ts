import { sql, type CreateTableBuilder, type Kysely } from 'kysely';
import type { Engine } from '../types.ts';
import { columnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/**
 * What proves transcripts: the keys that sign them, the append-only log with the hashes of its tree, the sealed transcripts
 * themselves, and what became of their submissions elsewhere. Rows of the log stay when a transcript is deleted: they hold
 * no word of it.
 */
export const ledger: Migration = {
  name: '0005-ledger',
  async up(database, engine) {
    const { text, integer } = columnTypes(engine);
    await table(database, engine, 'ledger_keys')
      .addColumn('id', text, (column) => column.primaryKey().notNull())
      .addColumn('public_key', text, (column) => column.notNull())
      .addColumn('private_key', text)
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('retired_at', integer)
      .execute();
    await table(database, engine, 'ledger_log', true)
      .addColumn('position', integer, (column) => column.primaryKey().notNull())
      .addColumn('transcript_id', text, (column) => column.notNull().unique())
      .addColumn('leaf_hash', text, (column) => column.notNull())
      .addColumn('logged_at', integer, (column) => column.notNull())
      .addColumn('root_hash', text, (column) => column.notNull())
      .addColumn('key_id', text, (column) => column.notNull().references('ledger_keys.id'))
      .addColumn('signature', text, (column) => column.notNull())
      .execute();
    await table(database, engine, 'ledger_nodes')
      .addColumn('level', integer, (column) => column.notNull())
      .addColumn('position', integer, (column) => column.notNull())
      .addColumn('hash', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('ledger_nodes_primary', ['level', 'position'])
      .execute();
    await table(database, engine, 'ledger_transcripts')
      .addColumn('id', text, (column) => column.primaryKey().notNull().references('ledger_log.transcript_id'))
      .addColumn('owner_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
      .addColumn('body', text, (column) => column.notNull())
      .execute();
    await database.schema.createIndex('ledger_transcripts_by_owner').on('ledger_transcripts').columns(['owner_id']).execute();
    await table(database, engine, 'ledger_anchors')
      .addColumn('transcript_id', text, (column) => column.notNull().references('ledger_log.transcript_id'))
      .addColumn('anchor', text, (column) => column.notNull())
      .addColumn('state', text, (column) => column.notNull())
      .addColumn('progress', text, (column) => column.notNull())
      .addColumn('problem', text)
      .addColumn('attempts', integer, (column) => column.notNull())
      .addColumn('owner', text)
      .addColumn('lease_until', integer)
      .addColumn('changed_at', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('ledger_anchors_primary', ['transcript_id', 'anchor'])
      .execute();
  },
};

/** Begins a table. STRICT makes SQLite refuse values of the wrong type, as PostgreSQL does. */
function table<Name extends string>(database: Kysely<unknown>, engine: Engine, name: Name, withoutRowId = false): CreateTableBuilder<Name, never> {
  const builder = database.schema.createTable(name);
  if (engine !== 'sqlite') return builder;
  return builder.modifyEnd(withoutRowId ? sql`strict, without rowid` : sql`strict`);
}
