import { sql } from 'kysely';
import { afterEach, describe, expect, test } from 'vitest';
import { migrations } from './migrations/index.ts';
import { fillAllTables } from './move/fixtures/filling.ts';
import { movedTables } from './move/tables.ts';
import { openStorage } from './index.ts';
import { engines, openTestStorage, type TestStorage } from './testing.ts';
import type { Engine, Storage } from './types.ts';

type Row = Record<string, unknown>;

const opened: TestStorage[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const open = async (engine: Engine, changes: Parameters<typeof openTestStorage>[1] = {}): Promise<TestStorage> => {
  const made = await openTestStorage(engine, changes);
  opened.push(made);
  return made;
};
/** What older versions had, and no newer one has. */
const former: Record<string, Row> = { agent_sessions: { transcript_state: 'none', transcript_transactions: '[]' } };

async function columnsOf(storage: Storage, table: string): Promise<string[]> {
  const { rows } = storage.engine === 'sqlite'
    ? await sql<{ name: string }>`select name from pragma_table_info(${table})`.execute(storage.read)
    : await sql<{ name: string }>`select column_name as name from information_schema.columns where table_schema = current_schema() and table_name = ${table}`.execute(storage.read);
  return rows.map(({ name }) => name);
}

async function rowsOf(storage: Storage, table: string, columns: readonly string[]): Promise<Row[]> {
  let query = storage.read.selectFrom(table as 'settings').select(columns as 'key'[]);
  for (const column of movedTables[table as keyof typeof movedTables]) query = query.orderBy(column as 'key');
  return (await query.execute()) as unknown as Row[];
}

describe.each(engines)('A database of an older version, on %s', (engine) => {
  test.each(['0004-pictures', '0008-profiles'])('that stands at %s keeps every row', { timeout: 60_000 }, async (last) => {
    const full = await open(engine);
    await fillAllTables(full.storage);
    // Beyond the numbers of JavaScript, which is another test's matter.
    await full.storage.write(async (queries) => void (await sql`update jobs set created_at = 5`.execute(queries)));
    const old = await open(engine, { migrations: migrations.slice(0, migrations.findIndex(({ name }) => name === last) + 1) });
    const kept = new Map<string, { columns: string[]; rows: Row[] }>();
    for (const table of Object.keys(movedTables)) {
      const there = await columnsOf(old.storage, table);
      if (there.length === 0) continue;
      const columns = (await columnsOf(full.storage, table)).filter((name) => there.includes(name));
      const rows = await rowsOf(full.storage, table, columns);
      kept.set(table, { columns, rows });
      const added = Object.fromEntries(Object.entries(former[table] ?? {}).filter(([name]) => there.includes(name)));
      await old.storage.write(async (queries) => void (await queries.insertInto(table as 'settings').values(rows.map((row) => ({ ...row, ...added })) as never).execute()));
    }
    expect(kept.size).toBeGreaterThan(8);
    await old.storage.stop();
    const { migrations: _, ...options } = old.options;
    const upgraded = openStorage(options);
    await upgraded.start();
    try {
      for (const [table, { columns, rows }] of kept) expect([table, await rowsOf(upgraded, table, columns)]).toEqual([table, rows]);
      for (const table of Object.keys(movedTables)) expect([table, (await columnsOf(upgraded, table)).sort()]).toEqual([table, (await columnsOf(full.storage, table)).sort()]);
      expect(await upgraded.integrity()).toEqual([]);
    } finally {
      await upgraded.stop();
    }
  });
});
