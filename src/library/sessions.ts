import { isSaid, noModel, type Conversation, type Message } from '../core/conversations/index.ts';
import { splitModel, type Models } from '../core/models/index.ts';
import { dollars, tokensOf } from './requests.ts';
import type { SessionMessage, SessionWithMessages } from './types.ts';

type Providers = Pick<Models, 'hasProvider'>;

/** A conversation as a chat session. */
export function toSession(models: Providers, conversation: Conversation, messages: readonly Message[]): SessionWithMessages {
  const named = conversation.model === null || conversation.model === noModel ? null : splitModel(models, conversation.model);
  const { temperature, maxTokens } = conversation;
  return {
    id: conversation.id,
    userId: conversation.ownerId,
    title: conversation.title,
    modelProvider: named?.provider ?? null,
    modelName: named?.model ?? null,
    systemPrompt: conversation.systemPrompt,
    settings: { ...(temperature === null ? {} : { temperature }), ...(maxTokens === null ? {} : { maxTokens }) },
    isActive: conversation.archivedAt === null && conversation.trashedAt === null,
    createdAt: new Date(conversation.createdAt),
    updatedAt: new Date(conversation.lastActivityAt),
    messages: messages.filter(isSaid).map((message) => toSessionMessage(models, message)),
  };
}

function toSessionMessage(models: Providers, message: Message): SessionMessage {
  const isAnswer = message.role === 'assistant';
  return {
    id: message.id,
    sessionId: message.conversationId,
    // Results of tools are no role of the document.
    role: message.role === 'tool' ? 'system' : message.role,
    content: message.content,
    metadata: { ...message.metadata, ...(message.model === null ? {} : { modelUsed: splitModel(models, message.model).model }), ...(message.role === 'tool' ? { role: 'tool' } : {}) },
    tokensUsed: isAnswer ? tokensOf(message.tokensIn, message.tokensOut) : (message.tokensIn ?? 0),
    cost: isAnswer ? dollars(message.costMicros) : 0,
    createdAt: new Date(message.createdAt),
  };
}
