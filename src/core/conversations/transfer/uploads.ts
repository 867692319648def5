import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ParleyError } from '../../../base/errors.ts';

/**
 * Writes a file that comes from outside, and sees that it is on the disk.
 * @throws {ParleyError} `too_large`, `storage_full`, `invalid_request` for an empty one; then nothing of it is left
 */
export async function keepUpload(folder: string, name: string, file: AsyncIterable<Buffer>, maxBytes: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  const handle = await open(path, 'wx', 0o600);
  let bytes = 0;
  try {
    try {
      for await (const chunk of file) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw new ParleyError('too_large', { message: `A file may have ${maxBytes} bytes.` });
        await handle.writeFile(chunk);
      }
      if (bytes === 0) throw new ParleyError('invalid_request', { message: 'The file is empty.' });
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    await rm(path, { force: true });
    throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? new ParleyError('storage_full', { cause: error }) : error;
  }
}

/** Names of the files in the folder that are older than this. */
export async function oldUploads(folder: string, olderThanMs: number, now: number): Promise<string[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const old: string[] = [];
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => null);
    if (found && now - found.mtimeMs > olderThanMs) old.push(name);
  }
  return old;
}
