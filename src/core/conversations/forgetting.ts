import { ParleyError } from '../../base/errors.ts';
import type { MessagesTable, WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import { lockConversation, openMessage } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { newestLeaf, pathRows } from './path.ts';
import type { Conversations } from './contract.ts';

/** Most messages that are removed with one answer: more than one request brings. */
const mostRemoved = 5000;
/** Messages looked at, and removed, in one statement. */
const atOnce = 200;

type Removed = Pick<MessagesTable, 'id' | 'parent_id' | 'sender_id'>;

/** What has happened to the conversation. */
type Forgotten = { type: 'kept' } | { type: 'deleted' } | { type: 'branch_changed'; headId: string };

/** Removes an answer and what was sent for it, or marks it as forgotten when the conversation goes on behind it. */
export async function forgetAnswer(parts: ConversationParts, cancel: Conversations['cancel'], viewer: Viewer, messageId: string): Promise<void> {
  const { storage, bus } = parts;
  const { message, conversation } = await openMessage(storage.read, viewer, messageId, 'own');
  if (message.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only answers can be removed.' });
  if (message.status === 'QUEUED' || message.status === 'PROCESSING') await cancel(viewer, messageId);
  const forgotten = await storage.write(async (queries): Promise<Forgotten> => {
    await lockConversation(storage, queries, conversation.id);
    const { message: current } = await openMessage(queries, viewer, messageId, 'own');
    if ((await childrenOf(queries, messageId)).length > 0) {
      const metadata = { ...(current.metadata === null ? {} : (JSON.parse(current.metadata) as object)), forgotten: true };
      await queries.updateTable('messages').set({ metadata: JSON.stringify(metadata) }).where('id', '=', messageId).execute();
      return { type: 'kept' };
    }
    return remove(queries, conversation.id, await withQuestions(queries, current), viewer);
  });
  if (forgotten.type !== 'kept') bus.publish(`conversation:${conversation.id}`, forgotten);
}

/**
 * The answer and the messages that only it was made for, from the last to the first: up to an answer that was made here
 * before it. Those that were forgotten earlier, and were kept for what followed them, go with what followed.
 */
async function withQuestions(queries: WriteQueries, answer: Removed): Promise<Removed[]> {
  const removed: Removed[] = [answer];
  while (removed.length < mostRemoved) {
    const rows = await pathRows(queries, answer.id, atOnce, removed.length);
    const branching = await branchingOf(queries, rows);
    for (const row of rows) {
      const isKept = row.role === 'assistant' && isMadeHere(row) && !isForgotten(row);
      if (isKept || branching.has(row.id)) return removed;
      removed.push(row);
    }
    if (rows.length < atOnce) break;
  }
  return removed;
}

/** Whether a model was asked for this answer, or should have been; answers of a history that was sent along are said by nobody. */
function isMadeHere({ model, status }: MessagesTable): boolean {
  return model !== null || status !== 'DELIVERED';
}

function isForgotten({ metadata }: MessagesTable): boolean {
  return metadata !== null && (JSON.parse(metadata) as { forgotten?: boolean }).forgotten === true;
}

/** Those of the messages that more than one follows. */
async function branchingOf(queries: WriteQueries, rows: readonly MessagesTable[]): Promise<Set<string>> {
  if (rows.length === 0) return new Set();
  const counted = await queries.selectFrom('messages').select('parent_id').where('parent_id', 'in', rows.map((row) => row.id))
    .groupBy('parent_id').having((having) => having.fn.countAll(), '>', 1).execute();
  return new Set(counted.map((row) => row.parent_id!));
}

async function remove(queries: WriteQueries, conversationId: string, removed: readonly Removed[], viewer: Viewer): Promise<Forgotten> {
  for (let first = 0; first < removed.length; first += atOnce) {
    await queries.deleteFrom('messages').where('id', 'in', removed.slice(first, first + atOnce).map(({ id }) => id)).execute();
  }
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
  return queries.selectFrom('messages').select('id').where('parent_id', '=', messageId).limit(1).execute();
}
