import { constants } from 'node:fs';
import { access, chmod, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ParleyError } from '../../errors.ts';
import { randomToken } from '../../ids.ts';
import { translateSqliteError, translateSystemError } from './errors.ts';
import { askOnce } from './worker-client.ts';

/** What to do when there is a file of the wanted name already. */
type Existing = 'refuse' | 'replace';

/**
 * Copies a database that may be in use to `target`, in a thread. The copy appears under its name only when it is whole
 * and on the disk; it is readable by its owner only.
 * @throws {ParleyError} `conflict` when the target exists, `storage_full`, `storage_unavailable`.
 */
export async function copyDatabase(source: string, target: string, existing: Existing): Promise<void> {
  if (existing === 'refuse' && (await exists(target))) throw alreadyThere(target);
  const partial = `${target}.${randomToken(6)}.partial`;
  try {
    // Made beforehand because SQLite would let everybody read it; an empty file is as good as none to it.
    await (await open(partial, 'wx', 0o600)).close();
    await askOnce({ path: source, fullSync: false, readOnly: true }, { operation: 'copy', path: partial });
    await publish(partial, target, existing);
    await syncFolder(dirname(target));
  } catch (error) {
    throw translateSqliteError(error, dirname(target));
  } finally {
    await rm(partial, { force: true });
    await rm(`${partial}-journal`, { force: true });
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path, constants.F_OK);
    return true;
  } catch {
    return false;
  }
}

/** Makes the names in a folder last through a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // Windows cannot open folders; its file systems log names by themselves.
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function publish(partial: string, target: string, existing: Existing): Promise<void> {
  await chmod(partial, 0o600);
  if (existing === 'replace') return await rename(partial, target);
  try {
    await link(partial, target); // Unlike rename it fails when someone made the target meanwhile.
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') throw alreadyThere(target);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw translateSystemError(error, target);
    await rename(partial, target); // A file system without links.
  }
}

function alreadyThere(target: string): ParleyError {
  return new ParleyError('conflict', { message: `${target} exists already; a backup does not replace anything.` });
}
