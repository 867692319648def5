import { isoTime } from '../../base/clock.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Conversation, ConversationEvent, Message } from '../../core/conversations/index.ts';
import { messageType, wholeChatShape, wholeMessageShape } from './shapes.ts';

/** Frames of the raw WebSocket, each as the text that goes out. Field order is the document's. */

export function welcomeFrame(chatId: string, viewer: Viewer, now: number): string {
  return JSON.stringify({
    type: 'welcome',
    message: 'Connected to chat',
    chat_id: chatId,
    user_id: viewer.userId,
    username: viewer.username,
    timestamp: isoTime(now),
    server_time: isoTime(now),
  });
}

export function pongFrame(timestamp: string, now: number): string {
  return JSON.stringify({ type: 'pong', timestamp, server_time: isoTime(now) });
}

export function newMessageFrame(message: Message): string {
  return JSON.stringify({
    type: 'new_message',
    message: {
      id: message.id,
      chat_id: message.conversationId,
      sender_id: message.senderId,
      content: message.content,
      message_type: messageType(message),
      created_at: isoTime(message.createdAt),
    },
  });
}

/** @param model the one that was asked; which one speaks is known with the first piece, and told with the end */
export function responseStartFrame(message: Message, model: string | null): string {
  return JSON.stringify({
    type: 'ai_response_start',
    message: { ...wholeMessageShape(message), content: '', ai_model_used: model, status: 'PROCESSING', is_streaming: true },
  });
}

/** What a chunk frame grows: the answer, or the reasoning before it (an addition, for sockets without `full_content`). */
export type ChunkKind = 'ai_response_chunk' | 'ai_reasoning_chunk';

export interface ChunkFrame {
  type: ChunkKind;
  messageId: string;
  chatId: string;
  /** The new text only. */
  chunk: string;
  /** UTF-16 units of the answer before it. */
  offset: number;
  /** Seq of the last event it holds. */
  seq: number;
  /** All text so far, for sockets that take it. */
  fullContent?: string;
}

export function chunkFrame(frame: ChunkFrame): string {
  return JSON.stringify({
    type: frame.type,
    message_id: frame.messageId,
    chat_id: frame.chatId,
    chunk: frame.chunk,
    ...(frame.fullContent === undefined ? {} : { full_content: frame.fullContent }),
    offset: frame.offset,
    seq: frame.seq,
  });
}

/** The one frame that ends an answer: `ai_error` for one that failed, `ai_response_complete` for all others. */
export function responseEndFrame(message: Message, now: number): string {
  if (message.status === 'FAILED') {
    return JSON.stringify({
      type: 'ai_error',
      error: message.error?.message ?? 'The answer failed.',
      chat_id: message.conversationId,
      error_code: message.error?.code ?? 'internal',
      timestamp: isoTime(now),
      message_id: message.id,
    });
  }
  return JSON.stringify({ type: 'ai_response_complete', message: { ...wholeMessageShape(message), is_streaming: false } });
}

export function typingFrame(chatId: string, event: Extract<ConversationEvent, { type: 'typing' }>): string {
  return JSON.stringify({ type: 'typing_indicator', chat_id: chatId, user_id: event.userId, username: event.username, timestamp: isoTime(event.at) });
}

export function branchChangedFrame(chatId: string, headId: string | null): string {
  return JSON.stringify({ type: 'branch_changed', chat_id: chatId, head_id: headId });
}

export function chatUpdatedFrame(conversation: Conversation): string {
  return JSON.stringify({ type: 'chat_updated', chat_id: conversation.id, chat: wholeChatShape(conversation) });
}

export function chatDeletedFrame(chatId: string): string {
  return JSON.stringify({ type: 'chat_deleted', chat_id: chatId });
}

export function errorFrame(error: { message: string; code: string }, now: number): string {
  return JSON.stringify({ type: 'error', error: error.message, error_code: error.code, timestamp: isoTime(now) });
}
