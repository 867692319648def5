import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { createMetrics, silentLog } from '../observability/index.ts';
import { openStorage } from './open.ts';
import type { StorageOptions } from './options.ts';
import { borrowSchema } from './testing/postgres-schemas.ts';
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
  // Tests of migrations change the tables, and tests of locks look at who is connected.
  const fresh = changes.migrations !== undefined || changes.instances !== undefined;
  const schema = engine === 'postgres' ? await borrowSchema(testServer(), fresh) : null;
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
  await schema?.migrated();
  return {
    storage,
    dataDir,
    options,
    async close() {
      await storage.stop();
      await schema?.giveBack();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function testServer(): string {
  const server = postgresTestUrl();
  if (server === null) throw new Error('DATABASE_URL_TEST must name a PostgreSQL server for this test.');
  return server;
}
