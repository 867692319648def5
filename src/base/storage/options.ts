import type { Clock } from '../clock.ts';
import type { ParleyError } from '../errors.ts';
import type { Log, Metrics, Tracer } from '../observability/index.ts';
import type { Migration } from './migrations/migration.ts';
import type { Instances } from './postgres/instance-lock.ts';

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
  /** Sees each query while anything is watched. Default: nobody does. */
  tracer?: Tracer;
  /**
   * SQLite: whether this process takes the lock on the folder, as the server does. Commands that work beside a running
   * server (backup, adding a user) set false. Default true.
   */
  exclusive?: boolean;
  /**
   * PostgreSQL: how many servers may use the database. `one` refuses to start beside any other, `many` beside one that
   * is alone. Ignored where `exclusive` is false. Default: nothing is locked.
   */
  instances?: Instances;
  /** PostgreSQL: called once when another server has taken the place of this one. Nothing is written any more. */
  onReplaced?: (error: ParleyError) => void;
  /** For tests of migrations. Default: all of ./migrations. */
  migrations?: readonly Migration[];
}
