import type { Clock } from '../clock.ts';
import { ParleyError } from '../errors.ts';
import type { Storage } from './types.ts';

const checkKey = 'storage.checked_at';

/** Writes a row, reads it back, and says what went wrong. */
export async function checkStorage(storage: Storage, clock: Clock): Promise<{ ok: true } | { ok: false; problem: string }> {
  try {
    const value = String(clock.now());
    await storage.write(async (queries) => {
      await queries.insertInto('settings').values({ key: checkKey, value })
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
        .execute();
    });
    const row = await storage.read.selectFrom('settings').select('value').where('key', '=', checkKey).executeTakeFirst();
    return row ? { ok: true } : { ok: false, problem: 'A row that was written cannot be read.' };
  } catch (error) {
    if (error instanceof ParleyError) return { ok: false, problem: error.message };
    return { ok: false, problem: `The database answered with an error: ${error instanceof Error ? error.message : String(error)}` };
  }
}
