import { newId } from '../ids.ts';
import type { Storage } from './types.ts';

const key = 'database_id';

/**
 * The name of a database, made when it is first asked for and the same ever after: instances that share the rows know
 * each other by it, whatever address each of them uses to get there.
 */
export async function databaseId(storage: Pick<Storage, 'read' | 'write'>): Promise<string> {
  const read = async (): Promise<string | undefined> =>
    (await storage.read.selectFrom('settings').select('value').where('key', '=', key).executeTakeFirst())?.value;
  const known = await read();
  if (known !== undefined) return known;
  await storage.write((queries) => queries.insertInto('settings').values({ key, value: newId() }).onConflict((conflict) => conflict.column('key').doNothing()).execute());
  return (await read())!;
}
