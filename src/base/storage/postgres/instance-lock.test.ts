import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ParleyError } from '../../errors.ts';
import { databaseId } from '../database-id.ts';
import { openStorage, type Storage, type StorageOptions } from '../index.ts';
import { openTestStorage, postgresTestUrl, type TestStorage } from '../testing.ts';
import type { Instances } from './instance-lock.ts';

describe.skipIf(!postgresTestUrl())('servers on one PostgreSQL database', () => {
  const opened: Storage[] = [];
  let first: TestStorage;

  afterEach(async () => {
    for (const storage of opened.splice(0)) await storage.stop();
    await first.close();
  });

  async function startFirst(instances: Instances, changes: Partial<StorageOptions> = {}): Promise<void> {
    first = await openTestStorage('postgres', { instances, ...changes });
  }

  function another(instances: Instances, changes: Partial<StorageOptions> = {}): Storage {
    const storage = openStorage({ ...first.options, instances, onReplaced: () => undefined, ...changes });
    opened.push(storage);
    return storage;
  }

  /** Ends the connection that holds a lock, as an administrator or a network does. */
  /** Resolves when they have ended: until then their locks are held. */
  async function endLockConnections(storage: Storage): Promise<void> {
    const { sql } = await import('kysely');
    await sql`select pg_terminate_backend(locks.pid, 10000) from pg_locks locks
      where locktype = 'advisory' and objid = (hashtext(current_schema())::bigint & 4294967295)::oid`.execute(storage.read);
  }

  async function locksHeld(storage: Storage): Promise<number> {
    const { sql } = await import('kysely');
    const { rows } = await sql<{ count: number }>`select count(*) as count from pg_locks
      where locktype = 'advisory' and granted and objid = (hashtext(current_schema())::bigint & 4294967295)::oid`.execute(storage.read);
    return rows[0]!.count;
  }

  test('is one without Redis: a second one does not start, and says what to do', async () => {
    await startFirst('one');
    const second = another('one').start();
    await expect(second).rejects.toMatchObject({ code: 'conflict' });
    await expect(second).rejects.toThrow(/Another Parley uses this PostgreSQL database.*REDIS_URL/s);
    await expect(another('many').start()).rejects.toThrow(/without REDIS_URL uses this PostgreSQL database/);
    // Commands work beside a server.
    await another('one', { exclusive: false }).start();
  });

  test('are many with Redis, and then none without it', async () => {
    await startFirst('many');
    await another('many').start();
    await expect(another('one').start()).rejects.toMatchObject({ code: 'conflict' });
  });

  test('leave the place to the next one when they stop', async () => {
    await startFirst('one');
    await first.storage.stop();
    const next = another('one');
    await next.start();
    expect(await databaseId(next)).toBe(await databaseId(next));
  });

  test('take the lock again when its connection breaks, and go on writing', async () => {
    const onReplaced = vi.fn<(error: ParleyError) => void>();
    await startFirst('one', { onReplaced });
    expect(await locksHeld(first.storage)).toBe(1);
    await endLockConnections(first.storage);
    await vi.waitFor(async () => expect(await locksHeld(first.storage)).toBe(1), { timeout: 5000 });
    await expect(another('one').start()).rejects.toMatchObject({ code: 'conflict' });
    await first.storage.write((queries) => queries.insertInto('settings').values({ key: 'still', value: 'mine' }).execute());
    expect(onReplaced).not.toHaveBeenCalled();
  });

  test('write nothing more once another one has taken their place', async () => {
    const onReplaced = vi.fn<(error: ParleyError) => void>();
    await startFirst('one', { onReplaced });
    // Somebody who waits for the lock gets it the moment that the connection breaks.
    const { default: pg } = await import('pg');
    const waiting = new pg.Client({ connectionString: first.options.databaseUrl! });
    await waiting.connect();
    try {
      const taken = waiting.query("select pg_advisory_lock(x'7061726c'::integer, hashtext(current_schema()))");
      await vi.waitFor(async () => {
        const { sql } = await import('kysely');
        const { rows } = await sql<{ count: number }>`select count(*) as count from pg_locks where locktype = 'advisory' and not granted
          and objid = (hashtext(current_schema())::bigint & 4294967295)::oid`.execute(first.storage.read);
        expect(rows[0]!.count).toBe(1);
      });
      const { sql } = await import('kysely');
      await sql`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
        and objid = (hashtext(current_schema())::bigint & 4294967295)::oid`.execute(first.storage.read);
      await taken;
      await vi.waitFor(() => expect(onReplaced).toHaveBeenCalledTimes(1), { timeout: 10_000 });
      const write = first.storage.write((queries) => queries.insertInto('settings').values({ key: 'too', value: 'late' }).execute());
      await expect(write).rejects.toMatchObject({ code: 'storage_unavailable' });
      await expect(first.storage.appendTurnLog([{ messageId: 'm', seq: 1, kind: 'text', body: 'late', offset: 0, epoch: 1 }])).rejects.toMatchObject({ code: 'storage_unavailable' });
      expect(await first.storage.read.selectFrom('settings').select('key').where('key', '=', 'too').execute()).toEqual([]);
    } finally {
      await waiting.end();
    }
  }, 20_000);
});
