import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { restoreDatabase } from '../../base/storage/index.ts';
import { readConfig } from '../../config.ts';
import { CommandError } from '../failure.ts';
import { withCore } from '../open.ts';
import { formatBytes } from '../output.ts';

const elsewhere = 'The database is PostgreSQL: use its own tools, pg_dump and pg_restore.';

export async function backup(file: string): Promise<void> {
  if (readConfig().databaseUrl !== null) throw new CommandError(elsewhere);
  const path = resolve(file);
  await withCore((core) => core.storage.backup(path));
  console.log(`Saved to ${path} (${formatBytes(statSync(path).size)}). Keep secrets.json of the data folder with it: provider keys cannot be read without.`);
}

export async function restore(file: string, options: { force?: boolean }): Promise<void> {
  const config = readConfig();
  if (config.databaseUrl !== null) throw new CommandError(elsewhere);
  const { replaced } = await restoreDatabase(resolve(file), config.dataDir, { force: options.force ?? false });
  console.log(`Restored into ${config.dataDir}.${replaced === null ? '' : ` The database that was there is kept as ${replaced}.`}`);
}
