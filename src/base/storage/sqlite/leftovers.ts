import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Copies in the making: of backups, and of what is to be restored. Their names have eight random characters, which those of whole
 * copies have not.
 */
const inTheMaking = [/^parley-[\w-]+\.db\.[\w-]{8}\.partial(-journal)?$/, /^parley-restore-[\w-]{8}\.db(-journal|-wal|-shm|\.[\w-]{8}\.partial(-journal)?)?$/];

/**
 * Deletes what a process has left that was killed while it copied a database. To be called by whoever holds the lock on the data
 * folder. @param folders those that are not there are passed over
 */
export async function removeLeftovers(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => [] as string[]);
    for (const name of names) if (inTheMaking.some((form) => form.test(name))) await rm(join(folder, name), { force: true });
  }
}
