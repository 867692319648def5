import { sql, type Kysely } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addRunningTurns, usageRow } from './fixtures.ts';
import { openStorage, type Migration, type Storage } from './index.ts';
import { groundFloor } from './migrations/0001-ground-floor.ts';
import { migrations } from './migrations/index.ts';
import { openTestStorage, type TestStorage } from './testing.ts';
import type { Engine } from './types.ts';

interface Notes {
  notes: { id: string; text: string };
}

/** Migrations of a Parley to come. */
const addsNotes: Migration = {
  name: '9001-notes',
  async up(database) {
    await database.schema.createTable('notes').addColumn('id', 'text', (column) => column.primaryKey().notNull()).execute();
  },
};
const addsText: Migration = {
  name: '9002-note-text',
  async up(database) {
    await database.schema.alterTable('notes').addColumn('text', 'text').execute();
    await (database as Kysely<Notes>).insertInto('notes').values({ id: 'first', text: 'hello' }).execute();
  },
};
const fails: Migration = {
  name: '9002-fails',
  async up(database) {
    await database.schema.createTable('half').addColumn('id', 'text').execute();
    throw new Error('a mistake in a migration');
  },
};

async function tableExists(storage: Storage, name: string): Promise<boolean> {
  // Not by introspection, which looks at every schema of the server, and stumbles over those that other tests drop meanwhile.
  const found = storage.engine === 'postgres' ? sql<{ name: string | null }>`select to_regclass(${name})::text as name` : sql<{ name: string }>`select name from sqlite_master where name = ${name}`;
  const { rows } = await found.execute(storage.read);
  return rows.some((row) => row.name !== null);
}

/** What migrations do on every engine. */
export function migratorSuite(engine: Engine): void {
  let opened: TestStorage;
  const others: Storage[] = [];

  /** Stops what is open and starts the same database with these migrations. */
  async function restart(list: readonly Migration[]): Promise<Storage> {
    await opened.storage.stop();
    for (const other of others) await other.stop();
    const storage = openStorage({ ...opened.options, migrations: list });
    others.push(storage);
    await storage.start();
    return storage;
  }

  beforeEach(async () => {
    opened = await openTestStorage(engine, { migrations: [groundFloor] });
  });
  afterEach(async () => {
    for (const other of others.splice(0)) await other.stop();
    await opened.close();
  });

  describe('migrations', () => {
    test('bring the first schema ever shipped, with rows in it, to the newest', async () => {
      const { userId, messageIds } = await addRunningTurns(opened.storage, 3);
      const { charged_tokens: _, charged_micros: __, ...usage } = usageRow(userId, messageIds[0]!);
      await opened.storage.write((queries) => queries.insertInto('usage').values(usage).execute());
      const storage = await restart(migrations);
      expect(await storage.read.selectFrom('users').select('id').execute()).toEqual([{ id: userId }]);
      expect((await storage.read.selectFrom('messages').select('id').orderBy('seq').execute()).map((row) => row.id)).toEqual(messageIds);
      expect(await storage.read.selectFrom('usage').selectAll().execute()).toEqual([{ ...usage, charged_tokens: null, charged_micros: null }]);
      expect(await storage.integrity()).toEqual([]);
    });

    test('are applied once, in order, and later ones later', async () => {
      await restart([groundFloor, addsNotes]);
      const storage = await restart([groundFloor, addsNotes, addsText]);
      const again = await restart([groundFloor, addsNotes, addsText]);
      expect(storage).not.toBe(again);
      const notes = await (again.read as unknown as Kysely<Notes>).selectFrom('notes').selectAll().execute();
      expect(notes).toEqual([{ id: 'first', text: 'hello' }]);
      expect(await again.integrity()).toEqual([]);
    });

    test('that fail leave nothing of themselves, and those before them stay', async () => {
      await expect(restart([groundFloor, addsNotes, fails])).rejects.toThrow('a mistake in a migration');
      const storage = await restart([groundFloor, addsNotes]);
      expect(await tableExists(storage, 'notes')).toBe(true);
      expect(await tableExists(storage, 'half')).toBe(false);
      const mended = await restart([groundFloor, addsNotes, addsText]);
      expect(await mended.check()).toEqual({ ok: true });
    });

    test('of a newer Parley are recognised, and the database is left alone', async () => {
      await restart([groundFloor, addsNotes]);
      await expect(restart([groundFloor])).rejects.toMatchObject({ code: 'storage_unavailable', message: expect.stringMatching(/newer Parley.*9001-notes/) });
      expect(await tableExists(await restart([groundFloor, addsNotes]), 'notes')).toBe(true);
    });
  });
}
