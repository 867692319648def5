import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openStorage, type Storage } from '../index.ts';
import { groundFloor } from '../migrations/0001-ground-floor.ts';
import { engines, openTestStorage, postgresTestUrl, type TestStorage } from '../testing.ts';
import type { Engine } from '../types.ts';
import { addManyMessages, fillAllTables } from './fixtures/filling.ts';
import { moveDatabase, type MoveOptions, type MoveReport } from './move.ts';
import type { MoveEnd } from './sides.ts';
import { historyTable, movedTables } from './tables.ts';

const child = fileURLToPath(new URL('./fixtures/interrupted-move.ts', import.meta.url));
const tables = Object.keys(movedTables);

const opened: TestStorage[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** A database with tables, stopped, so that it can be moved. */
async function database(engine: Engine, fill?: (storage: Storage) => Promise<void>, changes: Parameters<typeof openTestStorage>[1] = {}): Promise<TestStorage & { end: MoveEnd }> {
  const made = await openTestStorage(engine, changes);
  opened.push(made);
  await fill?.(made.storage);
  await made.storage.stop();
  return { ...made, end: engine === 'sqlite' ? { engine, dataDir: made.dataDir } : { engine, url: made.options.databaseUrl! } };
}

/** The same database, opened for a look or a change. */
async function within<Result>({ options }: TestStorage, work: (storage: Storage) => Promise<Result>): Promise<Result> {
  const storage = openStorage(options);
  await storage.start();
  try {
    return await work(storage);
  } finally {
    await storage.stop();
  }
}

const move = (from: MoveEnd, to: MoveEnd, options: Partial<MoveOptions> = {}): Promise<MoveReport> => moveDatabase({ from, to, dryRun: false, overwrite: false, ...options });
const counts = (report: MoveReport): Record<string, number> => Object.fromEntries(report.tables.map(({ table, rows }) => [table, rows]));
const checksums = (report: MoveReport): Record<string, string | null> => Object.fromEntries(report.tables.map(({ table, checksum }) => [table, checksum]));
const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

describe.each(engines)('The list of tables, on %s', (engine) => {
  let storage: Storage;

  beforeEach(async () => {
    const made = await openTestStorage(engine);
    opened.push(made);
    storage = made.storage;
  });

  test('names every table that the migrations make, and no other', async () => {
    const names = engine === 'sqlite'
      ? await sql<{ name: string }>`select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'`.execute(storage.read)
      : await sql<{ name: string }>`select table_name as name from information_schema.tables where table_schema = current_schema()`.execute(storage.read);
    expect(names.rows.map(({ name }) => name).filter((name) => name !== historyTable).sort()).toEqual([...tables].sort());
  });

  test('orders rows by columns that are unique together', async () => {
    for (const [table, key] of Object.entries(movedTables)) {
      const unique = engine === 'sqlite'
        ? await sql<{ columns: string }>`
            select (select group_concat(name, ',') from (select name from pragma_index_info(list.name) order by name)) as columns
            from pragma_index_list(${table}) as list where list."unique" = 1 and list.partial = 0`.execute(storage.read)
        : await sql<{ columns: string }>`
            select (select string_agg(attname::text, ',' order by attname) from pg_attribute where attrelid = indrelid and attnum = any (indkey)) as columns
            from pg_index where indrelid = ${table}::regclass and indisunique and indpred is null`.execute(storage.read);
      expect(unique.rows.map(({ columns }) => columns), `${table} by ${key.join(', ')}`).toContain([...key].sort().join(','));
    }
  });

  test('fills tables before others name their rows', async () => {
    const keys = engine === 'sqlite'
      ? await sql<{ child: string; parent: string }>`select schema.name as child, keys."table" as parent from sqlite_schema as schema, pragma_foreign_key_list(schema.name) as keys where schema.type = 'table'`.execute(storage.read)
      : await sql<{ child: string; parent: string }>`
          select conrelid::regclass::text as child, confrelid::regclass::text as parent from pg_constraint
          where contype = 'f' and connamespace = current_schema()::regnamespace`.execute(storage.read);
    expect(keys.rows.length).toBeGreaterThan(5);
    // A table may name its own rows only where its order brings the named one first: messages follow earlier ones.
    expect(keys.rows.filter(({ child, parent }) => child === parent).map(({ child }) => child)).toEqual(['messages']);
    expect(keys.rows.filter(({ child, parent }) => child !== parent && tables.indexOf(child) < tables.indexOf(parent))).toEqual([]);
  });

  test('is all there is to move: no counter of the database stands outside of the tables', async () => {
    const sequences = engine === 'sqlite'
      ? await sql`select name from sqlite_schema where name = 'sqlite_sequence'`.execute(storage.read)
      : await sql`select sequence_name from information_schema.sequences where sequence_schema = current_schema()`.execute(storage.read);
    expect(sequences.rows).toEqual([]);
  });
});

/** Which ways can be tried here: the one between two folders needs no server. */
const ways: [Engine, Engine][] = postgresTestUrl() === null ? [['sqlite', 'sqlite']] : [['sqlite', 'sqlite'], ['sqlite', 'postgres'], ['postgres', 'sqlite']];

describe.each(ways)('Moving from %s to %s', (fromEngine, toEngine) => {
  test('carries every row of every table, and back again, exactly as it is', async () => {
    const source = await database(fromEngine, fillAllTables);
    const target = await database(toEngine);
    const there = await move(source.end, target.end);
    expect(there).toMatchObject({ outcome: 'moved', same: true, problems: [] });
    expect(there.tables.map(({ table }) => table)).toEqual(tables);
    for (const { table, rows, checksum } of there.tables) {
      expect(rows, `${table} should be tried with rows`).toBeGreaterThan(0);
      expect(checksum).toMatch(/^[0-9a-f]{64}$/);
    }
    const home = await database(fromEngine);
    const back = await move(target.end, home.end);
    expect(checksums(back)).toEqual(checksums(there));
    expect(counts(back)).toEqual(counts(there));
  });

  test('leaves a database that the server runs on, with turns as they were', async () => {
    const source = await database(fromEngine, fillAllTables);
    const target = await database(toEngine);
    await move(source.end, target.end);
    const turns = (one: TestStorage) => within(one, (storage) => storage.read.selectFrom('turns').selectAll().orderBy('position').execute());
    expect(await turns(target)).toEqual(await turns(source));
    expect((await turns(target)).map(({ state }) => state)).toEqual(['RUNNING', 'QUEUED']);
    expect(await within(target, (storage) => storage.integrity())).toEqual([]);
    expect(await within(target, (storage) => storage.check())).toEqual({ ok: true });
  });

  test('moves into a target that has no tables yet', async () => {
    const source = await database(fromEngine, fillAllTables);
    const target = await database(toEngine);
    if (target.end.engine === 'sqlite') rmSync(join(target.dataDir, 'parley.db'));
    else await within(target, async (storage) => { await sql.raw(`drop table ${[...tables, historyTable].join(', ')}`).execute(storage.read); });
    expect(await move(source.end, target.end)).toMatchObject({ outcome: 'moved' });
  });

  test('changes nothing when it only looks', async () => {
    const source = await database(fromEngine, fillAllTables);
    const target = await database(toEngine);
    const before = [source, target].map(({ dataDir, end }) => (end.engine === 'sqlite' ? hashOf(join(dataDir, 'parley.db')) : null));
    const report = await move(source.end, target.end, { dryRun: true });
    expect(report).toMatchObject({ outcome: 'unchanged', same: false, problems: [], kept: null });
    expect(report.sourceBytes).toBeGreaterThan(10_000);
    expect(counts(report)['messages']).toBeGreaterThan(10);
    expect(report.tables.every(({ present, checksum }) => present === 0 && checksum === null)).toBe(true);
    expect([source, target].map(({ dataDir, end }) => (end.engine === 'sqlite' ? hashOf(join(dataDir, 'parley.db')) : null))).toEqual(before);
    for (const table of ['users', 'messages', 'settings'] as const) {
      expect(await within(target, (storage) => storage.read.selectFrom(table).selectAll().execute())).toEqual([]);
    }
  });

  test('does not change the source', async () => {
    const source = await database(fromEngine, fillAllTables);
    const before = fromEngine === 'sqlite' ? hashOf(join(source.dataDir, 'parley.db')) : checksums(await move(source.end, (await database('sqlite')).end));
    await move(source.end, (await database(toEngine)).end);
    expect(fromEngine === 'sqlite' ? hashOf(join(source.dataDir, 'parley.db')) : checksums(await move(source.end, (await database('sqlite')).end))).toEqual(before);
  });

  test('does not replace rows unless told to, and then all of them', async () => {
    const source = await database(fromEngine, fillAllTables);
    const target = await database(toEngine, (storage) => addManyMessages(storage, 3));
    await expect(move(source.end, target.end)).rejects.toMatchObject({ code: 'conflict', message: expect.stringMatching(/is not empty \(users: 1, conversations: 1, messages: 3\).*--overwrite/) });
    expect((await move(source.end, target.end, { dryRun: true })).problems).toHaveLength(1);
    expect(await within(target, (storage) => storage.read.selectFrom('messages').select('content').orderBy('seq').execute())).toHaveLength(3);

    const report = await move(source.end, target.end, { overwrite: true });
    expect(report).toMatchObject({ outcome: 'moved', kept: toEngine === 'sqlite' ? join(target.dataDir, 'parley-before-move.db') : null });
    expect((await within(target, (storage) => storage.read.selectFrom('conversations').selectAll().execute())).length).toBe(counts(report)['conversations']);
    if (report.kept !== null) expect(existsSync(report.kept)).toBe(true);
  });

  test('finds that there is nothing to do when both ends hold the same', async () => {
    const source = await database(fromEngine, fillAllTables);
    const target = await database(toEngine);
    const first = await move(source.end, target.end);
    const second = await move(source.end, target.end);
    expect(second).toMatchObject({ outcome: 'unchanged', same: true });
    expect(checksums(second)).toEqual(checksums(first));
    // One character is enough to tell them apart.
    await within(target, (storage) => storage.write((queries) => queries.updateTable('settings').set({ value: 'b' }).where('key', '=', 'setting 0 🎛').execute()));
    await expect(move(source.end, target.end)).rejects.toMatchObject({ code: 'conflict' });
  });

  test.each([['copying', 700], ['checking', 2000]] as const)('leaves the target as it was when it is killed while %s, and can be made again', async (step, rows) => {
    const source = await database(fromEngine, (storage) => addManyMessages(storage, 2500));
    const target = await database(toEngine);
    const killed = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', child, JSON.stringify({ from: source.end, to: target.end }), step, String(rows)], { stdio: 'inherit' });
    expect(await new Promise((resolve) => killed.once('exit', (_code, signal) => resolve(signal)))).toBe('SIGKILL');
    if (target.end.engine === 'sqlite') expect(readdirSync(target.dataDir)).toContain('parley-move');

    // PostgreSQL needs a moment to notice that the connection is gone.
    await vi.waitFor(async () => expect((await move(source.end, target.end, { dryRun: true })).tables.every(({ present }) => present === 0)).toBe(true), { timeout: 10_000, interval: 50 });
    const report = await move(source.end, target.end);
    expect(report).toMatchObject({ outcome: 'moved' });
    expect(counts(report)).toMatchObject({ users: 1, conversations: 1, messages: 2500 });
    expect(existsSync(join(target.dataDir, 'parley-move'))).toBe(false);
    expect(await within(target, (storage) => storage.integrity())).toEqual([]);
  });

  test('refuses ends of different versions', async () => {
    const source = await database(fromEngine, undefined, { migrations: [groundFloor] });
    const target = await database(toEngine);
    await expect(move(source.end, target.end)).rejects.toMatchObject({ message: expect.stringContaining('is of an older Parley (it lacks 0002') });
    await expect(move(target.end, source.end)).rejects.toMatchObject({ message: expect.stringContaining('is of an older Parley') });
    const newer = await database(fromEngine, undefined, { migrations: [groundFloor, { name: '9999-to-come', up: async () => undefined }] });
    await expect(move(newer.end, target.end)).rejects.toMatchObject({ message: expect.stringContaining('newer Parley (it has 9999-to-come)') });
  });

  test('refuses for the reasons that the caller finds', async () => {
    const source = await database(fromEngine);
    const target = await database(toEngine);
    await expect(move(source.end, target.end, { check: async () => ['The keys are missing.'] })).rejects.toMatchObject({ code: 'conflict', message: 'The keys are missing.' });
  });
});

describe('A source or target in use', () => {
  test('is refused while a server runs on the folder, at either end', async () => {
    const running = await openTestStorage('sqlite');
    opened.push(running);
    const other = await database('sqlite');
    const end: MoveEnd = { engine: 'sqlite', dataDir: running.dataDir };
    for (const [from, to] of [[end, other.end], [other.end, end]] as const) {
      for (const dryRun of [false, true]) {
        await expect(move(from, to, { dryRun })).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('Another Parley uses the data folder') });
      }
    }
  });

  test('says when there is nothing to move', async () => {
    const empty = await database('sqlite');
    rmSync(join(empty.dataDir, 'parley.db'));
    await expect(move(empty.end, (await database('sqlite')).end)).rejects.toMatchObject({ code: 'invalid_request', message: expect.stringContaining('There is no database in') });
  });

  test('a folder that does not exist is not made by a look', async () => {
    const source = await database('sqlite', fillAllTables);
    const dataDir = join(source.dataDir, 'new', 'folder');
    expect(await move(source.end, { engine: 'sqlite', dataDir }, { dryRun: true })).toMatchObject({ problems: [] });
    expect(existsSync(dataDir)).toBe(false);
    expect(await move(source.end, { engine: 'sqlite', dataDir })).toMatchObject({ outcome: 'moved' });
  });

  test('a database of another program is refused', async () => {
    const source = await database('sqlite');
    const dataDir = join(source.dataDir, 'foreign');
    mkdirSync(dataDir);
    const { DatabaseSync } = await import('node:sqlite');
    const foreign = new DatabaseSync(join(dataDir, 'parley.db'));
    foreign.exec('create table users (name text)');
    foreign.close();
    await expect(move(source.end, { engine: 'sqlite', dataDir })).rejects.toMatchObject({ message: expect.stringContaining('holds tables of something else (users)') });
  });
});

