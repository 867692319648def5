import { appendFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStorage, restoreDatabase, type Storage, type StorageOptions } from '../index.ts';
import { migrations } from '../migrations/index.ts';
import { openTestStorage } from '../testing.ts';
import { startChild } from './fixtures/child-protocol.ts';

let folder: string;
let options: StorageOptions;
let storage: Storage;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-backup-'));
  const opened = await openTestStorage('sqlite');
  await opened.close();
  options = { ...opened.options, dataDir: join(folder, 'data') };
  storage = openStorage(options);
  await storage.start();
});
afterEach(async () => {
  await storage.stop();
  await rm(folder, { recursive: true, force: true });
});

async function put(target: Storage, key: string, value: string): Promise<void> {
  await target.write(async (queries) => {
    await queries.insertInto('settings').values({ key, value }).onConflict((conflict) => conflict.column('key').doUpdateSet({ value })).execute();
  });
}

async function settingsOf(target: Storage): Promise<Record<string, string>> {
  const rows = await target.read.selectFrom('settings').select(['key', 'value']).orderBy('key').execute();
  return Object.fromEntries(rows.map((row) => [row.key, row.value]));
}

/** The settings of the database in a folder, read by a storage of its own. */
async function settingsIn(dataDir: string): Promise<Record<string, string>> {
  const other = openStorage({ ...options, dataDir });
  await other.start();
  try {
    return await settingsOf(other);
  } finally {
    await other.stop();
  }
}

const backupPath = (): string => join(folder, 'backup.db');

describe('a backup', () => {
  test('holds everything committed before it, and is private', async () => {
    await put(storage, 'before', '1');
    await storage.backup(backupPath());
    await put(storage, 'after', '1');
    expect((await stat(backupPath())).mode & 0o777).toBe(0o600);
    await restoreDatabase(backupPath(), join(folder, 'other'), { force: false });
    expect(await settingsIn(join(folder, 'other'))).toEqual({ before: '1' });
    expect(await readdir(folder)).toEqual(['backup.db', 'data', 'other']);
  });

  test('is consistent while the database is written', async () => {
    await put(storage, 'bulk', 'x'.repeat(5_000_000));
    let writes = 0;
    let ended = false;
    const writing = (async () => {
      while (!ended) {
        writes += 1;
        const value = String(writes);
        await storage.write(async (queries) => {
          for (const key of ['left', 'right']) {
            await queries.insertInto('settings').values({ key, value }).onConflict((conflict) => conflict.column('key').doUpdateSet({ value })).execute();
          }
        });
        await new Promise(setImmediate);
      }
    })();
    await storage.backup(backupPath());
    const during = writes;
    ended = true;
    await writing;
    expect(during).toBeGreaterThan(1); // The main thread went on.
    await restoreDatabase(backupPath(), join(folder, 'other'), { force: false });
    const copied = await settingsIn(join(folder, 'other'));
    expect(copied['left']).toBe(copied['right']);
  });

  test('replaces nothing', async () => {
    await writeFile(backupPath(), 'precious');
    await expect(storage.backup(backupPath())).rejects.toMatchObject({ code: 'conflict' });
    expect(await readFile(backupPath(), 'utf8')).toBe('precious');
  });

  test('into a folder that does not exist is an error', async () => {
    await expect(storage.backup(join(folder, 'nowhere', 'backup.db'))).rejects.toThrow();
  });

  test('can be made by a command beside the server', async () => {
    await put(storage, 'live', '1');
    const command = openStorage({ ...options, exclusive: false });
    await command.start();
    await command.backup(backupPath());
    await command.stop();
    await restoreDatabase(backupPath(), join(folder, 'other'), { force: false });
    expect(await settingsIn(join(folder, 'other'))).toEqual({ live: '1' });
  });
});

