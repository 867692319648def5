import { setTimeout as delay } from 'node:timers/promises';
import type { Client, QueryResult } from 'pg';
import { systemClock } from '../../clock.ts';
import { ParleyError } from '../../errors.ts';
import { createMetrics, silentLog } from '../../observability/index.ts';
import { checkAddress } from '../postgres/address.ts';
import { translatePostgresError } from '../postgres/errors.ts';
import { lockClass } from '../postgres/instance-lock.ts';
import { PostgresStorage } from '../postgres/storage.ts';
import { lengthOf, mostLength, mostRows, type Row, type Value } from './rows.ts';
import type { Look, MoveSource, MoveTarget, Reading } from './sides.ts';
import { historyTable, movedTables } from './tables.ts';

/** Milliseconds to wait for a connection, and for a lock on a table. */
const patienceMs = 10_000;
/** Milliseconds to wait for a server that is just ending. */
const endingMs = 2000;
const retryMs = 200;
/** Values that one statement may carry; PostgreSQL takes 65,535. */
const mostValues = 30_000;
/** Texts that PostgreSQL cannot hold: with NUL in them. */
const impossibleText = '22021';
/** int8, by its object identifier. */
const wholeNumber = 20;

/**
 * A database on a PostgreSQL server, as it is now.
 * @throws {ParleyError} `conflict` when a server of Parley runs on it, `storage_unavailable`
 */
export async function openPostgresSource(url: string): Promise<MoveSource> {
  const client = await connect(url);
  try {
    await lockOutServers(client, labelOf(url));
    await run(client, 'begin isolation level repeatable read read only');
  } catch (error) {
    await client.end();
    throw error;
  }
  return {
    label: labelOf(url),
    ...readingOf(client),
    async bytes() {
      const { rows } = await run(client, `
        select coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::float8 as bytes from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace where nspname = current_schema() and relkind = 'r'`);
      return (rows[0] as { bytes: number }).bytes;
    },
    close: () => client.end(),
  };
}

/**
 * A database on a PostgreSQL server as a target. Everything is written in one transaction.
 * @throws {ParleyError} `conflict` when a server of Parley runs on it, `storage_unavailable`
 */
export async function openPostgresTarget(url: string): Promise<MoveTarget> {
  const client = await connect(url);
  try {
    await lockOutServers(client, labelOf(url));
    await run(client, 'begin isolation level repeatable read read only');
  } catch (error) {
    await client.end();
    throw error;
  }
  return {
    label: labelOf(url),
    ...readingOf(client),
    freeBytes: async () => null,
    async begin(replaces) {
      await run(client, 'rollback'); // Of the look around.
      const storage = new PostgresStorage({ databaseUrl: url, dataDir: '', fullSync: false, clock: systemClock, log: silentLog(), metrics: createMetrics(), exclusive: false });
      await storage.start();
      await storage.stop();
      await run(client, 'begin');
      if (replaces) await run(client, `truncate ${Object.keys(movedTables).map(quoted).join(', ')}`);
    },
    insert: (table, columns, rows) => insert(client, table, columns, rows),
    async commit() {
      await run(client, 'commit');
      return null;
    },
    close: () => client.end(),
  };
}

/** Where a database is, without what is secret about it. */
export function labelOf(url: string): string {
  try {
    const { hostname, port, pathname, username } = new URL(url);
    return `PostgreSQL at ${hostname || 'localhost'}:${port || '5432'}${pathname === '/' || pathname === '' ? `/${username}` : pathname}`;
  } catch {
    return 'PostgreSQL'; // An address of another form, such as that of a Unix socket.
  }
}