describe.skipIf(postgresTestUrl() === null)('A PostgreSQL server', () => {
  test.each([['one', 'target'], ['many', 'source']] as const)('is refused while a server runs on it (%s, as the %s)', async (instances, as) => {
    const running = await openTestStorage('postgres', { instances });
    opened.push(running);
    const other = await database('sqlite');
    const end: MoveEnd = { engine: 'postgres', url: running.options.databaseUrl! };
    const [from, to] = as === 'target' ? [other.end, end] : [end, other.end];
    await expect(move(from, to)).rejects.toMatchObject({ code: 'conflict', message: expect.stringMatching(/A server of Parley runs on PostgreSQL at .*all of them/) });
    // It waits for one that is just ending.
    const waiting = move(from, to, { dryRun: true });
    await running.storage.stop();
    expect(await waiting).toMatchObject({ problems: [] });
  });

  test('cannot be served while it is moved', async () => {
    const source = await database('sqlite', (storage) => addManyMessages(storage, 600));
    const target = await database('postgres');
    const starting = openStorage({ ...target.options, instances: 'many' });
    let refused: Promise<void> | null = null;
    await move(source.end, target.end, { onProgress: () => void (refused ??= starting.start().then(() => undefined)) });
    // It waits for a server that may be ending, and comes up behind the move.
    await refused;
    expect(await starting.read.selectFrom('messages').select('id').execute()).toHaveLength(600);
    await starting.stop();
  });

  test('that cannot be reached is named without its password', async () => {
    const source = await database('sqlite');
    const error = await move(source.end, { engine: 'postgres', url: 'postgres://someone:very-secret@127.0.0.1:9/nothing' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining('PostgreSQL at 127.0.0.1:9/nothing cannot be used') });
    expect(String((error as Error).stack) + JSON.stringify(error)).not.toContain('very-secret');
  });

  test('takes no text with NUL, which SQLite would: nothing is moved then', async () => {
    const source = await database('sqlite', (storage) => storage.write(async (queries) => {
      await sql`insert into settings values ('a', 'x' || char(0) || 'y')`.execute(queries);
    }));
    const target = await database('postgres');
    await expect(move(source.end, target.end)).rejects.toMatchObject({ message: expect.stringContaining('A text in the table settings holds a NUL character') });
    expect(await within(target, (storage) => storage.read.selectFrom('settings').selectAll().execute())).toEqual([]);
  });

  test('that keeps something else than it was given is found out: nothing is moved then', async () => {
    const source = await database('sqlite', fillAllTables);
    const target = await database('postgres', async (storage) => {
      await sql.raw(`create function spoil() returns trigger language plpgsql as $$ begin new.value := trim(new.value); return new; end $$`).execute(storage.read);
      await sql.raw('create trigger spoil before insert on settings for each row execute function spoil()').execute(storage.read);
    });
    await expect(move(source.end, target.end)).rejects.toMatchObject({ code: 'conflict', message: expect.stringMatching(/The table settings did not arrive as it is.*Nothing was moved/) });
    for (const table of ['users', 'settings'] as const) {
      expect(await within(target, (storage) => storage.read.selectFrom(table).selectAll().execute())).toEqual([]);
    }
  });
});
