import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { userRow } from '../fixtures.ts';
import type { Storage } from '../types.ts';
import { openTestStorage, postgresTestUrl, type TestStorage } from '../testing.ts';
import { statementName } from './statements.ts';

describe.skipIf(postgresTestUrl() === null)('Queries that come often', () => {
  let opened: TestStorage;
  let storage: Storage;

  beforeEach(async () => {
    opened = await openTestStorage('postgres');
    storage = opened.storage;
  });
  afterEach(() => opened.close());

  const prepared = async (like: string): Promise<number> => {
    // Each connection has its own: the pool hands out the one that was used last.
    const { rows } = await sql<{ count: number }>`select count(*) as count from pg_prepared_statements where statement like ${like}`.execute(storage.read);
    return rows[0]!.count;
  };

  test('are planned once for each connection', async () => {
    for (let time = 0; time < 5; time += 1) await storage.read.selectFrom('users').select('id').where('username_key', '=', `nobody ${time}`).execute();
    expect(await prepared('select "id" from "users" where "username_key" = %')).toBe(1);
  });

  test('go on when another instance has changed the tables', async () => {
    const user = userRow();
    await storage.write((queries) => queries.insertInto('users').values(user).execute());
    const read = () => storage.read.selectFrom('users').selectAll().where('id', '=', user.id).executeTakeFirst();
    const write = () => storage.write(async (queries) => {
      const row = await queries.selectFrom('users').selectAll().where('username', '=', user.username).executeTakeFirstOrThrow();
      await queries.updateTable('users').set({ last_conversation_number: row.last_conversation_number + 1 }).where('id', '=', row.id).execute();
    });
    for (let time = 0; time < 5; time += 1) await Promise.all([read(), write()]);
    await sql`alter table users add column later_than_this text default 'there'`.execute(storage.read);
    expect(await read()).toMatchObject({ id: user.id, later_than_this: 'there' });
    await write();
    expect(await read()).toMatchObject({ last_conversation_number: 6 });
  });

  test('are errors as ever when they are wrong', async () => {
    for (let time = 0; time < 5; time += 1) {
      await expect(sql`select * from nothing_of_this_name`.execute(storage.read)).rejects.toMatchObject({ code: '42P01' });
      await expect(storage.write((queries) => queries.insertInto('users').values({ ...userRow(), id: null as never }).execute())).rejects.toMatchObject({ code: '23502' });
    }
  });
});

describe('Names of statements', () => {
  test('are given to texts that come often, and stay', () => {
    const text = 'select 1 as often';
    expect([1, 2].map(() => statementName(text))).toEqual([undefined, undefined]);
    const name = statementName(text);
    expect(name).toMatch(/^parley-\d+$/);
    expect(statementName(text)).toBe(name);
    expect(statementName('select 1 as seldom')).toBeUndefined();
  });

  test('are as many as a server should keep, whatever comes', () => {
    const given = new Set<string>();
    for (let number = 0; number < 3000; number += 1) {
      for (let time = 0; time < 4; time += 1) {
        const name = statementName(`select ${number}`);
        if (name !== undefined) given.add(name);
      }
    }
    expect(given.size).toBeLessThanOrEqual(300);
    expect(given.size).toBeGreaterThan(200);
  });
});
