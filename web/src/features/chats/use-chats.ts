import { infiniteQueryOptions, useInfiniteQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import type { Chat } from '../../shared/api/index.ts';
import { tellTabs } from '../../shared/browser/index.ts';
import { changeChat, chatsPageSize, deleteChat, fetchChats, fetchPutAway, leaveChat, moveChat, type ChatPage, type PutAway } from './api.ts';
import { allChats, withChat, withoutChat, type ChatPages } from './list.ts';

const nextOffset = (last: ChatPage, pages: ChatPage[]): number | undefined => (last.hasMore ? pages.length * chatsPageSize : undefined);

export const chatsQuery = infiniteQueryOptions({
  queryKey: ['chats'],
  queryFn: ({ pageParam }) => fetchChats(pageParam),
  initialPageParam: 0,
  getNextPageParam: nextOffset,
  staleTime: 20_000,
});

const putAwayKey = 'put-away';

/** Chats in the archive or in the trash. */
export function usePutAway(state: PutAway) {
  const query = useInfiniteQuery({
    queryKey: [putAwayKey, state],
    queryFn: ({ pageParam }) => fetchPutAway(state, pageParam),
    initialPageParam: 0,
    getNextPageParam: nextOffset,
  });
  const chats = useMemo(() => allChats(query.data), [query.data]);
  return { ...query, chats };
}

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
  return useMemo(() => {
    /** The pages of all lists have moved: they are read again. */
    const readAgain = (): void => {
      void queries.invalidateQueries(chatsQuery);
      void queries.invalidateQueries({ queryKey: [putAwayKey] });
      tellTabs('chats');
    };
    const without = async (chatId: string, work: () => Promise<unknown>): Promise<void> => {
      await work();
      forget(chatId);
      readAgain();
    };
    return {
      take,
      forget,
      async change(chatId: string, changes: { title?: string; ai_model?: string | null }) {
        const chat = await changeChat(chatId, changes);
        take(chat);
        tellTabs('chats');
        return chat;
      },
      async pin(chatId: string, isPinned: boolean) {
        take(await moveChat(chatId, isPinned ? 'pin' : 'unpin'));
        readAgain();
      },
      putAway: (chatId: string, act: 'archive' | 'trash') => without(chatId, () => moveChat(chatId, act)),
      async restore(chatId: string) {
        take(await moveChat(chatId, 'restore'));
        readAgain();
      },
      leave: (chatId: string) => without(chatId, () => leaveChat(chatId)),
      remove: (chatId: string) => without(chatId, () => deleteChat(chatId)),
    };
  }, [queries, take, forget]);
}
