import { spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStorage } from '../open.ts';
import { openTestStorage, type TestStorage } from '../testing.ts';
import type { Storage } from '../types.ts';
import { backupsFolder, dropStagedRestore, stagedRestore, stageRestore, takeAppliedRestore } from './staged-restore.ts';

let database: TestStorage;
let backup: string;

const write = (storage: Storage, value: string): Promise<unknown> =>
  storage.write((queries) => queries.insertInto('settings').values({ key: 'word', value }).onConflict((conflict) => conflict.column('key').doUpdateSet({ value })).execute());
const wordOf = async (storage: Storage): Promise<string | undefined> => (await storage.read.selectFrom('settings').select('value').where('key', '=', 'word').executeTakeFirst())?.value;
const keptFiles = async (): Promise<string[]> => (await readdir(join(database.dataDir, backupsFolder)).catch(() => [])).filter((name) => name.endsWith('.db'));
const apply = (killedAfter: string): NodeJS.Signals | null =>
  spawnSync(process.execPath, [fileURLToPath(new URL('./fixtures/applying.ts', import.meta.url)), database.dataDir, join(database.dataDir, backupsFolder), killedAfter], { timeout: 20_000 }).signal;

/** The word in the file of a database, looked at in a copy, so that nothing is changed. */
async function wordIn(path: string): Promise<string | undefined> {
  const copy = join(await mkdtemp(join(database.dataDir, 'look-')), 'copy.db');
  await copyFile(path, copy);
  const opened = new DatabaseSync(copy);
  try {
    return (opened.prepare(`select value from settings where key = 'word'`).get() as { value: string } | undefined)?.value;
  } finally {
    opened.close();
  }
}

beforeEach(async () => {
  database = await openTestStorage('sqlite');
  backup = join(database.dataDir, 'backup.db');
  await write(database.storage, 'before');
  await database.storage.backup(backup);
  await write(database.storage, 'after');
});
afterEach(() => database.close());

/** Ends the storage as a server that stops, and starts it again. */
async function startAgain(): Promise<Storage> {
  await database.storage.stop();
  const storage = openStorage(database.options);
  await storage.start();
  return storage;
}

describe('A staged restore', () => {
  test('changes nothing until the next start; then the backup is the database, and what was there is kept', async () => {
    await stageRestore(backup, database.dataDir, { by: 'ann' }, 7);
    expect(await stagedRestore(database.dataDir)).toMatchObject({ note: { by: 'ann' }, stagedAt: 7 });
    expect(await wordOf(database.storage)).toBe('after');
    expect(await takeAppliedRestore(database.dataDir)).toBeNull();
    await write(database.storage, 'later still');
    const storage = await startAgain();
    expect(await wordOf(storage)).toBe('before');
    expect(await storage.integrity()).toEqual([]);
    expect(await stagedRestore(database.dataDir)).toBeNull();
    expect(await takeAppliedRestore(database.dataDir)).toMatchObject({ note: { by: 'ann' } });
    expect(await takeAppliedRestore(database.dataDir)).toBeNull();
    await storage.stop();
    const [kept] = await keptFiles();
    expect(await wordIn(join(database.dataDir, backupsFolder, kept!))).toBe('later still');
  });

  test('can be taken back', async () => {
    await stageRestore(backup, database.dataDir, {}, 7);
    expect([await dropStagedRestore(database.dataDir), await dropStagedRestore(database.dataDir)]).toEqual([true, false]);
    const storage = await startAgain();
    expect([await wordOf(storage), await takeAppliedRestore(database.dataDir)]).toEqual(['after', null]);
    await storage.stop();
  });

  test('is refused for what is no whole backup', async () => {
    const other = join(database.dataDir, 'other.db');
    await writeFile(other, 'no database at all'.repeat(1000));
    for (const path of [other, join(database.dataDir, 'none.db')]) await expect(stageRestore(path, database.dataDir, {}, 7)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await stagedRestore(database.dataDir)).toBeNull();
  });

  test('that is damaged while it waits is put aside, and the database stays', async () => {
    await stageRestore(backup, database.dataDir, {}, 7);
    const file = await open(join(database.dataDir, 'parley-restore-staged.db'), 'r+');
    await file.write(Buffer.alloc(8192, 0xff), 0, 8192, 4096);
    await file.close();
    const storage = await startAgain();
    expect([await wordOf(storage), await takeAppliedRestore(database.dataDir)]).toEqual(['after', null]);
    expect(await readdir(database.dataDir)).toContain('parley-restore-refused.db');
    await storage.stop();
  });

  test('does not take up work on databases again that went on when the backup was made', async () => {
    const job = { id: 'j', kind: 'database-work', user_id: null, payload: '{}', state: 'running', dedup_key: null, priority: 0, attempts: 1, max_attempts: 2, run_at: 0, owner: 'x', lease_until: 1, progress: null, note: null, result: null, error: null, cancel_requested: 0, created_at: 1, ended_at: null };
    await database.storage.write((queries) => queries.insertInto('jobs').values({ ...job, note: 'null' } as never).execute());
    const second = join(database.dataDir, 'second.db');
    await database.storage.backup(second);
    await stageRestore(second, database.dataDir, {}, 9);
    const storage = await startAgain();
    expect(await storage.read.selectFrom('jobs').select(['state', 'ended_at']).execute()).toEqual([{ state: 'cancelled', ended_at: 9 }]);
    await storage.stop();
  });

  test.each(['checked', 'kept', 'noted', 'placed'])('survives kill -9 behind the step "%s": one database or the other, whole, and the next start ends it', async (step) => {
    await stageRestore(backup, database.dataDir, { by: 'ann' }, 7);
    await database.storage.stop();
    expect(apply(step)).toBe('SIGKILL');
    expect(await wordIn(join(database.dataDir, 'parley.db'))).toBe(step === 'placed' ? 'before' : 'after');
    // Killed a second time at the same place, it still has everything.
    if (step === 'kept') expect(apply(step)).toBe('SIGKILL');
    const storage = openStorage(database.options);
    await storage.start();
    expect([await wordOf(storage), await storage.integrity()]).toEqual(['before', []]);
    expect(await takeAppliedRestore(database.dataDir)).toMatchObject({ note: { by: 'ann' } });
    await storage.stop();
    const kept = await keptFiles();
    expect(await Promise.all(kept.map((name) => wordIn(join(database.dataDir, backupsFolder, name))))).toEqual(kept.map(() => 'after'));
    expect(kept.length).toBeGreaterThan(0);
  });
});
