import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isId, newId } from './ids.ts';

/**
 * The name of this machine among those that share a database: made once, kept in the data folder, so that it stays the
 * same when the server starts anew. Not a secret.
 */
export function machineName(dataDir: string): string {
  const path = join(dataDir, 'machine-id');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${newId()}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const name = readFileSync(path, 'utf8').trim();
  if (!isId(name)) throw new Error(`${path} is damaged. Remove it: it is made anew.`);
  return name;
}