/** A connection of its own: a pool's would be ended by its timeouts in the middle of a long move. */
async function connect(url: string): Promise<Client> {
  await checkAddress(url);
  const { default: pg } = await import('pg');
  const client = new pg.Client({
    connectionString: url,
    application_name: 'parley move',
    connectionTimeoutMillis: patienceMs,
    keepAlive: true,
    lock_timeout: patienceMs,
    types: { getTypeParser: ((type: number, format?: 'text' | 'binary') => (type === wholeNumber && format !== 'binary' ? toWholeNumber : pg.types.getTypeParser(type, format as 'text'))) as typeof pg.types.getTypeParser },
  });
  // A connection that breaks ends the process otherwise; whatever waits for it fails anyway.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // Settings of the server for short requests must not end what takes long.
    await client.query('set statement_timeout = 0; set idle_in_transaction_session_timeout = 0');
  } catch (error) {
    await client.end().catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new ParleyError('storage_unavailable', { message: `${labelOf(url)} cannot be used: ${reason}`, cause: error });
  }
  return client;
}

/** Takes the lock that every server holds while it runs, on the connection that moves: both end together. */
async function lockOutServers(client: Client, label: string): Promise<void> {
  const until = performance.now() + endingMs;
  for (;;) {
    const { rows } = await run(client, 'select pg_try_advisory_lock($1::integer, hashtext(current_schema())) as held', [lockClass]);
    if ((rows[0] as { held: boolean }).held) return;
    if (performance.now() >= until) throw new ParleyError('conflict', { message: `A server of Parley runs on ${label}. Stop it first (all of them, where there are several).` });
    await delay(retryMs);
  }
}

async function run(client: Client, sql: string, values?: readonly unknown[]): Promise<QueryResult> {
  try {
    return await client.query(sql, values ? [...values] : undefined);
  } catch (error) {
    throw translatePostgresError(error);
  }
}

async function insert(client: Client, table: string, columns: readonly string[], rows: readonly Row[]): Promise<void> {
  const most = Math.floor(mostValues / columns.length);
  for (let from = 0; from < rows.length; from += most) {
    const part = rows.slice(from, from + most);
    let place = 0;
    const tuples = part.map((row) => `(${row.map(() => `$${(place += 1)}`).join(', ')})`);
    try {
      await run(client, `insert into ${quoted(table)} (${columns.map(quoted).join(', ')}) values ${tuples.join(', ')}`, part.flat());
    } catch (error) {
      if ((error as { code?: unknown }).code !== impossibleText) throw error;
      throw new ParleyError('conflict', { message: `A text in the table ${table} holds a NUL character, which PostgreSQL cannot keep. Nothing was moved.`, cause: error });
    }
  }
}

function readingOf(client: Client): Reading {
  return {
    async look(): Promise<Look> {
      const { rows } = await run(client, `
        select table_name as "table", column_name as "column" from information_schema.columns
        where table_schema = current_schema() order by table_name, column_name collate "C"`);
      const columns = new Map<string, string[]>();
      for (const { table, column } of rows as { table: string; column: string }[]) columns.set(table, [...(columns.get(table) ?? []), column]);
      if (!columns.has(historyTable)) return { migrations: null, columns };
      const names = await run(client, `select name from ${historyTable} order by name`);
      return { migrations: (names.rows as { name: string }[]).map(({ name }) => name), columns };
    },
    async count(table) {
      const { rows } = await run(client, `select count(*) as rows from ${quoted(table)}`);
      return (rows[0] as { rows: number }).rows;
    },
    read: (table, columns, key) => pieces(client, `select ${columns.map(quoted).join(', ')} from ${quoted(table)} order by ${key.map(quoted).join(', ')}`),
  };
}

/** Reads through a cursor, in pieces that shrink when rows are long. Needs an open transaction. */
async function* pieces(client: Client, sql: string): AsyncGenerator<Row[]> {
  await run(client, `declare moved_rows no scroll cursor for ${sql}`);
  let count = 50;
  for (;;) {
    const fetch = { text: `fetch forward ${count} from moved_rows`, rowMode: 'array' as const };
    const { rows } = await client.query<Value[]>(fetch).catch((error: unknown) => { throw translatePostgresError(error); });
    if (rows.length > 0) yield rows;
    if (rows.length < count) break;
    const longest = Math.max(1, ...rows.map(lengthOf));
    count = Math.min(mostRows, Math.max(1, Math.floor(mostLength / longest)));
  }
  await run(client, 'close moved_rows');
}

function toWholeNumber(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
