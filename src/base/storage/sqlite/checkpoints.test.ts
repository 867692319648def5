import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../observability/index.ts';
import { openTestStorage, type TestStorage } from '../testing.ts';
import { WriteLock } from '../write-lock.ts';
import { Checkpoints } from './checkpoints.ts';

let opened: TestStorage;
let path: string;
const made: Checkpoints[] = [];

beforeEach(async () => {
  opened = await openTestStorage('sqlite');
  path = join(opened.dataDir, 'parley.db');
});
afterEach(async () => {
  for (const checkpoints of made.splice(0)) await checkpoints.stop();
  await opened.close();
});

function checkpoints(lock: WriteLock, maxLogPages: number, file = path): Checkpoints {
  const one = new Checkpoints({ path: file, fullSync: false, readOnly: false }, lock, silentLog(), { minLogBytes: 900_000, maxLogPages });
  made.push(one);
  return one;
}

const sizeOf = (file: string): number => statSync(file).size;

async function fill(bytes: number): Promise<void> {
  await opened.storage.write(async (queries) => {
    await queries.insertInto('settings').values({ key: `${bytes}.${performance.now()}`, value: 'x'.repeat(bytes) }).execute();
  });
}

describe('a checkpoint', () => {
  test('moves what was committed from the log into the file', async () => {
    await fill(1_000_000);
    const before = sizeOf(path);
    await checkpoints(new WriteLock(), 1_000_000).run();
    expect(sizeOf(path)).toBeGreaterThan(before + 900_000);
  });

  test('empties a log that has grown too long, and holds up writers only for that', async () => {
    await fill(1_000_000);
    const lock = new WriteLock();
    const acquire = vi.spyOn(lock, 'acquire');
    const log = `${path}-wal`;
    const grown = sizeOf(log);
    await checkpoints(lock, 100_000).run();
    expect(sizeOf(log)).toBe(grown);
    expect(acquire).not.toHaveBeenCalled();

    await checkpoints(lock, 10).run();
    expect(sizeOf(log)).toBe(0);
    expect(acquire).toHaveBeenCalledTimes(1);
    expect(lock.tryAcquire()).toBe(true); // It was given back.
    await fill(1000);
    expect(await opened.storage.integrity()).toEqual([]);
  });

  test('waits for the transaction that is open', async () => {
    await fill(1_000_000);
    const lock = new WriteLock();
    lock.tryAcquire();
    let ended = false;
    const running = checkpoints(lock, 10).run().then(() => {
      ended = true;
    });
    await vi.waitFor(() => expect(sizeOf(path)).toBeGreaterThan(900_000));
    expect(ended).toBe(false);
    lock.release();
    await running;
    expect(sizeOf(`${path}-wal`)).toBe(0);
  });

  test('that fails is logged and does no harm', async () => {
    const lock = new WriteLock();
    await checkpoints(lock, 10, join(opened.dataDir, 'nowhere', 'parley.db')).run();
    expect(lock.tryAcquire()).toBe(true);
  });

  test('is not made while the log is short', async () => {
    await fill(100_000);
    const before = sizeOf(path);
    await checkpoints(new WriteLock(), 1).run();
    expect(sizeOf(path)).toBe(before);
  });

  test('comes by itself soon after a commit that makes the log long', async () => {
    await fill(5_000_000);
    await vi.waitFor(() => expect(sizeOf(path)).toBeGreaterThan(4_900_000), { timeout: 10_000 });
  });
});
