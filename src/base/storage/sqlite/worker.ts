import { closeSync, fsyncSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { isDamage } from './errors.ts';
import type { Maintenance } from '../types.ts';
import type { WorkerAnswer, WorkerRequest, WorkerSettings } from './worker-client.ts';

/*
 * The thread for work that takes long and would stop the event loop: checkpoints (they wait for the disk), copies and
 * checks of the whole file. It has a connection of its own and knows nothing of what the main thread does.
 */

const settings = workerData as WorkerSettings;
const port = parentPort!;

/** Milliseconds that a checkpoint waits for readers, while writers wait for it; it is tried again later. */
const busyTimeoutMs = 50;

let connection: DatabaseSync | null = null;

function database(): DatabaseSync {
  if (!connection) {
    connection = new DatabaseSync(settings.path, { timeout: busyTimeoutMs, readOnly: settings.readOnly });
    connection.exec(`pragma wal_autocheckpoint = 0; pragma synchronous = ${settings.fullSync ? 'full' : 'normal'}; pragma cache_size = -500`);
  }
  return connection;
}

function checkpoint(mode: 'passive' | 'truncate'): WorkerAnswer {
  const row = database().prepare(`pragma wal_checkpoint(${mode})`).get() as { busy: number; log: number; checkpointed: number };
  return { busy: row.busy !== 0, logPages: Math.max(0, row.log), checkpointedPages: Math.max(0, row.checkpointed) };
}

/** A consistent, compact copy. SQLite does not wait for the disk here, so that is done after it. */
function copy(path: string): WorkerAnswer {
  database().prepare('vacuum into ?').run(path);
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return {};
}

/** What is wrong with the file; at most 100 findings of each kind. A file too damaged to be looked through says so. */
function integrity(): WorkerAnswer {
  const problems: string[] = [];
  const look = <Row>(sql: string): Row[] => {
    try {
      return database().prepare(sql).all() as Row[];
    } catch (error) {
      if (!isDamage(error)) throw error;
      problems.push((error as Error).message);
      return [];
    }
  };
  const pages = look<{ integrity_check: string }>('pragma integrity_check(100)');
  problems.push(...pages.map((row) => row.integrity_check).filter((text) => text !== 'ok'));
  const orphans = look<{ table: string; parent: string; rows: number }>(
    'select "table", parent, count(*) as rows from pragma_foreign_key_check group by "table", parent limit 100',
  );
  problems.push(...orphans.map((row) => `${row.rows} rows of ${row.table} name rows of ${row.parent} that do not exist`));
  const tables = look(`select 1 from sqlite_master where type = 'table' and name = 'applied_migrations'`);
  const names = tables.length > 0 ? look<{ name: string }>('select name from applied_migrations order by name') : [];
  return { problems, migrations: names.map((row) => row.name) };
}

/** Rows as they are now; bytes of a table and its indexes, by the pages that they have in the file. */
function figures(tables: readonly string[]): WorkerAnswer {
  const owners = new Map((database().prepare('select name, tbl_name from sqlite_master').all() as { name: string; tbl_name: string }[]).map((row) => [row.name, row.tbl_name]));
  const bytes = new Map<string, number>();
  for (const { name, size } of database().prepare('select name, sum(pgsize) as size from dbstat group by name').all() as { name: string; size: number }[]) {
    const owner = owners.get(name);
    if (owner !== undefined) bytes.set(owner, (bytes.get(owner) ?? 0) + size);
  }
  const rowsOf = (table: string): number => (database().prepare(`select count(*) as rows from "${table}"`).get() as { rows: number }).rows;
  return { figures: tables.map((table) => ({ table, rows: rowsOf(table), bytes: bytes.get(table) ?? 0 })) };
}

function maintain(work: Maintenance): WorkerAnswer {
  database().exec(work === 'vacuum' ? 'vacuum' : 'analyze');
  // The whole database went through the log: it is emptied at once, or the disk would hold both for a while.
  return checkpoint('truncate');
}

function answer(request: WorkerRequest): WorkerAnswer {
  switch (request.operation) {
    case 'passive':
    case 'truncate':
      return checkpoint(request.operation);
    case 'copy':
      return copy(request.path);
    case 'integrity':
      return integrity();
    case 'figures':
      return figures(request.tables);
    case 'maintain':
      return maintain(request.work);
    case 'close':
      connection?.close();
      connection = null;
      return {};
  }
}

port.on('message', (request: WorkerRequest) => {
  try {
    port.postMessage({ answer: answer(request) });
  } catch (error) {
    // Errors lose their fields on the way between threads; the code is what the other side decides by.
    const { message, errcode, code, syscall } = error as Error & { errcode?: number; code?: string; syscall?: string };
    port.postMessage({ failure: { message, errcode, code, syscall } });
  }
});
