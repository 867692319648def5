import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, readdirSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addRunningTurns, logRow, readLog } from '../fixtures.ts';
import { openStorage, restoreDatabase, type Storage } from '../index.ts';
import { openTestStorage } from '../testing.ts';
import { startChild } from './fixtures/child-protocol.ts';

const isRoot = process.getuid?.() === 0;
const canMount = process.platform === 'linux' && isRoot;

/** Takes every byte that is left in a folder. @returns a function that gives them back */
function fillDisk(folder: string): () => void {
  const path = join(folder, 'ballast');
  const file = openSync(path, 'w');
  try {
    for (const size of [65_536, 4096, 512, 1]) {
      const block = Buffer.alloc(size);
      try {
        for (;;) writeSync(file, block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(file);
  }
  return () => unlinkSync(path);
}

async function withoutLock(dataDir: string): Promise<Storage> {
  const { options, close } = await openTestStorage('sqlite');
  await close();
  return openStorage({ ...options, dataDir });
}

describe.skipIf(!canMount)('a full disk', () => {
  let folder: string;
  let storage: Storage;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
    storage = await withoutLock(folder);
    await storage.start();
  });
  afterEach(async () => {
    await storage.stop();
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  });

  const large = 'x'.repeat(200_000);
  const add = (key: string, value: string): Promise<unknown> =>
    storage.write(async (queries) => await queries.insertInto('settings').values({ key, value }).execute());

  test('is a clear error, reading goes on, and with space again everything works', async () => {
    const { messageIds: [messageId] } = await addRunningTurns(storage, 1) as { messageIds: string[] };
    await storage.appendTurnLog([logRow(messageId!, 1)]);
    await add('before', 'kept');
    const freeDisk = fillDisk(folder);

    for (let round = 0; round < 3; round += 1) {
      await expect(add('large', large)).rejects.toMatchObject({ code: 'storage_full' });
      await expect(storage.appendTurnLog([logRow(messageId!, 2, { body: large })])).rejects.toMatchObject({ code: 'storage_full' });
      expect(await readLog(storage, messageId!)).toEqual(['1:token']);
    }
    expect(await storage.read.selectFrom('settings').select('key').execute()).toEqual([{ key: 'before' }]);

    freeDisk();
    await add('large', large);
    expect(await storage.appendTurnLog([logRow(messageId!, 2)])).toEqual([true]);
    expect(await readLog(storage, messageId!)).toEqual(['1:token', '2:token']);
    expect(await storage.check()).toEqual({ ok: true });
    expect(await storage.integrity()).toEqual([]);
  });

  test('in the middle of many small writes loses none that was committed', async () => {
    let committed = 0;
    const freeDisk = fillDisk(folder);
    const error = await (async () => {
      for (;;) {
        await add(`small.${committed}`, 'y'.repeat(500));
        committed += 1;
      }
    })().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'storage_full' });
    freeDisk();
    await storage.stop();
    storage = await withoutLock(folder);
    await storage.start();
    expect(await storage.read.selectFrom('settings').select('key').execute()).toHaveLength(committed);
    expect(await storage.integrity()).toEqual([]);
  });

  test('at the start is a clear error too', async () => {
    await storage.stop();
    rmSync(join(folder, 'parley.db'));
    const freeDisk = fillDisk(folder);
    storage = await withoutLock(folder);
    await expect(storage.start()).rejects.toMatchObject({ code: 'storage_full' });
    freeDisk();
    await storage.start();
    expect(await storage.check()).toEqual({ ok: true });
  });

  test('leaves no half backup behind, and no half restored database', async () => {
    await add('large', large);
    const elsewhere = mkdtempSync(join(tmpdir(), 'parley-backup-'));
    try {
      await storage.backup(join(elsewhere, 'good.db'));
      const freeDisk = fillDisk(folder);
      await expect(storage.backup(join(folder, 'backup.db'))).rejects.toMatchObject({ code: 'storage_full' });
      await storage.stop();
      await expect(restoreDatabase(join(elsewhere, 'good.db'), folder, { force: true })).rejects.toMatchObject({ code: 'storage_full' });
      freeDisk();
      expect(readdirSync(folder).filter((name) => !/^parley\.(db|db-wal|db-shm|lock)$/.test(name))).toEqual([]);
      storage = await withoutLock(folder);
      await storage.start();
      expect(await storage.read.selectFrom('settings').select('key').execute()).toEqual([{ key: 'large' }]);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });
});

/** Somebody who may not write what root, or the user of the tests, made. */
const otherUser = isRoot ? 65_534 : undefined;

describe.skipIf(process.platform === 'win32')('a folder that cannot be written', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-read-only-'));
  });
  afterEach(() => {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true });
  });

  test('is a clear error that names it, and works when it is mended', async () => {
    chmodSync(folder, 0o555);
    const refused = await startChild('try', folder, otherUser).until((line) => line.code !== undefined);
    expect(refused).toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining(folder) });

    const inside = await startChild('try', join(folder, 'data'), otherUser).until((line) => line.code !== undefined);
    expect(inside).toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining(join(folder, 'data')) });

    chmodSync(folder, 0o777);
    await startChild('try', folder, otherUser).until((line) => line.ready === true);
  });

  test('with a database in it that can only be read is one as well, and the database stays whole', async () => {
    const storage = await withoutLock(folder);
    await storage.start();
    await storage.stop();
    for (const name of ['parley.db', 'parley.lock']) chmodSync(join(folder, name), 0o444);
    chmodSync(folder, 0o555);
    const refused = await startChild('try', folder, otherUser).until((line) => line.code !== undefined);
    expect(refused).toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining(folder) });

    chmodSync(folder, 0o700);
    for (const name of ['parley.db', 'parley.lock']) chmodSync(join(folder, name), 0o600);
    const again = await withoutLock(folder);
    await again.start();
    expect(await again.check()).toEqual({ ok: true });
    expect(await again.integrity()).toEqual([]);
    await again.stop();
  });
});
