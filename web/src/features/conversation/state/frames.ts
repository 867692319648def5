import type { Chat, Message } from '../../../shared/api/index.ts';

/** What the server says over the socket of a chat, as far as the page listens (docs/arketic.md). */
export type ServerFrame =
  | { type: 'welcome' | 'pong' }
  /** Only the fields of the published document: where it stands is asked for. */
  | { type: 'new_message'; message: Pick<Message, 'id' | 'sender_id' | 'content'> }
  /** Its text is left out, whatever there is of it already. */
  | { type: 'ai_response_start'; message: Message }
  | { type: 'ai_response_complete'; message: Message }
  | { type: 'ai_response_chunk'; message_id: string; chunk: string; offset: number; seq: number }
  | { type: 'ai_reasoning_chunk'; message_id: string; chunk: string; offset: number; seq: number }
  | { type: 'ai_error'; error: string; error_code: string; message_id?: string }
  | { type: 'branch_changed'; chat_id: string; head_id: string | null }
  | { type: 'chat_updated'; chat: Chat }
  | { type: 'chat_deleted' }
  | { type: 'typing_indicator'; user_id: string; username: string }
  | { type: 'participant_joined' | 'participant_changed' }
  | { type: 'participant_left'; user_id: string; username: string };

export type ClientFrame = { type: 'ping'; timestamp: string } | { type: 'attach'; message_id: string; after_seq: number };

const types = new Set<string>([
  'welcome', 'pong', 'new_message', 'ai_response_start', 'ai_response_complete', 'ai_response_chunk', 'ai_reasoning_chunk', 'ai_error',
  'branch_changed', 'chat_updated', 'chat_deleted', 'typing_indicator', 'participant_joined', 'participant_changed', 'participant_left',
] satisfies ServerFrame['type'][]);

/** A frame the page knows; null for anything else, which a newer server may send. */
export function parseFrame(text: unknown): ServerFrame | null {
  if (typeof text !== 'string') return null;
  try {
    const frame: unknown = JSON.parse(text);
    const type = typeof frame === 'object' && frame !== null ? (frame as { type?: unknown }).type : undefined;
    return typeof type === 'string' && types.has(type) ? (frame as ServerFrame) : null;
  } catch {
    // Not JSON: nothing this page could use.
    return null;
  }
}
