import type { StorageOptions } from './options.ts';
import { PostgresStorage } from './postgres/storage.ts';
import { SqliteStorage } from './sqlite/storage.ts';
import type { Storage } from './types.ts';

/** The database for these settings. Nothing is opened before `start`. */
export function openStorage(options: StorageOptions): Storage {
  return options.databaseUrl === null ? new SqliteStorage(options) : new PostgresStorage(options);
}
