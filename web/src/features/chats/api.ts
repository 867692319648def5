import { request, type Chat, type SearchPage } from '../../shared/api/index.ts';
import { chatAddress } from '../../shared/people/index.ts';

/** Chats in one page of the list. */
export const chatsPageSize = 50;
/** Most pinned chats that are shown. */
const mostPinned = 200;
/** Hits of one search. */
const hitsPageSize = 20;

/** Where chats are that were put away. */
export type PutAway = 'archived' | 'trashed';

interface Listing {
  offset?: number;
  limit?: number;
  state?: PutAway;
  isPinned?: boolean;
}

/** Own chats, the most recently active first. */
function listChats({ offset = 0, limit = chatsPageSize, state, isPinned }: Listing): Promise<Chat[]> {
  const narrowed = `${state ? `&state=${state}` : ''}${isPinned === undefined ? '' : `&pinned=${isPinned}`}`;
  return request('GET', `/api/v1/chat/chats?include=whole&limit=${limit}&offset=${offset}${narrowed}`);
}

export interface ChatPage {
  chats: Chat[];
  hasMore: boolean;
}

/** One page of the open chats. The first one also has all that are pinned, however old. */
export async function fetchChats(offset: number): Promise<ChatPage> {
  const [others, pinned] = await Promise.all([listChats({ offset, isPinned: false }), offset === 0 ? listChats({ limit: mostPinned, isPinned: true }) : []]);
  return { chats: [...pinned, ...others], hasMore: others.length === chatsPageSize };
}

export async function fetchPutAway(state: PutAway, offset: number): Promise<ChatPage> {
  const chats = await listChats({ offset, state });
  return { chats, hasMore: chats.length === chatsPageSize };
}

/** A new chat whose title comes from its first message. How it writes and how much is left to the model. */
export function createChat(model: string | null): Promise<Chat> {
  return request('POST', '/api/v1/chat/chats', { body: { title: 'New chat', auto_title: true, ai_model: model, temperature: null, max_tokens: null } });
}

export function changeChat(chatId: string, changes: { title?: string; ai_model?: string | null }): Promise<Chat> {
  return request('PATCH', chatAddress(chatId), { body: changes });
}

/** Puts a chat somewhere else, or pins it. */
export function moveChat(chatId: string, act: 'archive' | 'trash' | 'restore' | 'pin' | 'unpin'): Promise<Chat> {
  return request('POST', `${chatAddress(chatId)}/${act}`);
}

export function leaveChat(chatId: string): Promise<void> {
  return request('POST', `${chatAddress(chatId)}/leave`);
}

export function deleteChat(chatId: string): Promise<void> {
  return request('DELETE', chatAddress(chatId));
}

export interface Search {
  text: string;
  /** Only in this chat. */
  chatId: string | null;
  cursor: string | null;
}

export function searchMessages({ text, chatId, cursor }: Search, signal: AbortSignal): Promise<SearchPage> {
  const query = new URLSearchParams({ q: text, limit: String(hitsPageSize) });
  if (chatId !== null) query.set('chat_id', chatId);
  if (cursor !== null) query.set('cursor', cursor);
  return request('GET', `/api/v1/chat/search?${query.toString()}`, { signal });
}
