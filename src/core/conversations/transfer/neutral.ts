import type { MessagesTable } from '../../../base/storage/index.ts';
import type { ExportedParticipant, Figures, ReadPicture } from './form.ts';
import type { Remark } from './types.ts';

/** A conversation of a file, whatever form the file has. */
export interface ReadConversation {
  source: 'parley' | 'chatgpt';
  sourceId: string;
  title: string;
  titleSource: 'default' | 'first-message' | 'model' | 'user';
  description: string | null;
  type: 'DIRECT' | 'GROUP' | 'CHANNEL';
  model: string | null;
  persona: string | null;
  systemPrompt: string | null;
  temperature: number | null;
  maxTokens: number | null;
  parameters: Record<string, unknown>;
  isPrivate: boolean;
  tags: string[] | null;
  label: string | null;
  /** The dialect that made it, or `chatgpt`. */
  origin: string;
  headKey: string | null;
  createdAt: number;
  lastActivityAt: number;
  archivedAt: number | null;
  pinnedAt: number | null;
  participants: ExportedParticipant[];
  /** The name under which the exporter's messages stand in it; null: those of role `user` are the importer's. */
  exportedBy: string | null;
  messages: ReadMessage[];
  remarks: Remark[];
}

/** A message of a file. Parents stand before their children, and name a message that is there. */
export interface ReadMessage {
  key: string;
  parentKey: string | null;
  role: MessagesTable['role'];
  /** The name of who wrote it; `true` for who imports it, null for nobody. */
  sender: string | true | null;
  content: string;
  reasoning: string | null;
  /** As the column holds them. */
  tools: string | null;
  status: 'DELIVERED' | 'CANCELLED' | 'FAILED' | 'INTERRUPTED';
  replyToKey: string | null;
  replacesKey: string | null;
  isEdited: boolean;
  metadata: Record<string, unknown> | null;
  model: string | null;
  figures: Figures | null;
  pictures: ReadPicture[];
  finishReason: MessagesTable['finish_reason'];
  error: { code: string; message: string } | null;
  createdAt: number;
  endedAt: number | null;
}

/** Counts what was left out, by reason. */
export class Remarks {
  private readonly counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }

  list(): Remark[] {
    return [...this.counts].slice(0, 20).map(([what, count]) => ({ what, count }));
  }
}

/** Text as both engines can keep it. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed();
}

/** The same for every text of a JSON value. Its depth is bounded by the reader of the file. */
export function storableValue<Value>(value: Value): Value {
  if (typeof value === 'string') return storable(value) as Value;
  if (Array.isArray(value)) return value.map(storableValue) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), storableValue(inner)])) as Value;
}

/** Whether these characters as JSON are few enough. */
export function fits(value: unknown, max: number): boolean {
  return JSON.stringify(value).length <= max;
}
