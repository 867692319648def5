import { queryOptions } from '@tanstack/react-query';
import { request, type Participant } from '../api/index.ts';

export const chatAddress = (chatId: string): string => `/api/v1/chat/chats/${encodeURIComponent(chatId)}`;

/** Who takes part in a chat, those who run it first. */
export function peopleQuery(chatId: string) {
  return queryOptions({
    queryKey: ['people', chatId],
    queryFn: async () => inOrder((await request<{ participants: Participant[] }>('GET', `${chatAddress(chatId)}/participants?include=username`)).participants),
    staleTime: 30_000,
  });
}

const ranks = { OWNER: 0, ADMIN: 1, MEMBER: 2 };

function inOrder(people: readonly Participant[]): Participant[] {
  return [...people].sort((one, other) => ranks[one.role] - ranks[other.role] || one.username.localeCompare(other.username));
}
