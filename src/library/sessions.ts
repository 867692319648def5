import { noModel, type Conversation, type Message } from '../core/conversations/index.ts';
import { dollars, splitModel, tokensOf } from './requests.ts';
import type { SessionMessage, SessionWithMessages } from './types.ts';

/** A conversation as a chat session. */
export function toSession(conversation: Conversation, messages: readonly Message[]): SessionWithMessages {
  const named = conversation.model === null || conversation.model === noModel ? null : splitModel(conversation.model);
  const { temperature, maxTokens } = conversation;
  return {
    id: conversation.id,
    userId: conversation.ownerId,
    title: conversation.title,
    modelProvider: named?.provider ?? null,
    modelName: named?.model ?? null,
    systemPrompt: conversation.systemPrompt,
    settings: { ...(temperature === null ? {} : { temperature }), ...(maxTokens === null ? {} : { maxTokens }) },
    isActive: conversation.archivedAt === null,
    createdAt: new Date(conversation.createdAt),
    updatedAt: new Date(conversation.lastActivityAt),
    messages: messages.filter(isShown).map(toSessionMessage),
  };
}

/**
 * A session shows what was said: messages of its three roles. Answers that failed, and those still being made, are not
 * among them.
 */
function isShown(message: Message): message is Message & { role: SessionMessage['role'] } {
  if (message.role === 'tool') return false;
  if (message.role !== 'assistant' || message.status === 'DELIVERED') return true;
  return (message.status === 'CANCELLED' || message.status === 'INTERRUPTED') && message.content !== '';
}

function toSessionMessage(message: Message & { role: SessionMessage['role'] }): SessionMessage {
  return {
    id: message.id,
    sessionId: message.conversationId,
    role: message.role,
    content: message.content,
    metadata: { ...message.metadata, ...(message.model === null ? {} : { modelUsed: splitModel(message.model).model }) },
    tokensUsed: tokensOf(message.tokensIn, message.tokensOut) ?? 0,
    cost: message.role === 'assistant' ? dollars(message.costMicros) : 0,
    createdAt: new Date(message.createdAt),
  };
}
