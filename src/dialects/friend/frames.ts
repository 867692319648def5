import { isoTime } from '../../base/clock.ts';
import type { Message } from '../../core/conversations/index.ts';

/** Frames of the chat socket, each as the text that goes out. Those with a `type` are additions to the document. */

/** A whole reply in the document's form. */
export interface ReplyFrame {
  response: string;
  /** Seconds; null where it is not known any more. */
  processingTime: number | null;
}

/** @param answer names the reply for clients that asked for pieces; the document's own form has no names */
export function replyFrame({ response, processingTime }: ReplyFrame, now: number, answer?: Pick<Message, 'conversationId' | 'seq'>): string {
  const names = answer ? { type: 'reply', session_id: answer.conversationId, message_id: answer.seq } : {};
  return JSON.stringify({ ...names, response, emotion: null, processing_time: processingTime, timestamp: isoTime(now) });
}

/** @param about what it answers, where that is not a message: the type of the frame */
export function errorFrame(error: { message: string; code: string }, now: number, about?: string): string {
  return JSON.stringify({ ...(about === undefined ? {} : { type: 'error', frame: about }), error: error.message, error_code: error.code, timestamp: isoTime(now) });
}

/** Names the reply that a message will get. */
export function startFrame(answer: Pick<Message, 'conversationId' | 'seq'>, now: number): string {
  return JSON.stringify({ type: 'start', session_id: answer.conversationId, message_id: answer.seq, timestamp: isoTime(now) });
}

/** @param offset UTF-16 units of the reply before it */
export function chunkFrame(answer: Pick<Message, 'conversationId' | 'seq'>, text: string, offset: number): string {
  return JSON.stringify({ type: 'chunk', session_id: answer.conversationId, message_id: answer.seq, text, offset });
}
