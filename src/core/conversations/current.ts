import { ParleyError } from '../../base/errors.ts';
import type { Queries, WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import { openConversation, type AccessRow } from './access.ts';
import { getConversation } from './management.ts';
import type { ConversationParts } from './parts.ts';
import { toMessages } from './reading.ts';
import { toConversation } from './rows.ts';
import { insertConversation } from './sending.ts';
import type { Conversations } from './contract.ts';
import type { Conversation, Message, NewConversation } from './types.ts';

/*
 * What flat dialects need: the one conversation that each user has open in dialects that know only one, and messages by
 * their number. The current conversation is a pointer in the user's row: other dialects show it like any other.
 */

export function createCurrent(parts: Pick<ConversationParts, 'storage'>): Pick<Conversations, 'current' | 'beginCurrent' | 'selectCurrent' | 'messageNumbered'> {
  return {
    current: (...given) => currentConversation(parts, ...given),
    beginCurrent: (...given) => beginCurrentConversation(parts, ...given),
    selectCurrent: (...given) => selectCurrentConversation(parts, ...given),
    messageNumbered: (...given) => messageNumbered(parts, ...given),
  };
}

/** The conversation that is current, as far as the viewer may still write in it; null when there is none. */
async function pointedAt(queries: Queries | WriteQueries, viewer: Viewer, conversationId: string | null): Promise<AccessRow | null> {
  if (conversationId === null) return null;
  try {
    return await openConversation(queries, viewer, conversationId, 'write');
  } catch (error) {
    // Deleted, put away or left since: then there is no current one.
    if (error instanceof ParleyError && (error.code === 'not_found' || error.code === 'forbidden')) return null;
    throw error;
  }
}

/** The viewer's current conversation; the first call makes it, however many come at the same time. */
async function currentConversation({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer, fields: NewConversation): Promise<Conversation> {
  const user = await storage.read.selectFrom('users').select('current_conversation_id').where('id', '=', viewer.userId).executeTakeFirst();
  const known = await pointedAt(storage.read, viewer, user?.current_conversation_id ?? null);
  if (known) return toConversation(known);
  const now = await storage.now();
  const id = await storage.write(async (queries) => {
    // Whoever comes second waits here, and finds what the first has made.
    const locked = await queries.selectFrom('users').select('current_conversation_id').where('id', '=', viewer.userId).forUpdate().executeTakeFirstOrThrow();
    const made = await pointedAt(queries, viewer, locked.current_conversation_id);
    if (made) return made.id;
    return insertCurrent(queries, viewer, fields, now);
  });
  return getConversation({ storage }, viewer, id);
}

/** Makes a new conversation and makes it the current one. The one before stays as it is. */
async function beginCurrentConversation({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer, fields: NewConversation): Promise<Conversation> {
  const now = await storage.now();
  const id = await storage.write((queries) => insertCurrent(queries, viewer, fields, now));
  return getConversation({ storage }, viewer, id);
}

/** Makes a conversation in which the viewer may write the current one. */
async function selectCurrentConversation({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer, conversationId: string): Promise<Conversation> {
  const conversation = await storage.write(async (queries) => {
    const row = await openConversation(queries, viewer, conversationId, 'write');
    await queries.updateTable('users').set({ current_conversation_id: row.id }).where('id', '=', viewer.userId).execute();
    return row;
  });
  return toConversation(conversation);
}

async function insertCurrent(queries: WriteQueries, viewer: Viewer, fields: NewConversation, now: number): Promise<string> {
  const { conversationId } = await insertConversation(queries, viewer.userId, fields, now);
  await queries.updateTable('users').set({ current_conversation_id: conversationId }).where('id', '=', viewer.userId).execute();
  return conversationId;
}

/** The message with this `seq`. */
async function messageNumbered({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer, conversationId: string, seq: number): Promise<Message> {
  const conversation = await openConversation(storage.read, viewer, conversationId, 'read');
  const row = await storage.read.selectFrom('messages').selectAll().where('conversation_id', '=', conversation.id).where('seq', '=', seq).executeTakeFirst();
  if (!row) throw new ParleyError('not_found', { message: 'Message not found' });
  return (await toMessages(storage.read, [row]))[0]!;
}
