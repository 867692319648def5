import type { Storage } from '../../../base/storage/index.ts';
import type { ContextReport } from '../context.ts';

/** What of the earlier conversation a model was told, as it is kept on its answer. */
export interface ContextNote {
  /** Earlier messages. */
  history: number;
  /** Messages that were left out. */
  left_out: number;
}

/** Keeps on an answer, as `context` in its metadata, what its model was told besides the question. */
export async function noteContext(storage: Storage, messageId: string, reports: readonly ContextReport[]): Promise<void> {
  const history = reports.find(({ source }) => source === 'history');
  // The question is the last message of the history.
  const context: ContextNote = { history: Math.max(0, (history?.messages ?? 0) - 1), left_out: history?.leftOut ?? 0 };
  await storage.write(async (queries) => {
    const row = await queries.selectFrom('messages').select('metadata').where('id', '=', messageId).forUpdate().executeTakeFirst();
    if (!row) return;
    const metadata = { ...(row.metadata === null ? {} : (JSON.parse(row.metadata) as Record<string, unknown>)), context };
    await queries.updateTable('messages').set({ metadata: JSON.stringify(metadata) }).where('id', '=', messageId).execute();
  });
}

/** The note of an answer; null where none was kept. */
export function contextNoteOf(metadata: Record<string, unknown> | null): ContextNote | null {
  const note = metadata?.['context'];
  if (typeof note !== 'object' || note === null) return null;
  const { history, left_out } = note as Record<string, unknown>;
  return typeof history === 'number' && typeof left_out === 'number' ? { history, left_out } : null;
}
