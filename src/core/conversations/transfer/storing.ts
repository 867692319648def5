import { createHash } from 'node:crypto';
import { ParleyError } from '../../../base/errors.ts';
import { isId, newId } from '../../../base/ids.ts';
import type { MessagesTable, Storage, WriteQueries } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import { nextHash, rootHash } from '../path.ts';
import { addPicture, insertPictures, type PicturesToKeep } from '../pictures/pictures.ts';
import { newMessageRow } from '../rows.ts';
import { insertConversationRow, insertParticipant, nextConversationNumber } from '../statements.ts';
import type { ImportOrigin } from './form.ts';
import { marked } from './import-mark.ts';
import { Remarks, type ReadConversation, type ReadMessage } from './neutral.ts';

/** Rows of one statement. */
const rowsAtOnce = 50;

/** What is there already under the id that a conversation of a file would get. */
export type Present = { conversationId: string; job: string | null } | null;

/**
 * The id of a conversation of a file, for who imports it: always the same, so that a second import, or one that goes on
 * behind a crash, finds what the first has made. A UUID of version 8 (RFC 9562, section 5.8).
 */
export function importedId(userId: string, source: string, sourceId: string): string {
  const hex = createHash('sha256').update(`${userId}\0${source}\0${sourceId}`).digest('hex');
  const variant = (0x8 | (parseInt(hex[16]!, 16) & 0x3)).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * The conversation, if it is there: imported before, or the exported one itself. What an import has left half, which nobody
 * can see, does not count.
 */
export async function presentConversation({ read }: Pick<Storage, 'read'>, viewer: Viewer, head: Pick<ReadConversation, 'source' | 'sourceId'>): Promise<Present> {
  const ids = [importedId(viewer.userId, head.source, head.sourceId), ...(head.source === 'parley' && isId(head.sourceId) ? [head.sourceId] : [])];
  const row = await read
    .selectFrom('conversations')
    .innerJoin('participants as own', (join) => join.onRef('own.conversation_id', '=', 'conversations.id').on('own.user_id', '=', viewer.userId))
    .select(['conversations.id', 'conversations.parameters'])
    .where('conversations.id', 'in', ids)
    .executeTakeFirst();
  if (!row) return null;
  const { import: origin } = JSON.parse(row.parameters) as { import?: { job?: string | null } };
  return { conversationId: row.id, job: row.id === ids[0] ? (origin?.job ?? null) : null };
}

/** Where a message of the file has gone. */
interface Stored {
  id: string;
  depth: number;
  hash: string | null;
}

/**
 * Stores one conversation of a file: a short one in one transaction, of a long one a part of its messages in each, so that
 * others can write in between. Until the last one nobody takes part in it: it is seen by nobody, and stands in the trash, so
 * that what a crash leaves of it goes with that unless it is imported again.
 */
export class ConversationWriter {
  readonly id: string;
  private readonly storage: Storage;
  private readonly viewer: Viewer;
  private readonly head: Omit<ReadConversation, 'messages'>;
  private readonly jobId: string | null;
  /** What was left out while it was stored. */
  readonly remarks = new Remarks();
  private readonly stored = new Map<string, Stored>();
  private seq = 0;
  private own = 0;
  private last: Stored | null = null;

  constructor(storage: Storage, viewer: Viewer, head: Omit<ReadConversation, 'messages'>, jobId: string | null) {
    this.storage = storage;
    this.viewer = viewer;
    this.head = head;
    this.jobId = jobId;
    this.id = importedId(viewer.userId, head.source, head.sourceId);
  }

  /**
   * Stores messages behind those that were stored before: with the first of them the conversation itself, where what an
   * earlier try has left is removed; behind the last it is shown to its owner.
   * @returns false when its id is taken by one that is somebody's
   */
  async store(messages: readonly ReadMessage[], isLast: boolean): Promise<boolean> {
    const isFirst = this.seq === 0;
    const rows = messages.map((message) => this.row(message));
    const now = await this.storage.now();
    return this.storage.write(async (queries) => {
      if (isFirst && !(await this.begin(queries, now))) return false;
      for (let first = 0; first < rows.length; first += rowsAtOnce) await queries.insertInto('messages').values(rows.slice(first, first + rowsAtOnce).map(({ row }) => row)).execute();
      for (const { row, pictures } of rows) await insertPictures(queries, row.id, pictures);
      if (isLast) await this.finish(queries);
      return true;
    });
  }

  private async begin(queries: WriteQueries, now: number): Promise<boolean> {
    if (!(await this.removeLeftOver(queries))) return false;
    const { last_conversation_number: number } = (await nextConversationNumber.first(queries, { id: this.viewer.userId }))!;
    const { head } = this;
    await insertConversationRow.run(queries, {
      id: this.id, owner_id: this.viewer.userId, number, title: head.title, title_source: head.titleSource, description: head.description, type: head.type, model: head.model,
      persona: head.persona, system_prompt: head.systemPrompt, temperature: head.temperature, max_tokens: head.maxTokens, parameters: this.parameters(), is_private: 1,
      tags: head.tags ? JSON.stringify(head.tags) : null, label: head.label, origin: 'import', head_id: null, head_hash: null, last_seq: 0,
      created_at: head.createdAt, last_activity_at: head.lastActivityAt, archived_at: head.archivedAt, trashed_at: now, profile: null, is_linear: 0,
    });
    return true;
  }

  /** What it was, for the next export. */
  private parameters(): string {
    const { source, sourceId: id, origin, isPrivate, participants, exportedBy } = this.head;
    const importer: ImportOrigin = {
      source, id, job: this.jobId, origin, is_private: isPrivate,
      participants: participants.filter(({ username }) => username !== exportedBy).map((one) => ({ ...one, joined_at: iso(one.joined_at), last_read_at: one.last_read_at == null ? null : iso(one.last_read_at) })),
    };
    return JSON.stringify({ ...this.head.parameters, import: importer });
  }

  private row(message: ReadMessage): { row: MessagesTable; pictures: PicturesToKeep } {
    const pictures = this.picturesOf(message);
    const parent = message.parentKey === null ? null : this.stored.get(message.parentKey)!;
    const before = message.parentKey === null ? rootHash(this.head.systemPrompt) : parent!.hash;
    const isOwn = message.sender === true || (message.sender !== null && message.sender === this.head.exportedBy);
    const place = { id: newId(), depth: (parent?.depth ?? 0) + 1, hash: before === null ? null : nextHash(before, message.role, message.content, message.tools, pictures.pictures) };
    const target = (key: string | null): string | null => (key === null ? null : (this.stored.get(key)?.id ?? null));
    const row = newMessageRow({
      id: place.id, conversation_id: this.id, parent_id: parent?.id ?? null, seq: (this.seq += 1), depth: place.depth, role: message.role, sender_id: isOwn ? this.viewer.userId : null,
      content: message.content, reasoning: message.reasoning, tools: message.tools, status: message.status, reply_to_id: target(message.replyToKey), replaces_id: target(message.replacesKey),
      is_edited: message.isEdited ? 1 : 0, path_hash: place.hash, model: message.model, finish_reason: message.finishReason, error_code: message.error?.code ?? null,
      error_message: message.error?.message ?? null, created_at: message.createdAt, ended_at: message.endedAt ?? message.createdAt,
      metadata: marked({ id: message.key, ...(isOwn || message.sender === null ? {} : { sender: String(message.sender) }), ...knownFigures(message) }, message.metadata, pictures.pictures),
    });
    if (isOwn) this.own += 1;
    this.stored.set(message.key, place);
    this.last = place;
    return { row, pictures };
  }

  /** Those that are pictures, and neither too many nor too large. */
  private picturesOf({ pictures }: ReadMessage): PicturesToKeep {
    const kept: PicturesToKeep = { pictures: [], contents: [] };
    for (const { type, data, url, detail, offset } of pictures) {
      try {
        addPicture(kept, { type: 'image', url: data == null ? (url ?? '') : `data:${type ?? 'image/png'};base64,${data}`, ...(detail ? { detail } : {}) }, offset);
      } catch (error) {
        if (!(error instanceof ParleyError)) throw error;
        this.remarks.add(`a picture was left out: ${error.message}`);
      }
    }
    return kept;
  }

  private async finish(queries: WriteQueries): Promise<void> {
    const { head } = this;
    const shown = (head.headKey === null ? undefined : this.stored.get(head.headKey)) ?? this.last;
    const mine = head.participants.find(({ username }) => username === head.exportedBy);
    const messages = await queries.selectFrom('messages').select((of) => of.fn.countAll<number>().as('count')).where('conversation_id', '=', this.id).executeTakeFirstOrThrow();
    // Only what this try has written is shown: another one may have taken its place.
    if (Number(messages.count) !== this.seq) throw new Error('The conversation is being imported elsewhere.');
    const changed = await queries
      .updateTable('conversations')
      .set({ head_id: shown?.id ?? null, head_hash: shown ? shown.hash : rootHash(head.systemPrompt), last_seq: this.seq, trashed_at: null })
      .where('id', '=', this.id)
      .executeTakeFirst();
    if (changed.numUpdatedRows === 0n) throw new Error('The conversation that is being imported is gone.');
    await insertParticipant.run(queries, {
      conversation_id: this.id, user_id: this.viewer.userId, role: 'OWNER', can_send_messages: 1, can_upload_files: 1, message_count: this.own,
      joined_at: mine?.joined_at ?? head.createdAt, last_read_at: mine ? (mine.last_read_at ?? null) : head.lastActivityAt, pinned_at: head.pinnedAt,
    });
  }

  /** Removes what was written of it. */
  async abandon(): Promise<void> {
    await this.storage.write((queries) => this.removeLeftOver(queries));
  }

  /** Gives false when there is one in which somebody takes part. */
  private async removeLeftOver(queries: WriteQueries): Promise<boolean> {
    const left = await queries.selectFrom('conversations').select('id').where('id', '=', this.id).forUpdate().executeTakeFirst();
    if (!left) return true;
    const someone = await queries.selectFrom('participants').select('user_id').where('conversation_id', '=', this.id).limit(1).executeTakeFirst();
    if (someone) return false;
    await queries.deleteFrom('conversations').where('id', '=', this.id).execute();
    return true;
  }
}

function knownFigures({ figures }: ReadMessage): { figures?: ReadMessage['figures'] & object } {
  const known = Object.fromEntries(Object.entries(figures ?? {}).filter(([, value]) => value != null));
  return Object.keys(known).length === 0 ? {} : { figures: known };
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
