import type { Conversation, ConversationEvent, Message } from '../../../core/conversations/index.ts';
import type { RoomMember } from './member.ts';

/** New text of an answer as it grows. */
export interface AnswerChunk {
  kind: 'text' | 'reasoning';
  messageId: string;
  chatId: string;
  /** The model that speaks; null while that is not known. */
  model: string | null;
  /** The new text only. */
  chunk: string;
  /** UTF-16 units of this kind before it. */
  offset: number;
  /** Seq of the last event it holds. */
  seq: number;
  /** All text so far, for members that take it. */
  fullContent?: string;
}

export type ParticipantEvent = Extract<ConversationEvent, { type: 'participant_joined' | 'participant_left' | 'participant_changed' }>;

/**
 * What a dialect says in its rooms, and how it goes out. A frame is built once however many get it; null where the
 * dialect says nothing.
 */
export interface RoomFrames<Frame> {
  /** A message that was stored and is no answer. */
  message(message: Message): Frame | null;
  /** An answer that has ended, as it is stored: for all members, whether they follow answers or not. */
  answer(message: Message): Frame | null;
  typing(chatId: string, event: Extract<ConversationEvent, { type: 'typing' }>): Frame | null;
  /** Somebody came, went, or has another role or other permissions. Who went does not hear it: their sockets are closed. */
  participant(chatId: string, event: ParticipantEvent): Frame | null;
  branchChanged(chatId: string, headId: string | null): Frame | null;
  changed(conversation: Conversation): Frame | null;
  deleted(chatId: string): Frame | null;
  /** An answer begins. @param model the one that is asked, or speaks */
  started(message: Message, model: string | null): Frame;
  chunk(chunk: AnswerChunk): Frame;
  /** The end of an answer, for those who follow it. */
  ended(message: Message): Frame;
  /** Sends a frame to many; whatever must be written of it is written once. */
  sendToMany(members: readonly RoomMember<Frame>[], frame: Frame): void;
}
