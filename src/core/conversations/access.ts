import { ParleyError } from '../../base/errors.ts';
import { isId } from '../../base/ids.ts';
import { Template, type MessagesTable, type Queries, type Storage, type WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import type { ConversationRow } from './rows.ts';
import { messageById } from './statements.ts';

/**
 * What a viewer may do in a conversation. `read`: everyone who takes part. `write`: who may send. `manage`: the owner and
 * admins (settings, people). `own`: the owner alone (deleting, handing over). `join`: also who does not take part yet,
 * where everybody may.
 */
export type Permission = 'read' | 'write' | 'manage' | 'own' | 'join';

/** A conversation row with the viewer's part in it. */
export type AccessRow = ConversationRow & { head_hash: string | null; viewer_role: string | null; viewer_can_send: number | null; viewer_can_upload: number | null };

/** Whether a conversation that was put away (archived, in the trash) is found, too. */
export type Reach = 'open' | 'put-away';

/**
 * The one door to a conversation: everything that touches one comes through here.
 * @param reach `put-away` for what may be done with an archived one, and by its owner with one in the trash. Default `open`
 * @throws {ParleyError} `not_found` when it does not exist or is put away, `forbidden` when the viewer takes no part in
 * it or may not do this.
 */
export async function openConversation(queries: Queries | WriteQueries, viewer: Viewer, conversationId: string, permission: Permission, reach: Reach = 'open'): Promise<AccessRow> {
  const row = isId(conversationId)
    ? await conversationById.first(queries, { user_id: viewer.userId, id: conversationId })
    : undefined;
  if (!row || !isInReach(row, reach)) throw new ParleyError('not_found', { message: 'Chat not found' });
  if (row.viewer_role === null) {
    if (permission !== 'join') throw new ParleyError('forbidden', { message: 'Access denied to this chat' });
    if (row.type === 'DIRECT') throw new ParleyError('forbidden', { message: 'A direct chat cannot be joined; its owner can invite one person.' });
    if (row.is_private === 1) throw new ParleyError('forbidden', { message: 'This chat is private: its owner or an admin has to invite you.' });
  }
  if (permission === 'write' && row.viewer_can_send !== 1) throw new ParleyError('forbidden', { message: 'Cannot send messages to this chat' });
  if (permission === 'manage' && row.viewer_role === 'MEMBER') throw new ParleyError('forbidden', { message: 'Only the owner and admins of this chat can do this' });
  if (permission === 'own' && row.viewer_role !== 'OWNER') throw new ParleyError('forbidden', { message: 'Only the owner of this chat can do this' });
  return row;
}

/** What is in the trash is there for its owner alone. */
function isInReach(row: AccessRow, reach: Reach): boolean {
  if (reach === 'open') return row.archived_at === null && row.trashed_at === null;
  return row.trashed_at === null || row.viewer_role === 'OWNER';
}

/** Conversations with their counts and the part this user has in each. */
export function conversationRows(queries: Queries | WriteQueries, userId: string) {
  return queries
    .selectFrom('conversations')
    .leftJoin('participants as own', (join) => join.onRef('own.conversation_id', '=', 'conversations.id').on('own.user_id', '=', userId))
    .leftJoin('messages as head', 'head.id', 'conversations.head_id')
    .selectAll('conversations')
    .select((builder) => [
      'own.role as viewer_role',
      'own.can_send_messages as viewer_can_send',
      'own.can_upload_files as viewer_can_upload',
      'own.pinned_at as viewer_pinned_at',
      'head.depth as head_depth',
      builder
        .selectFrom('participants')
        .select(builder.fn.countAll<number>().as('count'))
        .whereRef('participants.conversation_id', '=', 'conversations.id')
        .as('participant_count'),
    ])
    .$castTo<AccessRow>();
}

const conversationById = new Template<{ user_id: string; id: string }, AccessRow>((queries, field) =>
  conversationRows(queries, field('user_id')).where('conversations.id', '=', field('id')),
);

/**
 * A message and the conversation it stands in.
 * @throws {ParleyError} as `openConversation`; an unknown message is `not_found`.
 */
export async function openMessage(
  queries: Queries | WriteQueries,
  viewer: Viewer,
  messageId: string,
  permission: Permission,
): Promise<{ message: MessagesTable; conversation: AccessRow }> {
  const message = isId(messageId)
    ? await messageById.first(queries, { id: messageId })
    : undefined;
  if (!message) throw new ParleyError('not_found', { message: 'Message not found' });
  return { message, conversation: await openConversation(queries, viewer, message.conversation_id, permission) };
}

/**
 * Makes writers of one conversation wait for each other until their transactions end, so that its head and its queue
 * are read and moved as one. SQLite has one writer anyway.
 */
export async function lockConversation(storage: Pick<Storage, 'engine'>, queries: WriteQueries, conversationId: string): Promise<void> {
  if (storage.engine === 'sqlite' || !isId(conversationId)) return;
  await queries.selectFrom('conversations').select('id').where('id', '=', conversationId).forUpdate().execute();
}

/** @throws {ParleyError} `conflict` where nothing branches: what was said there stays as it was said */
export function refuseBranches(conversation: Pick<AccessRow, 'is_linear'>): void {
  if (conversation.is_linear === 1) throw new ParleyError('conflict', { message: 'Nothing in this conversation is edited, answered anew or gone on with: what was said stays as it was said.' });
}

/** When something new in a conversation happens: where nothing branches, times never go backwards, whatever the clocks of instances say. */
export function timeIn(conversation: Pick<AccessRow, 'is_linear' | 'last_activity_at'>, now: number): number {
  return conversation.is_linear === 1 ? Math.max(now, conversation.last_activity_at) : now;
}
