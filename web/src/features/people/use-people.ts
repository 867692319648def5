import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect } from 'react';
import type { Participant } from '../../shared/api/index.ts';
import { peopleQuery } from '../../shared/people/index.ts';

/** Names that were heard of while the page is open: what somebody wrote stays when they leave. */
const names = new Map<string, string>();

/** Who takes part in a chat, as far as its page needs it. Asked for only where others may. */
export function usePeople(chatId: string, userId: string, isShared: boolean) {
  const queries = useQueryClient();
  const { data: people } = useQuery({ ...peopleQuery(chatId), enabled: isShared });
  useEffect(() => {
    for (const { user_id: id, username } of people ?? []) names.set(id, username);
  }, [people]);
  const personName = useCallback((id: string): string => people?.find((person) => person.user_id === id)?.username ?? names.get(id) ?? (people ? 'Former member' : '…'), [people]);
  return {
    personName,
    /** Undefined while it is not known. */
    me: people?.find((person: Participant) => person.user_id === userId),
    count: people?.length,
    refresh: useCallback(() => void queries.invalidateQueries(peopleQuery(chatId)), [queries, chatId]),
  };
}
