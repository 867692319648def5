import type { Clock } from '../../base/clock.ts';
import type { Bus } from '../../base/events/index.ts';
import type { Job, Jobs } from '../../base/jobs/index.ts';
import type { Part } from '../../base/lifecycle.ts';
import type { Component, Log, LogLevel, Logs, Metrics, Trace, Tracer } from '../../base/observability/index.ts';
import type { Storage, TableFigures } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';

/** One setting as it stands in this process. */
export interface SettingState {
  name: string;
  type: string;
  meaning: string;
  choices: readonly string[];
  /** Null for secrets. */
  value: string | null;
  default: string | null;
  /** Whether a value was given at all: what is known of secrets. */
  isSet: boolean;
  source: 'default' | 'environment' | 'run-time';
  /** Whether it can be changed while the server runs. */
  isChangeable: boolean;
}

/** The settings of this process, as the top of the house knows them. */
export interface RunningSettings {
  list(): SettingState[];
  /**
   * Checks a value without using it.
   * @param value null for that of the start
   * @throws {ParleyError} `not_found`, `conflict` for one that is read at the start only, `invalid_request`
   */
  check(name: string, value: string | null): void;
  /** Uses these values from now on, in place of those of the start; what is not named is as it was at the start. */
  use(values: Readonly<Record<string, string>>): void;
}

/** One part of the server, for people. */
export interface ModuleState {
  name: string;
  kind: 'base' | 'core' | 'feature' | 'dialect' | 'provider';
  state: 'running' | 'off' | 'unavailable';
  /** What is to be known of it. */
  detail: string;
  isSwitchable: boolean;
}

/** Ends the process so that it is started again. */
export interface Restarter {
  /** Whether somebody starts it again. */
  readonly isPossible: boolean;
  /** Who does, or what to do when nobody does; for people. */
  readonly how: string;
  /** Lets running answers end, stops, and ends the process. Returns at once. */
  begin(): void;
}

/** Dialects that are switched off. */
export interface Switches {
  isOn(dialect: string): boolean;
  /** Calls `listener` with each dialect that has just been switched off. */
  onOff(listener: (dialect: string) => void): void;
}

export interface OperationsNeeds {
  storage: Storage;
  jobs: Jobs;
  bus: Bus;
  clock: Clock;
  log: Log;
  logs: Logs;
  tracer: Tracer;
  metrics: Metrics;
  instanceId: string;
  /** Folder of the database; null where it is PostgreSQL. */
  dataDir: string | null;
  settings: RunningSettings;
  /** The parts with their state; the dialects are added by their switches. */
  modules(viewer: Viewer): Promise<ModuleState[]>;
  /** Dialects that can be switched off, with what they serve. */
  dialects: Readonly<Record<string, string>>;
  restarter: Restarter | null;
}

/** What is wanted of the logs and traces. */
export interface DebugWish {
  /** `off` ends it; `verbose` is everything. */
  level: LogLevel | 'verbose' | 'off';
  /** All of them by default. */
  components?: readonly Component[];
  logPerformance?: boolean;
  traceRequests?: boolean;
  /** Seconds after which it ends by itself. Default 900, at most a day. */
  durationSeconds?: number;
}

/** How the logs run, read from them. */
export interface DebugState {
  level: DebugWish['level'];
  components: readonly Component[];
  logPerformance: boolean;
  traceRequests: boolean;
  /** Milliseconds since the epoch; null when nothing is on. */
  until: number | null;
  levels: Readonly<Record<Component, LogLevel>>;
}

/** A file with a copy of the database. */
export interface BackupFile {
  name: string;
  bytes: number;
  createdAt: number;
  /** What it is: made on demand, or the database that a restore has replaced. */
  origin: 'backup' | 'before-restore';
}

export interface DatabaseState {
  engine: Storage['engine'];
  bytes: number;
  tables: readonly TableFigures[];
}

/** What an administrator did. */
export interface AuditEntry {
  id: string;
  at: number;
  userId: string | null;
  username: string;
  via: string;
  action: string;
  outcome: string;
  details: Record<string, unknown>;
}

/** Work on the database that takes long. */
export type DatabaseWork = 'integrity' | 'vacuum' | 'analyze' | 'backup';

export interface StagedState {
  backup: string;
  by: string;
  stagedAt: number;
  bytes: number;
}

/**
 * What administrators do with a running server. Every call takes who asks and throws `forbidden` for anyone who is no administrator
 * or whose credential has not the permission `admin`; every act that changes something, or takes data away, is written down.
 */
export interface Operations extends Part {
  debug(viewer: Viewer): DebugState;
  configureDebug(viewer: Viewer, wish: DebugWish): Promise<{ now: DebugState; before: DebugState }>;
  traces(viewer: Viewer, limit: number, component?: Component): readonly Trace[];
  /** @throws {ParleyError} `not_found` */
  trace(viewer: Viewer, id: string): Trace;

  database(viewer: Viewer): Promise<DatabaseState>;
  /** @throws {ParleyError} `conflict` when it is not sensible now, `not_implemented` where this engine cannot, `storage_full` */
  beginWork(viewer: Viewer, work: DatabaseWork): Promise<Job>;
  works(viewer: Viewer, limit: number): Promise<Job[]>;
  work(viewer: Viewer, id: string): Promise<Job>;
  cancelWork(viewer: Viewer, id: string): Promise<Job>;
  backups(viewer: Viewer): Promise<BackupFile[]>;
  /** The path of a backup, to be read. @throws {ParleyError} `not_found` */
  openBackup(viewer: Viewer, name: string): Promise<BackupFile & { path: string }>;
  deleteBackup(viewer: Viewer, name: string): Promise<void>;
  stageRestore(viewer: Viewer, name: string): Promise<StagedState>;
  stagedRestore(viewer: Viewer): Promise<StagedState | null>;
  dropRestore(viewer: Viewer): Promise<void>;

  modules(viewer: Viewer): Promise<ModuleState[]>;
  switchModule(viewer: Viewer, name: string, on: boolean): Promise<ModuleState>;
  settings(viewer: Viewer): SettingState[];
  /** @param value null for that of the start */
  changeSetting(viewer: Viewer, name: string, value: string | null): Promise<SettingState>;
  restarting(viewer: Viewer): { isPossible: boolean; how: string };
  /** @throws {ParleyError} `conflict` when nobody would start the server again, with what to do */
  restart(viewer: Viewer): Promise<void>;
  audit(viewer: Viewer, page: { limit: number; before?: string }): Promise<AuditEntry[]>;
  readonly instanceId: string;
  readonly switches: Switches;
}
