import { ParleyError } from '../../base/errors.ts';
import { isId, newId } from '../../base/ids.ts';
import { cleanText } from '../../base/text.ts';
import type { MessagesTable } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import { lockConversation, openConversation, timeIn } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { nextHash } from './path.ts';
import { toMessage, newMessageRow } from './rows.ts';
import { countMessages, follow, moveHead, tailOf, titleFrom, type Tail } from './sending.ts';
import { withParty } from './parties/parties.ts';
import { insertMessage } from './statements.ts';
import type { Conversations } from './contract.ts';
import type { Appended, Message } from './types.ts';

/** Tokens of one message that are believed. */
const mostTokens = 1_000_000_000;
const roles: readonly string[] = ['user', 'assistant', 'system'] satisfies Appended['role'][];

/** Messages that are written down and not made: nothing is asked of a model. */
export function createAppending(parts: ConversationParts): Pick<Conversations, 'append' | 'ownerOf'> {
  return {
    append: (viewer, conversationId, message) => append(parts, viewer, conversationId, message),
    async ownerOf(conversationId) {
      if (!isId(conversationId)) return null;
      const row = await parts.storage.read.selectFrom('conversations').select('owner_id').where('id', '=', conversationId).executeTakeFirst();
      return row?.owner_id ?? null;
    },
  };
}

async function append(parts: ConversationParts, viewer: Viewer, conversationId: string, appended: Appended): Promise<Message> {
  const message = { ...checked(appended), check: appended.check };
  await openConversation(parts.storage.read, viewer, conversationId, 'write');
  const now = await parts.storage.now();
  const stored = await parts.storage.write(async (queries) => {
    await lockConversation(parts.storage, queries, conversationId);
    const current = await openConversation(queries, viewer, conversationId, 'write');
    await message.check?.(queries);
    const tail = tailOf(current);
    const row = appendedRow(tail, viewer.userId, message, timeIn(current, now));
    await insertMessage.run(queries, row);
    const titled = message.role === 'user' && current.title_source === 'default';
    await moveHead(queries, follow(tail, row), row.created_at, titled ? { title: titleFrom(message.content), title_source: 'first-message' } : undefined);
    if (message.role === 'user') await countMessages(queries, conversationId, viewer.userId, 1);
    return { row, titled };
  });
  parts.bus.publish(`conversation:${conversationId}`, { type: 'message', messageId: stored.row.id });
  if (stored.titled) parts.bus.publish(`conversation:${conversationId}`, { type: 'changed' });
  return toMessage(stored.row, [stored.row.id]);
}

function appendedRow(tail: Tail, viewerId: string, { role, content, model, tokens, metadata, party }: Appended, now: number): MessagesTable {
  return newMessageRow({
    id: newId(),
    conversation_id: tail.conversationId,
    parent_id: tail.headId,
    seq: tail.lastSeq + 1,
    depth: tail.headDepth + 1,
    role,
    sender_id: role === 'user' ? viewerId : null,
    content,
    status: 'DELIVERED',
    metadata: metadata || party ? JSON.stringify(withParty(metadata, party)) : null,
    model: model ?? null,
    tokens_in: typeof tokens === 'number' && role === 'assistant' ? 0 : (tokens ?? null),
    tokens_out: role === 'assistant' ? (tokens ?? null) : null,
    // Behind an answer in the making nobody knows the path yet.
    path_hash: tail.headHash === null ? null : nextHash(tail.headHash, role, content, null),
    created_at: now,
    ended_at: now,
  });
}

/** The message with its text made safe. @throws {ParleyError} `empty_message`, `invalid_request` */
function checked(message: Appended): Appended {
  if (!roles.includes(message.role)) throw new ParleyError('invalid_request', { message: `role must be one of ${roles.join(', ')}.`, parameter: 'role' });
  const content = cleanText(message.content, 'content');
  if (content.trim() === '') throw new ParleyError('empty_message', { parameter: 'content' });
  const { model, tokens } = message;
  if (typeof tokens === 'number' && (!Number.isInteger(tokens) || tokens < 0 || tokens > mostTokens)) {
    throw new ParleyError('invalid_request', { message: `tokens must be a whole number from 0 to ${mostTokens}.`, parameter: 'tokens' });
  }
  return { ...message, content, model: typeof model === 'string' ? cleanText(model, 'model') : model };
}
