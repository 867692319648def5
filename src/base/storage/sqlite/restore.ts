import { copyFile, link, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ParleyError } from '../../errors.ts';
import { randomToken } from '../../ids.ts';
import { migrations as allMigrations } from '../migrations/index.ts';
import type { Migration } from '../migrations/migration.ts';
import { unknownMigrations } from '../migrator.ts';
import { copyDatabase, exists, syncFolder } from './backup.ts';
import { isDamage, translateSqliteError } from './errors.ts';
import { lockDataFolder } from './folder-lock.ts';
import { askOnce } from './worker-client.ts';

/** A backup that waits for the next start, and what is known of it (staged-restore.ts). */
export const stagedFiles = ['parley-restore-staged.db', 'parley-restore-staged.json'] as const;

export interface RestoreOptions {
  /** Whether a database that is there may be replaced. */
  force: boolean;
  /** For tests. Default: all of ./migrations. */
  migrations?: readonly Migration[];
}

export interface Restored {
  /** The database that was replaced, kept under this name; null when there was none. */
  replaced: string | null;
  /** The newest migration of the backup; newer ones are applied at the next start. */
  migration: string;
}

/**
 * Puts a backup in the place of a folder's database. The backup is copied and checked first; only a copy without
 * findings takes the place, in one step. The database that was there is kept as `parley-before-restore.db`.
 * @throws {ParleyError} `conflict` when a server uses the folder, or a database is there and `force` is false;
 *   `invalid_request` when the backup is missing, damaged, no database of Parley or of a newer one;
 *   `storage_full`, `storage_unavailable`.
 */
export async function restoreDatabase(backupPath: string, dataDir: string, options: RestoreOptions): Promise<Restored> {
  const backup = resolve(backupPath);
  if (!(await exists(backup))) throw refused(`There is no file ${backup}.`);
  const unlock = lockDataFolder(dataDir);
  const target = join(dataDir, 'parley.db');
  const incoming = join(dataDir, `parley-restore-${randomToken(6)}.db`);
  try {
    if (!options.force && (await holdsRows(target))) {
      throw new ParleyError('conflict', { message: `${dataDir} holds a database already. Restoring replaces it only when told to (--force).` });
    }
    await copyBackup(backup, incoming);
    const migration = await verifyBackup(incoming, options.migrations ?? allMigrations);
    const replaced = await setAside(target, dataDir, 'parley-before-restore.db');
    await rename(incoming, target);
    await syncFolder(dataDir);
    // What waited to take this place at the next start was meant for the database of before.
    for (const name of stagedFiles) await rm(join(dataDir, name), { force: true });
    return { replaced, migration };
  } catch (error) {
    throw translateSqliteError(error, dataDir);
  } finally {
    await rm(incoming, { force: true });
    unlock();
  }
}

/** Copies by SQLite's own means, so that a log lying beside the backup is taken along. */
export async function copyBackup(backup: string, incoming: string): Promise<void> {
  try {
    await copyDatabase(backup, incoming, 'refuse');
  } catch (error) {
    if (error instanceof ParleyError && error.code === 'storage_full') throw error;
    throw refused(`${backup} cannot be read as a database: ${error instanceof Error ? describe(error) : String(error)}`, error);
  }
}

function describe(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/**
 * Looks through a copy of a backup. @returns its newest migration
 * @throws {ParleyError} `invalid_request` when it is damaged, no database of Parley, or of a newer one
 */
export async function verifyBackup(path: string, migrations: readonly Migration[]): Promise<string> {
  const { problems = [], migrations: names = [] } = await askOnce({ path, fullSync: false, readOnly: true }, { operation: 'integrity' });
  if (problems.length > 0) throw refused(`The backup is damaged: ${problems.slice(0, 3).join('; ')}`);
  const newest = names.at(-1);
  if (newest === undefined) throw refused('The backup is a database, but not one of Parley.');
  const unknown = unknownMigrations(names, migrations);
  if (unknown.length > 0) throw refused(`The backup was made by a newer Parley (it has ${unknown.join(', ')}).`);
  return newest;
}

async function holdsRows(path: string): Promise<boolean> {
  try {
    return (await stat(path)).size > 0;
  } catch {
    return false; // No file.
  }
}

/**
 * Keeps the present database under another name, with its log folded in: a log that stayed behind would be applied to
 * the file that comes in its place and ruin it. The present name stays in place until that file takes it.
 * @param keptIn folder on the same disk in which it is kept
 * @param keptName name under which it is kept there; what has that name already is removed
 * @returns the path under which it is kept; null when there was none
 */
export async function setAside(target: string, keptIn: string, keptName: string): Promise<string | null> {
  if (!(await exists(target))) return null;
  const kept = join(keptIn, keptName);
  const log = `${target}-wal`;
  const readable = foldLog(target);
  if (readable && (await exists(log))) {
    throw new ParleyError('conflict', { message: `Another program has the database ${target} open. Stop it first.` });
  }
  for (const path of [kept, `${kept}-wal`, `${target}-shm`]) await rm(path, { force: true });
  try {
    await link(target, kept);
  } catch {
    await copyFile(target, kept); // A file system without links.
  }
  if (await exists(log)) await rename(log, `${kept}-wal`);
  return kept;
}

/**
 * Moves the log into the file, by opening and closing it as the only one. False when the file is too damaged for that:
 * then log and file are kept as they are.
 */
function foldLog(path: string): boolean {
  const database = new DatabaseSync(path);
  try {
    database.exec('pragma wal_checkpoint(truncate)');
    return true;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  } finally {
    database.close();
  }
}

function refused(message: string, cause?: unknown): ParleyError {
  return new ParleyError('invalid_request', { message, cause });
}
