import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../clock.ts';
import { ParleyError } from '../../errors.ts';
import { randomToken } from '../../ids.ts';
import type { Log } from '../../observability/index.ts';
import { migrations as allMigrations } from '../migrations/index.ts';
import { syncFolder } from './backup.ts';
import { translateSqliteError } from './errors.ts';
import { copyBackup, setAside, stagedFiles, verifyBackup, type Restored } from './restore.ts';

/** A backup that waits to take the place of the database at the next start. */
export interface StagedRestore {
  /** What whoever staged it wants to know when it has been put in place, such as their name. */
  note: Record<string, unknown>;
  /** Milliseconds since the epoch. */
  stagedAt: number;
  bytes: number;
}

/** Steps of putting a staged backup in place, each after what it names has happened. */
export type ApplyingStep = 'checked' | 'kept' | 'noted' | 'placed';

const [stagedName, noteName] = stagedFiles;
const refusedName = 'parley-restore-refused.db';

/** Folder of the data folder in which backups are kept that were made over the network. */
export const backupsFolder = 'backups';

interface Note {
  note: Record<string, unknown>;
  stagedAt: number;
  /** Set before the backup takes its place: where the database that was there is kept. */
  applying?: Restored;
}

/**
 * Copies a backup beside the database of a running server, checks the copy, and leaves it there for the next start. Nothing that
 * runs notices. One that was staged before is replaced. Work on databases that was going on when the backup was made is not taken
 * up again by it.
 * @throws {ParleyError} `invalid_request` when the backup is missing, damaged, or of a newer Parley; `storage_full`
 */
export async function stageRestore(backupPath: string, dataDir: string, note: Record<string, unknown>, now: number): Promise<{ migration: string }> {
  const incoming = join(dataDir, `parley-restore-${randomToken(6)}.db`);
  try {
    await copyBackup(backupPath, incoming);
    const migration = await verifyBackup(incoming, allMigrations);
    endWorkOnDatabases(incoming, now);
    await dropStagedRestore(dataDir);
    await writeNote(dataDir, { note, stagedAt: now });
    await rename(incoming, join(dataDir, stagedName));
    await syncFolder(dataDir);
    return { migration };
  } catch (error) {
    throw translateSqliteError(error, dataDir);
  } finally {
    await rm(incoming, { force: true });
  }
}

/** What waits for the next start; null when nothing does. */
export async function stagedRestore(dataDir: string): Promise<StagedRestore | null> {
  const file = await stat(join(dataDir, stagedName)).catch(() => null);
  const known = await readNote(dataDir);
  return file && known ? { note: known.note, stagedAt: known.stagedAt, bytes: file.size } : null;
}

/** Forgets what was staged. False when nothing was. */
export async function dropStagedRestore(dataDir: string): Promise<boolean> {
  const was = (await stat(join(dataDir, stagedName)).catch(() => null)) !== null;
  await rm(join(dataDir, stagedName), { force: true });
  await rm(join(dataDir, noteName), { force: true });
  return was;
}

/**
 * What became of a staged backup since it was asked for last: the note of the one that was put in place, once. Null when none was.
 */
export async function takeAppliedRestore(dataDir: string): Promise<{ note: Record<string, unknown>; restored: Restored } | null> {
  const known = await readNote(dataDir);
  if (!known?.applying || (await stat(join(dataDir, stagedName)).catch(() => null))) return null;
  await rm(join(dataDir, noteName), { force: true });
  return { note: known.note, restored: known.applying };
}

/**
 * Puts a staged backup in the place of the database; the one that was there is kept among the backups under a name of its own. Called
 * by whoever holds the lock on the folder, before the database is opened. A process that ends in the middle leaves either
 * database in place, whole, and the next start goes on. A copy that has been damaged since it was staged is put aside, and the
 * database stays.
 * @param backupsDir folder for the database that was there
 * @param onStep for tests
 */
export async function applyStagedRestore(dataDir: string, backupsDir: string, { clock, log, onStep }: { clock: Clock; log: Log; onStep?: (step: ApplyingStep) => void }): Promise<void> {
  const staged = join(dataDir, stagedName);
  if (!(await stat(staged).catch(() => null))) return;
  let migration: string;
  try {
    migration = await verifyBackup(staged, allMigrations);
  } catch (error) {
    if (!(error instanceof ParleyError) || error.code !== 'invalid_request') throw error;
    await rename(staged, join(dataDir, refusedName));
    log.error({ err: error, path: join(dataDir, refusedName) }, 'The backup to be restored is damaged and was put aside; going on with the database as it is');
    return;
  }
  onStep?.('checked');
  await mkdir(backupsDir, { recursive: true, mode: 0o700 });
  // A name of its own: a second try must not remove what the first one kept.
  const replaced = await setAside(join(dataDir, 'parley.db'), backupsDir, `parley-before-restore-${stampOf(clock.now())}-${randomToken(3)}.db`);
  if (replaced) await syncFolder(dirname(replaced));
  onStep?.('kept');
  const known = (await readNote(dataDir)) ?? { note: {}, stagedAt: clock.now() };
  await writeNote(dataDir, { ...known, applying: { replaced, migration } });
  onStep?.('noted');
  await rename(staged, join(dataDir, 'parley.db'));
  await syncFolder(dataDir);
  onStep?.('placed');
  log.warn({ replaced, migration }, 'A backup was put in the place of the database');
}

/** A time as it stands in names of files, UTC. */
export function stampOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
}

/** The backup was made by a job, which is running in the copy. */
function endWorkOnDatabases(path: string, now: number): void {
  const database = new DatabaseSync(path);
  try {
    database.prepare(`update jobs set state = 'cancelled', owner = null, lease_until = null, ended_at = ? where kind like 'database-%' and state in ('waiting', 'running')`).run(now);
  } finally {
    database.close();
  }
}

async function readNote(dataDir: string): Promise<Note | null> {
  try {
    return JSON.parse(await readFile(join(dataDir, noteName), 'utf8')) as Note;
  } catch {
    return null; // None, or one that was cut off: then nothing is known of it.
  }
}

/** Whole or not at all, and on the disk. */
async function writeNote(dataDir: string, note: Note): Promise<void> {
  const partial = join(dataDir, `${noteName}.partial`);
  const file = await open(partial, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(note));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, join(dataDir, noteName));
}
