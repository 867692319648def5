import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ParleyError } from '../../errors.ts';
import { sqliteCode, translateSqliteError, translateSystemError, withFolder } from './errors.ts';

/** Milliseconds to wait for a process that is just ending. */
const waitMs = 500;

const busy = 5;

/** Makes the data folder, for its owner only, where it does not exist yet. @throws {ParleyError} `storage_unavailable`, `storage_full`. */
export function makeDataFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw translateSystemError(error, dataDir);
  }
}

/**
 * Makes an empty database file that only its owner can read; SQLite gives the files beside it the same rights. A file
 * that exists is not touched: closing it would take away the locks that SQLite holds on it in this process.
 * @throws {ParleyError} `storage_unavailable`, `storage_full`.
 */
export function makeDatabaseFile(path: string): void {
  if (existsSync(path)) return;
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    throw translateSystemError(error, path);
  }
}

/**
 * Makes sure that one process at a time runs on a data folder. The lock is SQLite's own exclusive lock on a file of its
 * own: the operating system takes it back when the process ends, however it ends, so there is nothing to clean up.
 * @returns a function that gives the lock back
 * @throws {ParleyError} `conflict` when another process holds it, `storage_unavailable`, `storage_full`.
 */
export function lockDataFolder(dataDir: string): () => void {
  makeDataFolder(dataDir);
  const path = join(dataDir, 'parley.lock');
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: waitMs });
    database.exec('pragma locking_mode = exclusive; begin exclusive');
    chmodSync(path, 0o600);
  } catch (error) {
    database?.close();
    const code = sqliteCode(error);
    if (code !== null && (code & 0xff) === busy) {
      throw new ParleyError('conflict', {
        message: `Another Parley uses the data folder ${dataDir}. Stop it first, or set DATA_DIR to another folder.`,
        cause: error,
      });
    }
    throw withFolder(translateSqliteError(error, dataDir), dataDir);
  }
  const held = database;
  return () => {
    if (held.isOpen) held.close();
  };
}
