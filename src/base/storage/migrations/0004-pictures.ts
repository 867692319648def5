import { sql } from 'kysely';
import { columnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/** Pictures of messages: apart from them, so that reading a conversation does not read its pictures, and gone with them. */
export const pictures: Migration = {
  name: '0004-pictures',
  async up(database, engine) {
    const { text, integer } = columnTypes(engine);
    const builder = database.schema
      .createTable('message_pictures')
      .addColumn('message_id', text, (column) => column.notNull().references('messages.id').onDelete('cascade'))
      .addColumn('position', integer, (column) => column.notNull())
      .addColumn('content', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('message_pictures_primary', ['message_id', 'position']);
    await (engine === 'sqlite' ? builder.modifyEnd(sql`strict`) : builder).execute();
  },
};
