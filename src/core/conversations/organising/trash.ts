import type { ConversationParts } from '../parts.ts';
import { Repeating } from '../turns/repeating.ts';

/** Pause between two looks into the trash, milliseconds. */
const lookMs = 3_600_000;
/** Conversations found with one query. Each is deleted in a transaction of its own, so that others can write in between. */
const atOnce = 50;
const dayMs = 24 * 3_600_000;

export interface Trash {
  start(): void;
  stop(): Promise<void>;
}

/**
 * Deletes for good what has waited in the trash for its time, at the start and once in an hour. The rows say what is
 * due, so nothing is forgotten while no server runs, and any number of instances may look: only one of them finds a row
 * to delete.
 */
export function createTrash(parts: ConversationParts): Trash {
  const looks = new Repeating(lookMs, async () => void (await emptyTrash(parts)), (error) => parts.log.error({ err: error }, 'the trash could not be emptied; trying again'));
  return {
    start() {
      if (parts.settings.trashDays <= 0) return;
      looks.start();
      looks.soon();
    },
    stop: () => looks.stop(),
  };
}

/** Deletes what is due now. Gives the number of conversations deleted by this call. */
export async function emptyTrash({ storage, settings, bus, log }: ConversationParts): Promise<number> {
  let deleted = 0;
  for (;;) {
    const due = (await storage.now()) - settings.trashDays * dayMs;
    const rows = await storage.read.selectFrom('conversations').select('id').where('trashed_at', '<=', due).orderBy('trashed_at').limit(atOnce).execute();
    for (const { id } of rows) {
      // Somebody may have restored it, or another instance deleted it, since it was found.
      const gone = await storage.write((queries) => queries.deleteFrom('conversations').where('id', '=', id).where('trashed_at', '<=', due).executeTakeFirst());
      if (gone.numDeletedRows === 0n) continue;
      deleted += 1;
      bus.publish(`conversation:${id}`, { type: 'deleted' });
    }
    if (rows.length < atOnce) break;
  }
  if (deleted > 0) log.info({ deleted }, 'conversations were deleted whose time in the trash is over');
  return deleted;
}
