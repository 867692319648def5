import { infiniteQueryOptions, useInfiniteQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import type { Chat } from '../../shared/api/index.ts';
import { tellTabs } from '../../shared/browser/index.ts';
import { changeChat, chatsPageSize, deleteChat, fetchChats } from './api.ts';
import { allChats, withChat, withoutChat, type ChatPages } from './list.ts';

export const chatsQuery = infiniteQueryOptions({
  queryKey: ['chats'],
  queryFn: ({ pageParam }) => fetchChats(pageParam),
  initialPageParam: 0,
  getNextPageParam: (last: Chat[], pages: Chat[][]) => (last.length < chatsPageSize ? undefined : pages.length * chatsPageSize),
  staleTime: 20_000,
});

export function useChats() {
  const query = useInfiniteQuery(chatsQuery);
  const chats = useMemo(() => allChats(query.data), [query.data]);
  return { ...query, chats };
}

/** Changes the list that is shown. A list on its way was read before this change: it is asked for again. */
function update(queries: QueryClient, change: (pages: ChatPages | undefined) => ChatPages | undefined): void {
  queries.setQueryData(chatsQuery.queryKey, change);
  if (queries.isFetching(chatsQuery) > 0) void queries.invalidateQueries(chatsQuery);
}

/** What changes the list. Other tabs are told. */
export function useChatChanges() {
  const queries = useQueryClient();
  /** Takes a chat as it is now, from wherever it was heard. */
  const take = useCallback((chat: Chat) => update(queries, (pages) => withChat(pages, chat)), [queries]);
  const forget = useCallback((chatId: string) => update(queries, (pages) => withoutChat(pages, chatId)), [queries]);
  const change = useCallback(
    async (chatId: string, changes: { title?: string; ai_model?: string | null }) => {
      const chat = await changeChat(chatId, changes);
      take(chat);
      tellTabs('chats');
      return chat;
    },
    [take],
  );
  const remove = useCallback(
    async (chatId: string) => {
      await deleteChat(chatId);
      forget(chatId);
      // The pages behind have moved up by one.
      void queries.invalidateQueries(chatsQuery);
      tellTabs('chats');
    },
    [forget, queries],
  );
  return { take, forget, change, remove };
}
