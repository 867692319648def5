import { request, type Chat } from '../../shared/api/index.ts';

/** Chats in one page of the list. */
export const chatsPageSize = 50;

const chatPath = (chatId: string): string => `/api/v1/chat/chats/${encodeURIComponent(chatId)}`;

/** Own chats, the most recently active first. */
export function fetchChats(offset: number): Promise<Chat[]> {
  return request('GET', `/api/v1/chat/chats?limit=${chatsPageSize}&offset=${offset}`);
}

/** A new chat whose title comes from its first message. How it writes and how much is left to the model. */
export function createChat(model: string | null): Promise<Chat> {
  return request('POST', '/api/v1/chat/chats', { body: { title: 'New chat', auto_title: true, ai_model: model, temperature: null, max_tokens: null } });
}

export function changeChat(chatId: string, changes: { title?: string; ai_model?: string | null }): Promise<Chat> {
  return request('PATCH', chatPath(chatId), { body: changes });
}

export function deleteChat(chatId: string): Promise<void> {
  return request('DELETE', chatPath(chatId));
}
