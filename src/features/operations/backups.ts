import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ParleyError } from '../../base/errors.ts';
import { randomToken } from '../../base/ids.ts';
import { backupsFolder, stampOf } from '../../base/storage/index.ts';
import type { BackupFile } from './types.ts';

/** Backups that are kept; to make another one, one must be deleted. */
export const mostBackups = 50;

/** What names look like, so that none can lead out of the folder. */
const nameForm = /^parley-(?:before-restore-)?\d{8}-\d{6}-[A-Za-z0-9_-]{2,12}\.db$/;

/** The folder with the copies of the database. */
export interface Backups {
  /** Newest first. */
  list(): Promise<BackupFile[]>;
  /** @throws {ParleyError} `not_found` */
  get(name: string): Promise<BackupFile & { path: string }>;
  delete(name: string): Promise<void>;
  /** A name that no file has. @throws {ParleyError} `conflict` when there are too many */
  newName(now: number): Promise<string>;
  /** Where a backup of this name lies, or will; the folder is there then. */
  pathOf(name: string): Promise<string>;
}

export function createBackups(dataDir: string): Backups {
  const folder = join(dataDir, backupsFolder);
  const look = async (name: string): Promise<BackupFile | null> => {
    const file = nameForm.test(name) ? await stat(join(folder, name)).catch(() => null) : null;
    if (!file?.isFile()) return null;
    return { name, bytes: file.size, createdAt: Math.floor(file.mtimeMs), origin: name.startsWith('parley-before-restore-') ? 'before-restore' : 'backup' };
  };
  const list = async (): Promise<BackupFile[]> => {
    const names = await readdir(folder).catch(() => [] as string[]);
    const files = (await Promise.all(names.map(look))).filter((file) => file !== null);
    return files.sort((one, other) => other.createdAt - one.createdAt || (other.name < one.name ? -1 : 1));
  };
  const get = async (name: string): Promise<BackupFile & { path: string }> => {
    const file = await look(name);
    if (!file) throw new ParleyError('not_found', { message: 'There is no such backup.' });
    return { ...file, path: join(folder, name) };
  };
  return {
    list,
    get,
    async delete(name) {
      const { path } = await get(name);
      for (const file of [path, `${path}-wal`]) await rm(file, { force: true });
    },
    async newName(now) {
      if ((await list()).length >= mostBackups) throw new ParleyError('conflict', { message: `There are ${mostBackups} backups already. Delete one first.` });
      return `parley-${stampOf(now)}-${randomToken(3)}.db`;
    },
    async pathOf(name) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return join(folder, name);
    },
  };
}
