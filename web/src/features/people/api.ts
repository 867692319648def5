import { request, type Chat, type Participant, type PublicChat, type Role } from '../../shared/api/index.ts';
import { chatAddress } from '../../shared/people/index.ts';

/** Public chats in one page of the list. */
export const publicPageSize = 50;

export interface NewGroup {
  title: string;
  kind: 'GROUP' | 'CHANNEL';
  isPrivate: boolean;
  /** As `Chat.ai_model`. */
  model: string | null;
}

export function createGroup({ title, kind, isPrivate, model }: NewGroup): Promise<Chat> {
  return request('POST', '/api/v1/chat/chats', { body: { title, chat_type: kind, is_private: isPrivate, ai_model: model, temperature: null, max_tokens: null } });
}

/** Groups and channels that everybody may join, the most recently active first. */
export function fetchPublic(offset: number): Promise<PublicChat[]> {
  return request('GET', `/api/v1/chat/public?limit=${publicPageSize}&offset=${offset}`);
}

export function joinChat(chatId: string): Promise<Participant> {
  return request('POST', `${chatAddress(chatId)}/join`);
}

export function invite(chatId: string, username: string): Promise<Participant> {
  return request('POST', `${chatAddress(chatId)}/participants`, { body: { username } });
}

export function changePerson(chatId: string, userId: string, changes: { role?: Role; can_send_messages?: boolean }): Promise<Participant> {
  return request('PATCH', `${chatAddress(chatId)}/participants/${encodeURIComponent(userId)}`, { body: changes });
}

export function removePerson(chatId: string, userId: string): Promise<void> {
  return request('DELETE', `${chatAddress(chatId)}/participants/${encodeURIComponent(userId)}`);
}

export function setPrivate(chatId: string, isPrivate: boolean): Promise<Chat> {
  return request('PATCH', chatAddress(chatId), { body: { is_private: isPrivate } });
}
