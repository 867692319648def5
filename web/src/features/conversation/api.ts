import { request, type Chat, type Message } from '../../shared/api/index.ts';
import { chatAddress as chatPath } from '../../shared/people/index.ts';

/** Messages in one page of a conversation. */
export const pageSize = 50;

const messagePath = (chatId: string, messageId: string): string => `${chatPath(chatId)}/messages/${encodeURIComponent(messageId)}`;

/** One page of the shown branch, oldest first in itself, counted from the newest. */
export function fetchPage(chatId: string, offset: number, limit = pageSize): Promise<{ chat: Chat; messages: Message[]; participant_count: number }> {
  return request('GET', `${chatPath(chatId)}?include=branches&limit=${limit}&offset=${offset}`);
}

export function fetchMessage(chatId: string, messageId: string): Promise<Message> {
  return request('GET', messagePath(chatId, messageId));
}

/** Milliseconds for a message with pictures: megabytes take their time on a slow line. */
const picturesTimeoutMs = 180_000;

export function sendMessage(chatId: string, content: string, idempotencyKey: string, images: readonly string[]): Promise<{ message: Message; answer: Message | null }> {
  const hasImages = images.length > 0;
  return request('POST', `${chatPath(chatId)}/messages?include=answer`, {
    body: { content, message_type: 'USER', ...(hasImages ? { images } : {}) }, idempotencyKey, ...(hasImages ? { timeoutMs: picturesTimeoutMs } : {}),
  });
}

/** Tells the others in the chat that one is typing. */
export function sayTyping(chatId: string): Promise<unknown> {
  return request('POST', `${chatPath(chatId)}/typing`);
}

export function cancelAnswer(chatId: string, messageId: string): Promise<Message> {
  return request('POST', `${messagePath(chatId, messageId)}/cancel`);
}

export function continueAnswer(chatId: string, messageId: string): Promise<Message> {
  return request('POST', `${messagePath(chatId, messageId)}/continue`, { body: {} });
}

export function regenerateAnswer(chatId: string, messageId: string): Promise<Message> {
  return request('POST', `${messagePath(chatId, messageId)}/regenerate`, { body: {} });
}

export function editMessage(chatId: string, messageId: string, content: string): Promise<{ message: Message; answer: Message | null }> {
  return request('POST', `${messagePath(chatId, messageId)}/edit`, { body: { content } });
}

export function selectBranch(chatId: string, messageId: string): Promise<Chat> {
  return request('POST', `${messagePath(chatId, messageId)}/select`);
}

/** Address of the chat's socket: pieces carry their own text only. */
export function socketAddress(chatId: string): string {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  return `${scheme}://${location.host}${chatPath(chatId)}/ws?full_content=false`;
}
