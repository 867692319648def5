import type { Part } from '../../../base/lifecycle.ts';
import type { Viewer } from '../../accounts/index.ts';

/** How an import stands. */
export interface ImportState {
  id: string;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** 0 to 1, by the bytes of the file; null while not known. */
  progress: number | null;
  counts: ImportCounts;
  /** What became of each conversation, in the order of the file; filled at the end. Long reports are cut, see `unlisted`. */
  entries: ImportEntry[];
  /** Conversations that `entries` has no room for. */
  unlisted: number;
  /** Why it failed, for a person. */
  error: string | null;
  createdAt: number;
  endedAt: number | null;
}

export interface ImportCounts {
  imported: number;
  /** Conversations that were there already. */
  present: number;
  /** Conversations that could not be taken. */
  skipped: number;
  /** Messages of the imported ones. */
  messages: number;
}

export interface ImportEntry {
  title: string;
  /** Its id in the file; null where it has none. */
  sourceId: string | null;
  outcome: 'imported' | 'present' | 'skipped';
  /** Null for what was skipped. */
  conversationId: string | null;
  messages: number;
  /** What was left out or changed, and how often. */
  remarks: Remark[];
}

export interface Remark {
  what: string;
  count: number;
}

/** Conversations as files: out of this server, and into it. */
export interface Transfers extends Part {
  /** Bytes that a file may have. */
  readonly maxBytes: number;
  /**
   * A conversation, or all that the viewer owns but those in the trash, in the project's own form, piece by piece.
   * @throws {ParleyError} as `Conversations.get` at the first piece; archived ones are found, and by their owner those in the trash
   */
  exportJson(viewer: Viewer, conversationId: string | null, signal?: AbortSignal): AsyncGenerator<string>;
  /** The shown path of a conversation for reading. @throws {ParleyError} as `exportJson` */
  exportMarkdown(viewer: Viewer, conversationId: string, signal?: AbortSignal): AsyncGenerator<string>;
  /**
   * Keeps a file and imports it by a job.
   * @throws {ParleyError} `too_large`, `storage_full`, `invalid_request` for an empty one, `conflict` while another import of the viewer goes on
   */
  importFile(viewer: Viewer, file: AsyncIterable<Buffer>): Promise<ImportState>;
  /** The viewer's own imports, newest first. */
  imports(viewer: Viewer): Promise<ImportState[]>;
  /** @throws {ParleyError} `not_found`, also for somebody else's */
  importState(viewer: Viewer, importId: string): Promise<ImportState>;
  /** Stops an import. What it has imported whole stays; nothing is left half. @throws {ParleyError} `not_found` */
  cancelImport(viewer: Viewer, importId: string): Promise<ImportState>;
  /** Imports a file that lies on this machine, without a job. For the operator. */
  importNow(viewer: Viewer, path: string, onProgress?: (progress: number, counts: ImportCounts) => void): Promise<Pick<ImportState, 'counts' | 'entries' | 'unlisted'>>;
}
