import type { ConversationsTable, Queries } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import { lockConversation, openConversation, type AccessRow } from '../access.ts';
import { cancelAll } from '../cancelling.ts';
import type { ConversationParts } from '../parts.ts';
import { toConversation } from '../rows.ts';
import type { Conversations } from '../contract.ts';
import type { Conversation, ListFilter, Page } from '../types.ts';

/*
 * What people keep in order: the archive, the trash, and pins.
 */

/** The ids of a list: of those that the viewer takes part in, in one state. */
export function listed(queries: Queries, userId: string, { state = 'open', pinned, owned, label }: ListFilter) {
  let query = queries
    .selectFrom('participants as own')
    .innerJoin('conversations', 'conversations.id', 'own.conversation_id')
    .select('conversations.id')
    .where('own.user_id', '=', userId);
  if (state === 'trashed') query = query.where('conversations.trashed_at', 'is not', null).where('own.role', '=', 'OWNER');
  else query = query.where('conversations.trashed_at', 'is', null).where('conversations.archived_at', state === 'open' ? 'is' : 'is not', null);
  if (pinned !== undefined) query = query.where('own.pinned_at', pinned ? 'is not' : 'is', null);
  if (owned) query = query.where('own.role', '=', 'OWNER');
  if (label) query = query.where((where) => (label.orNone ? where.or([where('conversations.label', '=', label.text), where('conversations.label', 'is', null)]) : where('conversations.label', '=', label.text)));
  return query;
}

/**
 * The ids of a page of a list, the most recently active first. Ids alone, because all of somebody's conversations are sorted for
 * a page, and with what is shown of each that takes many times as long.
 */
export function listedIds(queries: Queries, userId: string, filter: ListFilter, page: Page) {
  return listed(queries, userId, filter).orderBy('conversations.last_activity_at', 'desc').orderBy('conversations.id', 'desc').limit(page.limit).offset(page.offset);
}

export async function archiveConversation(parts: ConversationParts, viewer: Viewer, conversationId: string): Promise<Conversation> {
  return putAway(parts, viewer, conversationId, (row, now) => (row.archived_at === null ? { archived_at: now } : {}));
}

export async function trashConversation(parts: ConversationParts, viewer: Viewer, conversationId: string): Promise<Conversation> {
  return putAway(parts, viewer, conversationId, (row, now) => (row.trashed_at === null ? { trashed_at: now } : {}));
}

export async function restoreConversation(parts: ConversationParts, viewer: Viewer, conversationId: string): Promise<Conversation> {
  return change(parts, viewer, conversationId, () => ({ archived_at: null, trashed_at: null }));
}

/**
 * Answers are cancelled before, so that whoever follows one hears its end, and once more behind: what was sent meanwhile
 * would be made for nobody.
 */
async function putAway(parts: ConversationParts, viewer: Viewer, conversationId: string, columns: (row: AccessRow, now: number) => Partial<ConversationsTable>): Promise<Conversation> {
  await openConversation(parts.storage.read, viewer, conversationId, 'own', 'put-away');
  await cancelAll(parts, conversationId);
  const changed = await change(parts, viewer, conversationId, columns);
  await cancelAll(parts, conversationId);
  return changed;
}

async function change({ storage, bus }: ConversationParts, viewer: Viewer, conversationId: string, columns: (row: AccessRow, now: number) => Partial<ConversationsTable>): Promise<Conversation> {
  const now = await storage.now();
  const row = await storage.write(async (queries) => {
    await lockConversation(storage, queries, conversationId);
    const changes = columns(await openConversation(queries, viewer, conversationId, 'own', 'put-away'), now);
    if (Object.keys(changes).length > 0) await queries.updateTable('conversations').set(changes).where('id', '=', conversationId).execute();
    return openConversation(queries, viewer, conversationId, 'own', 'put-away');
  });
  bus.publish(`conversation:${conversationId}`, { type: 'changed' });
  return toConversation(row);
}

export async function pinConversation({ storage }: ConversationParts, viewer: Viewer, conversationId: string, pinned: boolean): Promise<Conversation> {
  const now = await storage.now();
  const row = await storage.write(async (queries) => {
    const { viewer_pinned_at: before } = await openConversation(queries, viewer, conversationId, 'read');
    if ((before !== null) !== pinned) {
      await queries.updateTable('participants').set({ pinned_at: pinned ? now : null }).where('conversation_id', '=', conversationId).where('user_id', '=', viewer.userId).execute();
    }
    return openConversation(queries, viewer, conversationId, 'read');
  });
  return toConversation(row);
}

/** Putting conversations away, and pinning them. */
export function createOrganising(parts: ConversationParts): Pick<Conversations, 'archive' | 'trash' | 'restore' | 'pin'> {
  return {
    archive: (...given) => archiveConversation(parts, ...given),
    trash: (...given) => trashConversation(parts, ...given),
    restore: (...given) => restoreConversation(parts, ...given),
    pin: (...given) => pinConversation(parts, ...given),
  };
}
