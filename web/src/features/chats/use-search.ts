import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import type { SearchHit } from '../../shared/api/index.ts';
import { searchMessages } from './api.ts';

/** Milliseconds without typing after which the server is asked. */
const askAfterMs = 250;
/** Searches that follow each other by themselves while nothing is found: each looks for a second. */
const searchesByThemselves = 5;
/** Longest text that the server looks for. */
export const longestSearch = 200;

export interface FoundMessages {
  hits: readonly SearchHit[];
  isSearching: boolean;
  /** Another page may hold more. */
  hasMore: boolean;
  /** The last search ended before it had looked at everything. */
  isCutShort: boolean;
  error: unknown;
  more: () => void;
}

/** Looks for words in all messages, some time after the last key. */
export function useMessageSearch(typed: string, chatId: string | null): FoundMessages {
  const text = useSettled(typed.trim().slice(0, longestSearch), askAfterMs);
  const query = useInfiniteQuery({
    queryKey: ['search', text, chatId],
    queryFn: ({ pageParam, signal }) => searchMessages({ text, chatId, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.cursor,
    enabled: text !== '',
    staleTime: 10_000,
    gcTime: 60_000,
  });
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = query;
  const hits = useMemo(() => data?.pages.flatMap((page) => page.hits) ?? [], [data]);
  const isCutShort = data?.pages.at(-1)?.complete === false;
  const goesOn = isCutShort && hits.length === 0 && !isError && (data?.pages.length ?? 0) < searchesByThemselves;
  useEffect(() => {
    if (goesOn && !isFetching) void fetchNextPage();
  }, [goesOn, isFetching, fetchNextPage]);
  const isWaiting = typed.trim() !== '' && text !== typed.trim().slice(0, longestSearch);
  return {
    hits: text === '' ? [] : hits, isSearching: isWaiting || (isFetching && text !== ''), hasMore: hasNextPage, isCutShort, error: isError ? query.error : null, more: () => void fetchNextPage(),
  };
}

/** A value once it has been the same for a while. */
function useSettled(value: string, pauseMs: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), value === '' ? 0 : pauseMs);
    return () => clearTimeout(timer);
  }, [value, pauseMs]);
  return settled;
}
