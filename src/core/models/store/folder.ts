import { link, lstat, mkdir, readdir, rename, rm, statfs, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ParleyError } from '../../../base/errors.ts';
import { diskError } from './part-file.ts';

/** The names and places of files in the models folder. */

/** Where a download grows: the name tells the file and its version, and is none of a model. */
export function partPath(folder: string, fileName: string, identity: string): string {
  return join(folder, `.${fileName}.${identity}.part`);
}

/** Removes what was fetched of a file, all versions but one. */
export async function removeParts(folder: string, fileName: string, keep: string | null): Promise<void> {
  for (const name of await namesIn(folder)) {
    const isPart = name.startsWith(`.${fileName}.`) && /\.[0-9a-f]{16}\.part$/.test(name);
    if (isPart && join(folder, name) !== keep) await rm(join(folder, name), { force: true });
  }
}

/** Names in a folder; none when it is absent. */
export async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw diskError(error);
  });
}

export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw diskError(error);
  });
}

export async function fileExists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Bytes an ordinary user may still write in a folder, or in the nearest one above it that exists. */
export async function freeBytesIn(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const above = dirname(folder);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === folder) throw error;
    return freeBytesIn(above);
  }
}

/**
 * Gives a finished file its name, without ever replacing one of that name.
 * @throws {ParleyError} `conflict` when there is one
 */
export async function giveName(part: string, path: string): Promise<void> {
  try {
    await link(part, path);
    await unlink(part);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') throw alreadyThere(path);
    // Some file systems have no links.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EOPNOTSUPP') throw diskError(error);
    if (await fileExists(path)) throw alreadyThere(path);
    await rename(part, path);
  }
}

export function alreadyThere(path: string): ParleyError {
  return new ParleyError('conflict', {
    message: `There is a file ${path.split(/[/\\]/).at(-1)} in the models folder already. Remove it first.`,
  });
}
