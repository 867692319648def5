import type { Clock } from '../clock.ts';
import type { Log, Metrics } from '../observability/index.ts';
import type { Migration } from './migrations/migration.ts';

export interface StorageOptions {
  /** `postgres://...`; null for SQLite in `dataDir`. May hold a password: never logged. */
  databaseUrl: string | null;
  /** Folder of `parley.db`; made when missing. */
  dataDir: string;
  /** SQLite: each commit waits for the disk, so that a power cut loses nothing. */
  fullSync: boolean;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /**
   * SQLite: whether this process takes the lock on the folder, as the server does. Commands that work beside a running
   * server (backup, adding a user) set false. Default true.
   */
  exclusive?: boolean;
  /** For tests of migrations. Default: all of ./migrations. */
  migrations?: readonly Migration[];
}
