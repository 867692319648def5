import type { Storage } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import type { FileItem } from './reading-file.ts';
import { ConversationWriter, presentConversation } from './storing.ts';
import type { ImportCounts, ImportEntry, ImportState } from './types.ts';

/** Characters of JSON that the list of what became of each conversation may have; the rest is only counted. */
const mostReported = 400_000;

export type ImportReport = Pick<ImportState, 'counts' | 'entries' | 'unlisted'>;

/**
 * Stores what a file holds. Every conversation is stored whole or not at all, and one that is there already is left as it
 * is; so the same file can be imported again, in the middle of it and behind its end, and nothing is lost or doubled.
 * @param jobId tells what this import has made before a crash from what was there before it
 */
export async function importItems(
  storage: Storage,
  viewer: Viewer,
  items: AsyncIterable<FileItem>,
  { jobId = null, onProgress }: { jobId?: string | null; onProgress?: (progress: number, counts: ImportCounts) => void | Promise<void> } = {},
): Promise<ImportReport> {
  const report = new Report();
  let open: { writer: ConversationWriter; entry: ImportEntry } | null = null;
  try {
    for await (const item of items) {
      if (item.kind === 'skipped') report.add({ title: item.title, sourceId: item.sourceId, outcome: 'skipped', conversationId: null, messages: 0, remarks: [{ what: item.reason, count: 1 }] });
      if (item.kind === 'conversation') open = await begin(storage, viewer, item, jobId, report);
      if (item.kind === 'messages' && open) {
        const isStored = await open.writer.store(item.messages, item.isLast);
        if (!isStored) report.add({ ...open.entry, outcome: 'present', conversationId: null, messages: 0, remarks: [{ what: 'it was imported before, and handed over', count: 1 }] });
        else if (item.isLast) report.add({ ...open.entry, remarks: [...open.entry.remarks, ...open.writer.remarks.list()] });
        if (!isStored || item.isLast) open = null;
      }
      await onProgress?.(item.progress, { ...report.counts });
    }
  } finally {
    await open?.writer.abandon();
  }
  return report.end();
}

/** Begins a conversation, unless it is there: then its messages are passed over. */
async function begin(storage: Storage, viewer: Viewer, item: FileItem & { kind: 'conversation' }, jobId: string | null, report: Report): Promise<{ writer: ConversationWriter; entry: ImportEntry } | null> {
  const { head, messageCount: messages } = item;
  const entry = { title: head.title.slice(0, 200), sourceId: head.sourceId, messages, remarks: head.remarks };
  const present = await presentConversation(storage, viewer, head);
  if (present) {
    // Made by an earlier try of this import; not so when the file holds it twice.
    const isOurs = jobId !== null && present.job === jobId && !report.has(present.conversationId);
    report.add({ ...entry, outcome: isOurs ? 'imported' : 'present', conversationId: present.conversationId, ...(isOurs ? {} : { messages: 0, remarks: [] }) });
    return null;
  }
  const writer = new ConversationWriter(storage, viewer, head, jobId);
  return { writer, entry: { ...entry, outcome: 'imported', conversationId: writer.id } };
}

class Report {
  readonly counts: ImportCounts = { imported: 0, present: 0, skipped: 0, messages: 0 };
  private readonly entries: ImportEntry[] = [];
  private size = 0;
  private unlisted = 0;
  private readonly ids = new Set<string>();

  /** Whether this conversation was in the file already. */
  has(conversationId: string): boolean {
    return this.ids.has(conversationId);
  }

  add(entry: ImportEntry): void {
    if (entry.conversationId !== null) this.ids.add(entry.conversationId);
    this.counts[entry.outcome] += 1;
    this.counts.messages += entry.messages;
    this.size += JSON.stringify(entry).length;
    if (this.size <= mostReported) this.entries.push(entry);
    else this.unlisted += 1;
  }

  end(): ImportReport {
    return { counts: this.counts, entries: this.entries, unlisted: this.unlisted };
  }
}
