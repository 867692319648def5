import { columnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/** The chat profile that answered last in a conversation (`general`, `technical`, ...), where one did. */
export const profiles: Migration = {
  name: '0008-profiles',
  async up(database, engine) {
    await database.schema.alterTable('conversations').addColumn('profile', columnTypes(engine).text).execute();
  },
};
