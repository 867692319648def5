import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { randomToken } from '../ids.ts';
import { createMetrics, silentLog } from '../observability/index.ts';
import { openStorage } from './open.ts';
import type { StorageOptions } from './options.ts';
import type { Engine, Storage } from './types.ts';

/** A fresh database for one test file, empty but for its tables. */
export interface TestStorage {
  storage: Storage;
  /** A folder of its own; on SQLite it holds the database. */
  dataDir: string;
  /** With what it was opened, to open the same database once more. */
  options: StorageOptions;
  /** Stops the storage, if it still runs, and removes the database. */
  close(): Promise<void>;
}

/**
 * The engines that can be tested here: SQLite always, PostgreSQL when DATABASE_URL_TEST names a server. For
 * `describe.each` in suites that run on both.
 */
export const engines: readonly Engine[] = postgresTestUrl() === null ? ['sqlite'] : ['sqlite', 'postgres'];

/** The server for tests, or null when none is named. */
export function postgresTestUrl(): string | null {
  return process.env['DATABASE_URL_TEST'] ?? null;
}

/** Opens a fresh database: a temporary folder, or a schema of its own on the test server, so that files run in parallel. */
export async function openTestStorage(engine: Engine, changes: Partial<StorageOptions> = {}): Promise<TestStorage> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-test-'));
  const schema = engine === 'postgres' ? await createSchema() : null;
  const options: StorageOptions = {
    databaseUrl: schema?.url ?? null,
    dataDir,
    fullSync: false,
    clock: systemClock,
    log: silentLog(),
    metrics: createMetrics(),
    ...changes,
  };
  const storage = openStorage(options);
  await storage.start();
  return {
    storage,
    dataDir,
    options,
    async close() {
      await storage.stop();
      await schema?.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A schema that every connection of the returned address works in. */
async function createSchema(): Promise<{ url: string; drop: () => Promise<void> }> {
  const server = postgresTestUrl();
  if (server === null) throw new Error('DATABASE_URL_TEST must name a PostgreSQL server for this test.');
  const name = `parley_test_${randomToken(9).replace(/[^A-Za-z0-9]/g, '').toLowerCase()}`;
  await onServer(server, `create schema ${name}`);
  const url = new URL(server);
  url.searchParams.set('options', `-c search_path=${name}`);
  return { url: url.href, drop: async () => await onServer(server, `drop schema ${name} cascade`) };
}

async function onServer(server: string, statement: string): Promise<void> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: server, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
