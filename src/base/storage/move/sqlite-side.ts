import { existsSync, mkdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { systemClock } from '../../clock.ts';
import { ParleyError } from '../../errors.ts';
import { createMetrics, silentLog } from '../../observability/index.ts';
import { syncFolder } from '../sqlite/backup.ts';
import { translateSqliteError } from '../sqlite/errors.ts';
import { lockDataFolder } from '../sqlite/folder-lock.ts';
import { setAside } from '../sqlite/restore.ts';
import { SqliteStorage } from '../sqlite/storage.ts';
import { lengthOf, mostLength, mostRows, type Row, type Value } from './rows.ts';
import type { Look, MoveSource, MoveTarget, Reading } from './sides.ts';
import { historyTable } from './tables.ts';

const fileName = 'parley.db';
/** A folder in the data folder in which a database is put together. What a broken run left in it is thrown away. */
const workName = 'parley-move';
/** Name of the database that was replaced. */
export const keptName = 'parley-before-move.db';

/**
 * The database of a data folder. No server can start on the folder until it is closed.
 * @throws {ParleyError} `conflict` when a server runs on the folder, `invalid_request` when it holds no database,
 *   `storage_unavailable`
 */
export async function openSqliteSource(dataDir: string): Promise<MoveSource> {
  const path = join(dataDir, fileName);
  if (!existsSync(path)) throw new ParleyError('invalid_request', { message: `There is no database in ${dataDir}.` });
  const unlock = lockDataFolder(dataDir);
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    // A transaction sees one moment, also while a command beside it writes.
    database.exec('begin; select count(*) from sqlite_schema');
  } catch (error) {
    unlock();
    throw translateSqliteError(error, dataDir);
  }
  return {
    label: `SQLite in ${dataDir}`,
    ...readingOf(() => database, dataDir),
    bytes: async () => statSync(path).size + (existsSync(`${path}-wal`) ? statSync(`${path}-wal`).size : 0),
    async close() {
      database.close();
      unlock();
    },
  };
}

/**
 * A data folder as a target. A new database is put together in a folder beside, and takes its place in one step: until
 * then what is there stays as it is.
 * @param changes false for a look only: then not even the folder is made
 * @throws {ParleyError} `conflict` when a server runs on the folder, `storage_unavailable`, `storage_full`
 */
export async function openSqliteTarget(dataDir: string, changes: boolean): Promise<MoveTarget> {
  const unlock = changes || existsSync(dataDir) ? lockDataFolder(dataDir) : () => {};
  const path = join(dataDir, fileName);
  const work = join(dataDir, workName);
  let database: DatabaseSync | null = null;
  try {
    if (existsSync(path)) database = new DatabaseSync(path, { readOnly: true });
  } catch (error) {
    unlock();
    throw translateSqliteError(error, dataDir);
  }
  return {
    label: `SQLite in ${dataDir}`,
    ...readingOf(() => database, dataDir),
    async freeBytes() {
      const space = statfsSync(nearestFolder(dataDir));
      return space.bavail * space.bsize;
    },
    async begin() {
      database?.close();
      database = await makeDatabase(work);
    },
    async insert(table, columns, rows) {
      try {
        const statement = database!.prepare(`insert into ${quoted(table)} (${columns.map(quoted).join(', ')}) values (${columns.map(() => '?').join(', ')})`);
        for (const row of rows) statement.run(...(row as SQLInputValue[]));
      } catch (error) {
        throw translateSqliteError(error, dataDir);
      }
    },
    async commit() {
      finish(database!);
      database = null;
      await syncFile(join(work, fileName));
      const kept = await setAside(path, dataDir, keptName);
      renameSync(join(work, fileName), path);
      await syncFolder(dataDir);
      return kept;
    },
    async close() {
      database?.close();
      if (changes) rmSync(work, { recursive: true, force: true });
      unlock();
    },
  };
}

/** An empty database with all tables, open for fast writing: until it is whole, nothing of it needs to last. */
async function makeDatabase(work: string): Promise<DatabaseSync> {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true, mode: 0o700 });
  const storage = new SqliteStorage({ databaseUrl: null, dataDir: work, fullSync: false, clock: systemClock, log: silentLog(), metrics: createMetrics() });
  await storage.start();
  await storage.stop();
  const database = new DatabaseSync(join(work, fileName), { enableForeignKeyConstraints: false });
  database.exec('pragma journal_mode = off; pragma synchronous = off; begin');
  return database;
}

/** @throws {ParleyError} `conflict` when a row names another one that is not there */
function finish(database: DatabaseSync): void {
  database.exec('commit');
  const orphan = database.prepare('select "table" as name, parent from pragma_foreign_key_check limit 1').get() as { name: string; parent: string } | undefined;
  if (orphan) throw new ParleyError('conflict', { message: `A row of ${orphan.name} names a row of ${orphan.parent} that does not exist. Nothing was moved.` });
  database.exec('pragma journal_mode = wal');
  database.close();
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function nearestFolder(path: string): string {
  let folder = path;
  while (!existsSync(folder)) folder = join(folder, '..');
  return folder;
}

function readingOf(database: () => DatabaseSync | null, dataDir: string): Reading {
  const inTerms = <Result>(work: (open: DatabaseSync) => Result, without: Result): Result => {
    const open = database();
    if (!open) return without;
    try {
      return work(open);
    } catch (error) {
      throw translateSqliteError(error, dataDir);
    }
  };
  return {
    look: async () => inTerms(lookAt, { migrations: null, columns: new Map() }),
    count: async (table) => inTerms((open) => (open.prepare(`select count(*) as rows from ${quoted(table)}`).get() as { rows: number }).rows, 0),
    async *read(table, columns, key) {
      const open = database();
      if (open) yield* pieces(open, `select ${columns.map(quoted).join(', ')} from ${quoted(table)} order by ${key.map(quoted).join(', ')}`);
    },
  };
}

function lookAt(database: DatabaseSync): Look {
  const tables = database.prepare(`select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'`).all() as { name: string }[];
  const columns = new Map(tables.map(({ name }) => [name, (database.prepare('select name from pragma_table_info(?) order by name').all(name) as { name: string }[]).map((column) => column.name)]));
  const isOurs = columns.has(historyTable);
  const names = isOurs ? (database.prepare(`select name from ${historyTable} order by name`).all() as { name: string }[]) : [];
  return { migrations: isOurs ? names.map(({ name }) => name) : null, columns };
}

function* pieces(database: DatabaseSync, sql: string): Generator<Row[]> {
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  let piece: Row[] = [];
  let length = 0;
  for (const values of statement.iterate() as unknown as Iterable<Value[]>) {
    const row = values.map((value) => (typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value));
    piece.push(row);
    length += lengthOf(row);
    if (piece.length < mostRows && length < mostLength) continue;
    yield piece;
    piece = [];
    length = 0;
  }
  if (piece.length > 0) yield piece;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
