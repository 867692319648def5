import { ParleyError } from '../../base/errors.ts';
import type { MessagesTable, WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import { lockConversation, openMessage } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { newestLeaf } from './path.ts';
import type { Conversations } from './types.ts';

/** Most messages sent for one answer that are removed with it. */
const mostRemoved = 200;

type Removed = Pick<MessagesTable, 'id' | 'parent_id' | 'sender_id'>;

/** What has happened to the conversation. */
type Forgotten = { type: 'kept' } | { type: 'deleted' } | { type: 'branch_changed'; headId: string };

/** Removes an answer and what was sent for it, or marks it as forgotten when the conversation goes on behind it. */
export async function forgetAnswer(parts: ConversationParts, cancel: Conversations['cancel'], viewer: Viewer, messageId: string): Promise<void> {
  const { storage, bus } = parts;
  const { message, conversation } = await openMessage(storage.read, viewer, messageId, 'manage');
  if (message.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only answers can be removed.' });
  if (message.status === 'QUEUED' || message.status === 'PROCESSING') await cancel(viewer, messageId);
  const forgotten = await storage.write(async (queries): Promise<Forgotten> => {
    await lockConversation(storage, queries, conversation.id);
    const { message: current } = await openMessage(queries, viewer, messageId, 'manage');
    if ((await childrenOf(queries, messageId)).length > 0) {
      const metadata = { ...(current.metadata === null ? {} : (JSON.parse(current.metadata) as object)), forgotten: true };
      await queries.updateTable('messages').set({ metadata: JSON.stringify(metadata) }).where('id', '=', messageId).execute();
      return { type: 'kept' };
    }
    return remove(queries, conversation.id, await withQuestions(queries, current), viewer);
  });
  if (forgotten.type !== 'kept') bus.publish(`conversation:${conversation.id}`, forgotten);
}

/** The answer and the messages that only it was made for, from the last to the first. */
async function withQuestions(queries: WriteQueries, answer: Removed): Promise<Removed[]> {
  const removed: Removed[] = [answer];
  for (let parentId = answer.parent_id; parentId !== null && removed.length < mostRemoved; ) {
    const parent = await queries.selectFrom('messages').select(['id', 'parent_id', 'sender_id', 'role']).where('id', '=', parentId).executeTakeFirst();
    if (!parent || parent.role === 'assistant' || (await childrenOf(queries, parent.id)).length > 1) break;
    removed.push(parent);
    parentId = parent.parent_id;
  }
  return removed;
}

async function remove(queries: WriteQueries, conversationId: string, removed: readonly Removed[], viewer: Viewer): Promise<Forgotten> {
  for (const { id } of removed) await queries.deleteFrom('messages').where('id', '=', id).execute();
  const own = removed.filter((row) => row.sender_id === viewer.userId).length;
  await queries
    .updateTable('participants')
    .set((builder) => ({ message_count: builder('message_count', '-', own) }))
    .where('conversation_id', '=', conversationId)
    .where('user_id', '=', viewer.userId)
    .execute();
  const conversation = await queries.selectFrom('conversations').select('head_id').where('id', '=', conversationId).executeTakeFirstOrThrow();
  if (!removed.some((row) => row.id === conversation.head_id)) return { type: 'kept' };
  const behind = removed.at(-1)!.parent_id;
  const place = behind ?? (await queries.selectFrom('messages').select('id').where('conversation_id', '=', conversationId).orderBy('seq', 'desc').limit(1).executeTakeFirst())?.id;
  if (place === undefined) {
    await queries.deleteFrom('conversations').where('id', '=', conversationId).execute();
    return { type: 'deleted' };
  }
  const headId = await newestLeaf(queries, place);
  const head = await queries.selectFrom('messages').select('path_hash').where('id', '=', headId).executeTakeFirstOrThrow();
  await queries.updateTable('conversations').set({ head_id: headId, head_hash: head.path_hash }).where('id', '=', conversationId).execute();
  return { type: 'branch_changed', headId };
}

function childrenOf(queries: WriteQueries, messageId: string): Promise<{ id: string }[]> {
  return queries.selectFrom('messages').select('id').where('parent_id', '=', messageId).limit(2).execute();
}
