import { isoTime } from '../../base/clock.ts';
import { noModel, type Conversation, type ConversationChanges, type Message, type Participant } from '../../core/conversations/index.ts';
import { withoutLangchain } from '../../core/models/index.ts';
import type { ChangeChat, ChatAnswer, MessageAnswer, WholeChatAnswer, WholeMessageAnswer } from './schemas.ts';

/** Stands in `ai_model` for the default model of whoever sends. An addition: the document knows names and null. */
const defaultModel = 'default';

/** A conversation in the document's form. */
export function chatShape(conversation: Conversation): ChatAnswer {
  return {
    id: conversation.id,
    title: conversation.title,
    description: conversation.description,
    chat_type: conversation.type,
    ai_model: shownModel(conversation.model),
    ai_persona: conversation.persona,
    message_count: conversation.messageCount,
    last_activity_at: isoTime(conversation.lastActivityAt),
    created_at: isoTime(conversation.createdAt),
    is_private: conversation.isPrivate,
    tags: conversation.tags,
  };
}

/** The document has null for a chat in which no model answers; the default model has a name of its own. */
function shownModel(model: string | null): string | null {
  return model === null ? defaultModel : model === noModel ? null : model;
}

function modelFrom(name: string | null): string | null {
  return name === null ? noModel : name === defaultModel ? null : name;
}

/** The provider's own name, as the document shows it, of `provider/model`, whatever way it was asked. */
export function plainModelName(model: string | null): string | null {
  if (model === null) return null;
  const id = withoutLangchain(model);
  return id.slice(id.indexOf('/') + 1);
}

export function wholeChatShape(conversation: Conversation): WholeChatAnswer {
  return {
    ...chatShape(conversation),
    head_id: conversation.headId,
    system_prompt: conversation.systemPrompt,
    temperature: conversation.temperature,
    max_tokens: conversation.maxTokens,
    archived_at: timeOrNull(conversation.archivedAt),
    trashed_at: timeOrNull(conversation.trashedAt),
    pinned_at: timeOrNull(conversation.pinnedAt),
  };
}

function timeOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : isoTime(milliseconds);
}

const messageTypes = { user: 'USER', assistant: 'AI', system: 'SYSTEM', tool: 'SYSTEM' } as const;

export function messageType(message: Message): MessageAnswer['message_type'] {
  return messageTypes[message.role];
}

/** A message in the document's form. `tokens_used` are those of the prompt and of the answer together. */
export function messageShape(message: Message): MessageAnswer {
  return {
    id: message.id,
    chat_id: message.conversationId,
    sender_id: message.senderId,
    content: message.content,
    message_type: messageType(message),
    ai_model_used: plainModelName(message.model),
    tokens_used: message.tokensIn === null || message.tokensOut === null ? null : message.tokensIn + message.tokensOut,
    processing_time_ms: message.durationMs === null ? null : Math.round(message.durationMs),
    status: message.status,
    created_at: isoTime(message.createdAt),
    is_edited: message.isEdited,
  };
}

export function wholeMessageShape(message: Message): WholeMessageAnswer {
  return {
    ...messageShape(message),
    model: message.model,
    parent_id: message.parentId,
    seq: message.seq,
    siblings: message.siblings,
    reasoning: message.reasoning,
    error: message.error,
    finish_reason: message.finishReason,
    tokens: { input: message.tokensIn, output: message.tokensOut, reasoning: message.tokensReasoning, cached: message.tokensCached },
    cost_usd: message.costMicros === null ? null : message.costMicros / 1_000_000,
    time_to_first_token_ms: message.timeToFirstTokenMs,
    confidence: message.confidence,
    last_event_seq: message.lastEventSeq,
    reply_to_id: message.replyToId,
    message_metadata: message.metadata,
    images: message.pictures.map(({ url, type, bytes }, position) => ({ url: url ?? pictureUrl(message, position), type, bytes })),
    replaces_id: message.replacesId,
    tool_calls: message.toolCalls,
    tool_call_id: message.toolCallId,
    ended_at: message.endedAt === null ? null : isoTime(message.endedAt),
  };
}

/** Where a picture that is kept here is read. */
function pictureUrl({ conversationId, id }: Message, position: number): string {
  return `/api/v1/chat/chats/${conversationId}/messages/${id}/images/${position}`;
}

export function participantShape(participant: Participant) {
  return {
    user_id: participant.userId,
    role: participant.role,
    joined_at: isoTime(participant.joinedAt),
    can_send_messages: participant.canSendMessages,
    can_upload_files: participant.canUploadFiles,
    message_count: participant.messageCount,
    last_read_at: participant.lastReadAt === null ? null : isoTime(participant.lastReadAt),
  };
}

/** The same with the name: the document has none. */
export function namedParticipantShape(participant: Participant) {
  return { ...participantShape(participant), username: participant.username };
}

/** The changes in our terms; a field that was not sent stays as it is, null clears it. */
export function changesFrom(body: ChangeChat): ConversationChanges {
  const renamed: ConversationChanges = {
    title: body.title,
    description: body.description,
    model: body.ai_model === undefined ? undefined : modelFrom(body.ai_model),
    persona: body.ai_persona,
    systemPrompt: body.system_prompt,
    temperature: body.temperature,
    maxTokens: body.max_tokens,
    isPrivate: body.is_private,
    tags: body.tags,
  };
  return Object.fromEntries(Object.entries(renamed).filter(([, value]) => value !== undefined));
}
