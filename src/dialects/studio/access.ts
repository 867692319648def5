import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Conversation, Message } from '../../core/conversations/index.ts';
import type { DialectParts } from '../shared/index.ts';

/**
 * The viewer's own conversation. The document knows one user for each: those of others, also shared ones, are not there,
 * and look like those that never were.
 * @throws {ParleyError} `not_found`
 */
export async function ownConversation({ conversations }: Pick<DialectParts, 'conversations'>, viewer: Viewer, id: string): Promise<Conversation> {
  const conversation = await conversations.get(viewer, id).catch(hide);
  if (conversation.ownerId !== viewer.userId) throw notFound();
  return conversation;
}

/** An answer in one of the viewer's own conversations. @throws {ParleyError} `not_found`, `conflict` for what is no answer */
export async function ownAnswer(parts: Pick<DialectParts, 'conversations'>, viewer: Viewer, id: string): Promise<Message> {
  const message = await parts.conversations.message(viewer, id).catch(hide);
  await ownConversation(parts, viewer, message.conversationId);
  if (message.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only answers can be followed and stopped.' });
  return message;
}

function notFound(): ParleyError {
  return new ParleyError('not_found', { message: 'Not found' });
}

function hide(thrown: unknown): never {
  if (thrown instanceof ParleyError && (thrown.code === 'forbidden' || thrown.code === 'not_found')) throw notFound();
  throw thrown;
}
