import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addRunningTurns } from './fixtures.ts';
import { openStorage, restoreDatabase, type Migration } from './index.ts';
import { groundFloor } from './migrations/0001-ground-floor.ts';
import { migratorSuite } from './migrator-suite.ts';
import { openTestStorage, postgresTestUrl, type TestStorage } from './testing.ts';

describe('on SQLite', () => {
  migratorSuite('sqlite');

  describe('before a migration', () => {
    let opened: TestStorage;
    beforeEach(async () => {
      opened = await openTestStorage('sqlite', { migrations: [groundFloor] });
    });
    afterEach(async () => await opened.close());

    const changesEverything: Migration = {
      name: '9001-everything',
      async up(database) {
        await database.schema.dropTable('settings').execute();
      },
    };

    test('a backup is made from which the database before it can be restored', async () => {
      const { userId } = await addRunningTurns(opened.storage, 1);
      await opened.storage.write(async (queries) => await queries.insertInto('settings').values({ key: 'kept', value: 'yes' }).execute());
      await opened.storage.stop();
      const later = openStorage({ ...opened.options, migrations: [groundFloor, changesEverything] });
      await later.start();
      await later.stop();
      const backup = join(opened.dataDir, 'parley-before-9001-everything.db');

      await restoreDatabase(backup, opened.dataDir, { force: true, migrations: [groundFloor] });
      const before = openStorage(opened.options);
      await before.start();
      expect(await before.read.selectFrom('settings').selectAll().execute()).toEqual([{ key: 'kept', value: 'yes' }]);
      expect(await before.read.selectFrom('users').select('id').execute()).toEqual([{ id: userId }]);
      await before.stop();
    });

    test('no backup is made of a database that was just born, nor when nothing changes', async () => {
      await opened.storage.stop();
      const again = openStorage(opened.options);
      await again.start();
      await again.stop();
      expect((await readdir(opened.dataDir)).sort()).toEqual(['parley.db', 'parley.lock']);
    });

    test('and without a backup there is no migration', async () => {
      await opened.storage.stop();
      const backup = join(opened.dataDir, 'parley-before-9001-everything.db');
      const { mkdir } = await import('node:fs/promises');
      await mkdir(join(backup, 'in-the-way'), { recursive: true });
      const later = openStorage({ ...opened.options, migrations: [groundFloor, changesEverything] });
      await expect(later.start()).rejects.toThrow();
      await rm(backup, { recursive: true });
      const same = openStorage(opened.options);
      await same.start();
      expect(await same.check()).toEqual({ ok: true });
      await same.stop();
    });
  });
});

describe.skipIf(postgresTestUrl() === null)('on PostgreSQL', () => {
  migratorSuite('postgres');

  test('instances that start together migrate once', async () => {
    const opened = await openTestStorage('postgres', { migrations: [] });
    const instances = Array.from({ length: 4 }, () => openStorage({ ...opened.options, migrations: [groundFloor] }));
    await Promise.all(instances.map(async (instance) => await instance.start()));
    expect(await Promise.all(instances.map(async (instance) => await instance.check()))).toEqual(instances.map(() => ({ ok: true })));
    for (const instance of instances) await instance.stop();
    await opened.close();
  });
});
