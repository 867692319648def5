import { isoTime } from '../../base/clock.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Conversation, ConversationEvent, Message } from '../../core/conversations/index.ts';
import type { AnswerChunk } from '../shared/index.ts';
import { failureSentence } from './errors.ts';
import type { ParticipantEvent } from '../shared/index.ts';
import { messageType, namedParticipantShape, plainModelName, wholeChatShape, wholeMessageShape } from './shapes.ts';

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
    message: { ...wholeMessageShape(message), content: '', ai_model_used: plainModelName(model), model, status: 'PROCESSING', is_streaming: true },
  });
}

/** New text of the answer, or of the reasoning before it (an addition, for sockets without `full_content`). */
export function chunkFrame(chunk: AnswerChunk): string {
  return JSON.stringify({
    type: chunk.kind === 'text' ? 'ai_response_chunk' : 'ai_reasoning_chunk',
    message_id: chunk.messageId,
    chat_id: chunk.chatId,
    chunk: chunk.chunk,
    ...(chunk.fullContent === undefined ? {} : { full_content: chunk.fullContent }),
    offset: chunk.offset,
    seq: chunk.seq,
  });
}

/** The one frame that ends an answer: `ai_error` for one that failed, `ai_response_complete` for all others. */
export function responseEndFrame(message: Message, now: number): string {
  if (message.status === 'FAILED') {
    return JSON.stringify({
      type: 'ai_error',
      error: message.error ? failureSentence(message.error) : 'The answer failed.',
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

export function participantFrame(chatId: string, event: ParticipantEvent): string {
  if (event.type === 'participant_left') return JSON.stringify({ type: event.type, chat_id: chatId, user_id: event.userId, username: event.username });
  return JSON.stringify({ type: event.type, chat_id: chatId, participant: namedParticipantShape(event.participant) });
}

export function branchChangedFrame(chatId: string, headId: string | null): string {
  return JSON.stringify({ type: 'branch_changed', chat_id: chatId, head_id: headId });
}

export function chatUpdatedFrame(conversation: Conversation): string {
  // Everybody in the room hears the same, and a pin is each one's own.
  const { pinned_at: _, ...chat } = wholeChatShape(conversation);
  return JSON.stringify({ type: 'chat_updated', chat_id: conversation.id, chat });
}

export function chatDeletedFrame(chatId: string): string {
  return JSON.stringify({ type: 'chat_deleted', chat_id: chatId });
}

export function errorFrame(error: { message: string; code: string }, now: number): string {
  return JSON.stringify({ type: 'error', error: error.message, error_code: error.code, timestamp: isoTime(now) });
}
