import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { noModel, type Conversation, type Message, type NewConversation } from '../../core/conversations/index.ts';
import { takeFrom, type DialectParts } from '../shared/index.ts';

/** What the current conversation is made with. */
export const newConversation: NewConversation = { origin: 'friend' };

/** A message of a person, however it came. */
export interface Asked {
  message: string;
  context?: Record<string, unknown> | null | undefined;
  saveToMemory?: boolean;
  /** Null or absent for the current conversation. */
  sessionId?: string | null | undefined;
  idempotencyKey?: string | null | undefined;
}

/**
 * Sends a message and begins its answer: the one way for send, stream and socket, so that all count alike.
 * @throws {ParleyError} `rate_limited`, `no_model` where only the built-in responder is there, and what sending throws
 */
export async function ask(parts: DialectParts, viewer: Viewer, asked: Asked): Promise<Message> {
  const { conversations, settings } = parts;
  await takeFrom(parts, { name: 'friend-messages', count: settings.limits.friendMessagesPerMinute, windowMs: 60_000 }, viewer.userId);
  const conversation = await conversationOf(parts, viewer, asked.sessionId);
  if (conversation.model === noModel) throw new ParleyError('conflict', { message: 'No model answers in this conversation. Choose one for it, or clear the conversation.' });
  const { answer } = await conversations.send(viewer, conversation.id, {
    content: asked.message,
    context: asked.context ?? null,
    metadata: asked.saveToMemory === false ? { save_to_memory: false } : null,
    dialect: 'friend',
    idempotencyKey: asked.idempotencyKey ?? null,
    refuseBuiltin: true,
    withoutModel: 'throw',
  });
  // Null only where the conversation has lost its model in between.
  if (!answer) throw new ParleyError('no_model');
  return answer;
}

/** The conversation that is meant: the named one, or the current one. @throws {ParleyError} `not_found`, `forbidden` */
export function conversationOf({ conversations }: DialectParts, viewer: Viewer, sessionId: string | null | undefined): Promise<Conversation> {
  return sessionId ? conversations.get(viewer, sessionId) : conversations.current(viewer, newConversation);
}