describe('restoring', () => {
  beforeEach(async () => {
    await put(storage, 'state', 'backed up');
    await storage.backup(backupPath());
    await put(storage, 'state', 'later');
  });

  test('replaces a database only when told to, and keeps the one it replaces', async () => {
    await storage.stop();
    await expect(restoreDatabase(backupPath(), options.dataDir, { force: false })).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('--force') });
    expect(await settingsIn(options.dataDir)).toEqual({ state: 'later' });

    const restored = await restoreDatabase(backupPath(), options.dataDir, { force: true });
    expect(restored).toEqual({ replaced: join(options.dataDir, 'parley-before-restore.db'), migration: migrations.at(-1)!.name });
    expect(await settingsIn(options.dataDir)).toEqual({ state: 'backed up' });

    await restoreDatabase(restored.replaced!, join(folder, 'other'), { force: false });
    expect(await settingsIn(join(folder, 'other'))).toEqual({ state: 'later' });
  });

  test('keeps what a killed server left in the log of the database it replaces, and applies none of it', async () => {
    await storage.stop();
    const child = startChild('try', options.dataDir);
    await child.until((line) => line.ready === true);
    await new Promise<void>((resolve) => child.process.once('close', () => resolve()));
    const held = startChild('hold', options.dataDir);
    await held.until((line) => line.ready === true);
    await held.kill();
    expect((await readdir(options.dataDir)).includes('parley.db-wal')).toBe(true);

    const { replaced } = await restoreDatabase(backupPath(), options.dataDir, { force: true });
    expect(await settingsIn(options.dataDir)).toEqual({ state: 'backed up' });
    await restoreDatabase(replaced!, join(folder, 'other'), { force: false });
    expect(await settingsIn(join(folder, 'other'))).toEqual({ child: 'was here', state: 'later' });
  });

  test('is refused while a server runs, or another program has the database open', async () => {
    await expect(restoreDatabase(backupPath(), options.dataDir, { force: true })).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(options.dataDir) });
    await storage.stop();
    const command = openStorage({ ...options, exclusive: false });
    await command.start();
    await put(command, 'state', 'by the command');
    await expect(restoreDatabase(backupPath(), options.dataDir, { force: true })).rejects.toMatchObject({ code: 'conflict' });
    expect(await settingsOf(command)).toEqual({ state: 'by the command' });
    await command.stop();
    expect(await settingsIn(options.dataDir)).toEqual({ state: 'by the command' });
  });

  /** Backups that must not be taken, and what the refusal says. */
  const bad: Record<string, { make: (path: string) => Promise<void>; says: RegExp }> = {
    'a file that is not there': { make: async (path) => await rm(path), says: /no file/ },
    'an empty file': { make: async (path) => await writeFile(path, ''), says: /not one of Parley/ },
    'a text': { make: async (path) => await writeFile(path, 'not a database, but a text of some length'), says: /cannot be read/ },
    'a folder': { make: async (path) => { await rm(path); await mkdir(path); }, says: /cannot be read/ },
    'a backup cut in half': {
      make: async (path) => {
        const file = await open(path, 'r+');
        await file.truncate(Math.floor((await file.stat()).size / 2));
        await file.close();
      },
      says: /cannot be read|damaged/,
    },
    'a backup with a broken page': {
      make: async (path) => {
        const file = await open(path, 'r+');
        await file.write(Buffer.alloc(4096, 0xa5), 0, 4096, 4096 * 3);
        await file.close();
      },
      says: /cannot be read|damaged/,
    },
    'the database of another program': {
      make: async (path) => {
        await rm(path);
        const other = new DatabaseSync(path);
        other.exec('create table things (id integer primary key)');
        other.close();
      },
      says: /not one of Parley/,
    },
    'the backup of a newer Parley': {
      make: async (path) => {
        const newer = new DatabaseSync(path);
        newer.exec(`insert into applied_migrations (name, applied_at) values ('9999-from-the-future', 1)`);
        newer.close();
      },
      says: /newer Parley.*9999-from-the-future/,
    },
  };

  test.each(Object.entries(bad))('refuses %s and leaves the database as it is', async (_name, { make, says }) => {
    await storage.stop();
    await make(backupPath());
    await expect(restoreDatabase(backupPath(), options.dataDir, { force: true })).rejects.toMatchObject({ code: 'invalid_request', message: expect.stringMatching(says) });
    expect((await readdir(options.dataDir)).sort()).toEqual(['parley.db', 'parley.lock']);
    expect(await settingsIn(options.dataDir)).toEqual({ state: 'later' });
  });

  test('works over a database that is damaged, and keeps that one too', async () => {
    await storage.stop();
    await writeFile(join(options.dataDir, 'parley.db'), 'ruined');
    await appendFile(join(options.dataDir, 'parley.db'), Buffer.alloc(10_000, 7));
    await expect(openStorage(options).start()).rejects.toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining('damaged') });
    const { replaced } = await restoreDatabase(backupPath(), options.dataDir, { force: true });
    expect(await settingsIn(options.dataDir)).toEqual({ state: 'backed up' });
    expect((await readFile(replaced!, 'utf8')).startsWith('ruined')).toBe(true);
  });
});

describe('integrity', () => {
  test('names what is damaged', async () => {
    for (let index = 0; index < 200; index += 1) await put(storage, `row.${index}`, 'x'.repeat(2000));
    await storage.stop();
    const file = await open(join(options.dataDir, 'parley.db'), 'r+');
    const { size } = await file.stat();
    await file.write(Buffer.alloc(4096, 0xa5), 0, 4096, size - 4096 * 20);
    await file.close();
    await storage.start();
    const problems = await storage.integrity();
    expect(problems.length).toBeGreaterThan(0);
  });

  test('names migrations that are missing', async () => {
    await storage.write(async (queries) => {
      await queries.deleteFrom('applied_migrations' as 'settings').execute();
    });
    expect(await storage.integrity()).toEqual(migrations.map((migration) => `Migration ${migration.name} has not been applied`));
  });
});
