import { sql } from 'kysely';
import { columnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/**
 * What people keep in order: a trash that conversations wait in before they are deleted, pins, which are each
 * participant's own, the list of conversations anybody may join, and when each sign-in was used last.
 */
export const organising: Migration = {
  name: '0003-organising',
  async up(database, engine) {
    const { integer } = columnTypes(engine);
    await database.schema.alterTable('conversations').addColumn('trashed_at', integer).execute();
    await database.schema.alterTable('participants').addColumn('pinned_at', integer).execute();
    await database.schema.alterTable('tokens').addColumn('last_used_at', integer).execute();
    await database.schema
      .createIndex('conversations_public')
      .on('conversations')
      .columns(['last_activity_at desc', 'id desc'])
      .where(sql.ref('type'), '<>', sql.lit('DIRECT'))
      .where(sql.ref('is_private'), '=', sql.lit(0))
      .where(sql.ref('archived_at'), 'is', null)
      .execute();
    // Few conversations are in the trash: the others are left out.
    await database.schema.createIndex('conversations_by_trash').on('conversations').columns(['trashed_at']).where(sql.ref('trashed_at'), 'is not', null).execute();
  },
};
