import type { ConversationsTable, MessagesTable } from '../../base/storage/index.ts';
import type { ToolCall } from '../models/index.ts';
import { splitMetadata } from './pictures/pictures.ts';
import { isChatProfile } from './profiles/profiles.ts';
import type { Conversation, Message } from './types.ts';

/** A conversation row with what is counted beside it. */
export type ConversationRow = ConversationsTable & { head_depth: number | null; participant_count: number; viewer_pinned_at: number | null };

export function toConversation(row: ConversationRow): Conversation {
  return {
    id: row.id,
    ownerId: row.owner_id,
    number: row.number,
    title: row.title,
    titleSource: row.title_source,
    description: row.description,
    type: row.type,
    model: row.model,
    persona: row.persona,
    systemPrompt: row.system_prompt,
    temperature: row.temperature,
    maxTokens: row.max_tokens,
    isPrivate: row.is_private === 1,
    tags: row.tags === null ? null : (JSON.parse(row.tags) as string[]),
    label: row.label,
    profile: isChatProfile(row.profile) ? row.profile : null,
    origin: row.origin,
    headId: row.head_id,
    messageCount: row.head_depth ?? 0,
    participantCount: Number(row.participant_count),
    createdAt: row.created_at,
    lastActivityAt: row.last_activity_at,
    archivedAt: row.archived_at,
    trashedAt: row.trashed_at,
    pinnedAt: row.viewer_pinned_at,
  };
}

/** @param live text and seq of an answer in the making, from its turn log */
export function toMessage(row: MessagesTable, siblings: string[], live?: LiveText): Message {
  const tools = row.tools === null ? null : (JSON.parse(row.tools) as unknown);
  return {
    id: row.id,
    conversationId: row.conversation_id,
    parentId: row.parent_id,
    seq: row.seq,
    depth: row.depth,
    role: row.role,
    senderId: row.sender_id,
    content: live?.text ?? row.content,
    reasoning: live ? live.reasoning || null : row.reasoning,
    toolCalls: Array.isArray(tools) ? (tools as ToolCall[]) : null,
    toolCallId: tools !== null && !Array.isArray(tools) ? (tools as { toolCallId: string }).toolCallId : null,
    status: row.status,
    replyToId: row.reply_to_id,
    replacesId: row.replaces_id,
    isEdited: row.is_edited === 1,
    ...splitMetadata(row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>)),
    model: row.model,
    tokensIn: row.tokens_in,
    tokensOut: row.tokens_out,
    tokensReasoning: row.tokens_reasoning,
    tokensCached: row.tokens_cached,
    costMicros: row.cost_micros,
    timeToFirstTokenMs: row.time_to_first_token_ms,
    durationMs: row.duration_ms,
    finishReason: row.finish_reason,
    confidence: row.confidence,
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    createdAt: row.created_at,
    endedAt: row.ended_at,
    lastEventSeq: live?.seq ?? 0,
    siblings,
  };
}

/** What the turn log holds of an answer in the making. */
export interface LiveText {
  text: string;
  reasoning: string;
  seq: number;
}

/** A new message row; what is not given is empty. */
export function newMessageRow(fields: Pick<MessagesTable, 'id' | 'conversation_id' | 'parent_id' | 'seq' | 'depth' | 'role' | 'status' | 'created_at'> & Partial<MessagesTable>): MessagesTable {
  return {
    sender_id: null,
    content: '',
    reasoning: null,
    tools: null,
    reply_to_id: null,
    replaces_id: null,
    is_edited: 0,
    metadata: null,
    idempotency_key: null,
    path_hash: null,
    model: null,
    tokens_in: null,
    tokens_out: null,
    tokens_reasoning: null,
    tokens_cached: null,
    cost_micros: null,
    time_to_first_token_ms: null,
    duration_ms: null,
    finish_reason: null,
    confidence: null,
    error_code: null,
    error_message: null,
    ended_at: null,
    ...fields,
  };
}
