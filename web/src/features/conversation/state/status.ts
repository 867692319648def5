import type { Message, MessageStatus } from '../../../shared/api/index.ts';

/** Whether more of an answer may still come. */
export function isOpen(status: MessageStatus): boolean {
  return status === 'QUEUED' || status === 'PROCESSING';
}

/** Whether an answer can be gone on with: it was stopped, broke off or was cut, and has text to begin with. */
export function canContinue(message: Message): boolean {
  if (message.message_type !== 'AI' || message.content === '') return false;
  if (message.status === 'DELIVERED') return message.finish_reason === 'length';
  return !isOpen(message.status);
}

/** How far an answer has come: what is known of it never goes back. */
const rank: Record<MessageStatus, number> = { QUEUED: 0, PROCESSING: 1, DELIVERED: 2, CANCELLED: 2, FAILED: 2, INTERRUPTED: 2 };

/**
 * What is known of a message after hearing of it once more. Answers of requests and frames of the socket overtake each
 * other: an ended answer stays ended, and text that was already shown is not taken back by an older copy.
 */
export function mergeMessage(known: Message | undefined, heard: Message): Message {
  if (!known) return heard;
  if (rank[heard.status] < rank[known.status]) return { ...known, siblings: longer(known.siblings, heard.siblings) };
  if (heard.status === 'PROCESSING' && known.status === 'PROCESSING' && known.last_event_seq > heard.last_event_seq) {
    return { ...heard, content: known.content, reasoning: known.reasoning, last_event_seq: known.last_event_seq };
  }
  return { ...heard, siblings: longer(known.siblings, heard.siblings) };
}

function longer(one: string[], other: string[]): string[] {
  return one.length > other.length ? one : other;
}
