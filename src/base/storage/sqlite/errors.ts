import { statfsSync } from 'node:fs';
import { ParleyError } from '../../errors.ts';

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html). Extended codes hold them in the low 8 bits. */
const primary = { busy: 5, locked: 6, readOnly: 8, ioError: 10, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 } as const;

/** SQLITE_IOERR_SHMSIZE: the index of the write-ahead log could not grow. */
const sharedMemorySize = 10 | (19 << 8);

/** SQLITE_CONSTRAINT_PRIMARYKEY and SQLITE_CONSTRAINT_UNIQUE. */
const uniqueCodes = new Set([19 | (6 << 8), 19 | (8 << 8)]);

/** SQLite's extended result code, when `thrown` came from node:sqlite. */
export function sqliteCode(thrown: unknown): number | null {
  return thrown instanceof Error && 'errcode' in thrown && typeof thrown.errcode === 'number' ? thrown.errcode : null;
}

export function isSqliteUniqueViolation(thrown: unknown): boolean {
  const code = sqliteCode(thrown);
  return code !== null && uniqueCodes.has(code);
}

/** Whether SQLite found the file itself to be damaged, or no database at all. */
export function isDamage(thrown: unknown): boolean {
  const code = sqliteCode(thrown);
  return code !== null && [primary.corrupt, primary.notADatabase].some((damage) => damage === (code & 0xff));
}

/** Names the folder in an error that is shown to whoever starts the program; clients never read it. */
export function withFolder(thrown: unknown, dataDir: string): unknown {
  if (!(thrown instanceof ParleyError) || thrown.message.includes(dataDir)) return thrown;
  return new ParleyError(thrown.code, { message: `${thrown.message} The data folder is ${dataDir}.`, cause: thrown.cause });
}

/**
 * What SQLite or the file system threw, in Parley's terms: no space is `storage_full`, a database that cannot be used
 * is `storage_unavailable`. Everything else (a violated constraint, a wrong query) stays as it is.
 */
export function translateSqliteError(thrown: unknown, dataDir: string): unknown {
  if (thrown instanceof ParleyError) return thrown;
  if (systemCode(thrown) !== null) return translateSystemError(thrown, dataDir);
  const code = sqliteCode(thrown);
  if (code === null) return thrown;
  const unavailable = (what: string): ParleyError =>
    new ParleyError('storage_unavailable', { message: `${what}. Nothing was saved.`, cause: thrown });
  switch (code & 0xff) {
    case primary.full:
      return new ParleyError('storage_full', { cause: thrown });
    case primary.ioError:
      if (code === sharedMemorySize || noSpaceLeft(dataDir)) return new ParleyError('storage_full', { cause: thrown });
      return unavailable('The disk answers with errors when the database is read or written');
    case primary.readOnly:
      return unavailable('The data folder cannot be written');
    case primary.cannotOpen:
      return unavailable('The database cannot be opened in the data folder');
    case primary.busy:
    case primary.locked:
      return unavailable('Another program holds the database for too long');
    case primary.corrupt:
    case primary.notADatabase:
      return unavailable('The database file is damaged; restore a backup with `parley restore`');
    default:
      return thrown;
  }
}

/** The same for errors of the file system, such as from creating the folder. */
export function translateSystemError(thrown: unknown, path: string): unknown {
  switch (systemCode(thrown)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new ParleyError('storage_full', { cause: thrown });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EIO':
      return new ParleyError('storage_unavailable', {
        message: `The data folder ${path} cannot be written (${systemCode(thrown)}).`,
        cause: thrown,
      });
    default:
      return thrown;
  }
}

function systemCode(thrown: unknown): string | null {
  return thrown instanceof Error && 'syscall' in thrown && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null;
}

/** SQLite does not say why a write failed; less than one page left on the disk says it. */
function noSpaceLeft(folder: string): boolean {
  try {
    const disk = statfsSync(folder);
    return disk.bavail * disk.bsize < 4096;
  } catch {
    return false; // The folder itself is gone or unreadable: then it is not a matter of space.
  }
}
