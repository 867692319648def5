import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage, type Storage } from '../index.ts';
import { openTestStorage } from '../testing.ts';
import { startChild, type Child } from './fixtures/child-protocol.ts';

describe('one server for each data folder', () => {
  let dataDir: string;
  const children: Child[] = [];
  const storages: Storage[] = [];

  async function open(exclusive = true): Promise<Storage> {
    const { options, close } = await openTestStorage('sqlite');
    await close();
    const storage = openStorage({ ...options, dataDir, exclusive });
    await storage.start();
    storages.push(storage);
    return storage;
  }

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-lock-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await child.kill();
    for (const storage of storages.splice(0)) await storage.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  test('a second server is refused by a message that names the folder', async () => {
    await open();
    await expect(open()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(dataDir) });
    const child = startChild('try', dataDir);
    children.push(child);
    expect(await child.until((line) => line.code !== undefined)).toMatchObject({ code: 'conflict', message: expect.stringContaining(dataDir) });
  });

  test('when a server stops, or is killed, the next one can start at once', async () => {
    const first = await open();
    await first.stop();
    const child = startChild('hold', dataDir);
    children.push(child);
    await child.until((line) => line.ready === true);
    await expect(open()).rejects.toMatchObject({ code: 'conflict' });
    await child.kill();
    expect(await (await open()).check()).toEqual({ ok: true });
  });

  test('a command of the CLI works beside a running server', async () => {
    const server = await open();
    const command = await open(false);
    await command.write(async (queries) => await queries.insertInto('settings').values({ key: 'command', value: 'was here' }).execute());
    await command.stop();
    expect(await server.read.selectFrom('settings').select('value').where('key', '=', 'command').execute()).toEqual([{ value: 'was here' }]);
    await server.write(async (queries) => await queries.deleteFrom('settings').execute());
    expect(await server.integrity()).toEqual([]);
  });

  test('a command makes the tables when no server did, and not while one could be changing them', async () => {
    const command = await open(false);
    expect(await command.integrity()).toEqual([]);
    await command.stop();
    const { migrations } = await import('../migrations/index.ts');
    const later = { name: '9999-later', up: async () => {} };
    await open();
    const { options, close } = await openTestStorage('sqlite');
    await close();
    const newer = openStorage({ ...options, dataDir, exclusive: false, migrations: [...migrations, later] });
    await expect(newer.start()).rejects.toMatchObject({ code: 'conflict' });
  });

  test('folder and files are readable by their owner only', async () => {
    const inner = join(dataDir, 'made', 'by-parley');
    const { options, close } = await openTestStorage('sqlite');
    await close();
    const storage = openStorage({ ...options, dataDir: inner });
    storages.push(storage);
    await storage.start();
    await storage.check();
    const modes = await Promise.all(['', 'parley.db', 'parley.db-wal', 'parley.lock'].map(async (name) => (await stat(join(inner, name))).mode & 0o777));
    expect(modes).toEqual([0o700, 0o600, 0o600, 0o600]);
  });
});
