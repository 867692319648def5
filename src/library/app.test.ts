import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApp, type Config } from './index.ts';
import { prepareGround, type Ground } from './testing.ts';

describe('createApp', () => {
  let ground: Ground;
  beforeEach(async () => { ground = await prepareGround(); });
  afterEach(() => ground.clear());

  it('builds a whole server on an empty folder: tables, pages, routes and sockets', async () => {
    const app = await createApp(ground.config);
    expect(app.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(app.addresses).toEqual([app.address]);
    expect((await fetch(`${app.address}/health`)).status).toBe(200);
    expect((await fetch(`${app.address}/api/v1/chat/chats`)).status).toBeLessThan(500);
    expect((await fetch(`${app.address}/socket.io/?EIO=4&transport=polling`)).status).toBeLessThan(500);
    const database = new DatabaseSync(join(ground.dataDir, 'parley.db'), { readOnly: true });
    const tables = database.prepare("select name from sqlite_master where type = 'table'").all().map((row) => row['name']);
    database.close();
    expect(tables).toEqual(expect.arrayContaining(['users', 'conversations', 'messages', 'turns']));
    expect(await app.ownerId()).toMatch(/^[0-9a-f-]{36}$/);
    await Promise.all([app.stop(), app.stop()]);
    await expect(fetch(`${app.address}/health`)).rejects.toThrow();
  });

  it('stops at the end of an `await using` block, and may be built again', async () => {
    let address: string;
    let owner: string;
    {
      await using app = await createApp(ground.config);
      [address, owner] = [app.address, await app.ownerId()];
    }
    await expect(fetch(`${address}/health`)).rejects.toThrow();
    await using again = await createApp(ground.config);
    expect(await again.ownerId()).toBe(owner);
  });

  it('fails when another server has the data folder', async () => {
    await using _app = await createApp(ground.config);
    await expect(createApp(ground.config)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(ground.dataDir) });
  });

  it('fails when the database cannot be reached', async () => {
    await expect(createApp({ ...ground.config, DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/none' })).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it.skipIf(!process.env.DATABASE_URL_TEST)('fails when Redis cannot be reached, and leaves nothing behind', async () => {
    const config = { ...ground.config, DATABASE_URL: await ground.emptyDatabase(), REDIS_URL: 'redis://127.0.0.1:9' };
    await expect(createApp(config)).rejects.toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining('Redis') });
    await using _alone = await createApp({ ...config, REDIS_URL: '' });
  });

  it.skipIf(!process.env.DATABASE_URL_TEST || !process.env.REDIS_URL_TEST)('runs on an empty PostgreSQL and Redis', async () => {
    const config = { ...ground.config, DATABASE_URL: await ground.emptyDatabase(), REDIS_URL: process.env.REDIS_URL_TEST! };
    await using app = await createApp(config);
    await using second = await createApp(config);
    expect(await second.ownerId()).toBe(await app.ownerId());
  });

  it.each([
    [{ PROT: 80 } as Partial<Config>, /There is no setting PROT/],
    [{ PORT: 'eighty' }, /PORT must be a port/],
    [{ MAX_CONTENT_LENGTH: '100 * 1024 * 1024' }, /MAX_CONTENT_LENGTH must be a whole number/],
    [{ SESSION_SECRET: 'short' }, /SESSION_SECRET must have at least 32 characters/],
    [{ ENCRYPTION_KEY: 'short' }, /ENCRYPTION_KEY must have at least 32 characters/],
    [{ REDIS_URL: 'redis://127.0.0.1:6379' }, /DATABASE_URL is not set/],
  ])('refuses %j', async (config, message) => {
    await expect(createApp({ ...ground.config, ...config })).rejects.toThrow(message);
  });
});
