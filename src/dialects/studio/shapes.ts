import { isoTime } from '../../base/clock.ts';
import type { Conversation, Message } from '../../core/conversations/index.ts';
import type { Models } from '../../core/models/index.ts';
import { modelFields } from './naming.ts';
import type { ConversationAnswer, MessageAnswer } from './schemas.ts';

type Providers = Pick<Models, 'hasProvider'>;

/** A conversation in the document's form. */
export function conversationShape(models: Providers, conversation: Conversation): ConversationAnswer {
  const { provider, name } = modelFields(models, conversation.model);
  const { temperature, maxTokens } = conversation;
  return {
    id: conversation.id,
    user_id: conversation.ownerId,
    title: conversation.title,
    model_provider: provider,
    model_name: name,
    system_prompt: conversation.systemPrompt,
    settings: { ...(temperature === null ? {} : { temperature }), ...(maxTokens === null ? {} : { max_tokens: maxTokens }) },
    is_active: conversation.archivedAt === null && conversation.trashedAt === null,
    created_at: isoTime(conversation.createdAt),
    updated_at: isoTime(Math.max(conversation.createdAt, conversation.lastActivityAt)),
  };
}

/** Results of tools are no role of the document. */
const roles = { user: 'user', assistant: 'assistant', system: 'system', tool: 'system' } as const;

/** A message in the document's form. */
export function messageShape(models: Providers, message: Message): MessageAnswer {
  const isAnswer = message.role === 'assistant';
  const { provider, name } = modelFields(models, message.model);
  return {
    id: message.id,
    session_id: message.conversationId,
    role: roles[message.role],
    content: message.content,
    metadata: {
      ...message.metadata,
      ...(isAnswer && name !== null ? { model_used: name, ...(provider === null ? {} : { provider }) } : {}),
      ...(isAnswer && message.costMicros === null ? { cost_known: false } : {}),
      ...(isAnswer && message.status !== 'DELIVERED' ? { status: message.status.toLowerCase() } : {}),
      ...(message.role === 'tool' ? { role: 'tool' } : {}),
    },
    tokens_used: isAnswer ? sumOf(message.tokensIn, message.tokensOut) : (message.tokensIn ?? 0),
    cost: isAnswer ? dollars(message.costMicros) : 0,
    created_at: isoTime(message.createdAt),
  };
}

/** A message in a room; what is not known is left out. */
export function receivedShape(models: Providers, message: Message): Record<string, unknown> {
  const { session_id: conversationId, tokens_used: tokens, cost, ...rest } = messageShape(models, message);
  const { provider, name } = modelFields(models, message.model);
  return {
    ...rest,
    conversation_id: conversationId,
    ...(message.role === 'assistant' && name !== null ? { model: name, ...(provider === null ? {} : { provider }) } : {}),
    ...(tokens === null ? {} : { tokens_used: tokens }),
    ...(cost === null ? {} : { cost }),
  };
}

function sumOf(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}

function dollars(micros: number | null): number | null {
  return micros === null ? null : micros / 1_000_000;
}
