import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import { tellTabs } from '../../shared/browser/index.ts';
import { fetchKeys, fetchPulls, fetchSetup } from './api.ts';
import { isActive } from './pull-text.ts';

export const setupQuery = queryOptions({ queryKey: ['setup'], queryFn: fetchSetup, staleTime: 10_000 });
export const keysQuery = queryOptions({ queryKey: ['keys'], queryFn: fetchKeys });
export const pullsQuery = queryOptions({ queryKey: ['pulls'], queryFn: fetchPulls });

/** Milliseconds between looks at running downloads. */
const pollMs = 1000;

/** Downloads, looked at every second while one runs. When one is done, the models are asked for anew. */
export function usePulls(isAllowed: boolean) {
  const refreshModels = useRefreshModels();
  const query = useQuery({
    ...pullsQuery,
    enabled: isAllowed,
    refetchInterval: ({ state }) => (state.data?.some(isActive) ? pollMs : false),
  });
  const done = query.data?.filter((pull) => pull.state === 'done').length;
  const before = useRef(done);
  useEffect(() => {
    if (before.current !== undefined && done !== undefined && done > before.current) void refreshModels();
    before.current = done;
  }, [done, refreshModels]);
  return query;
}

/** What may answer has changed: a model came, a key was set. The set-up is asked first, because that looks anew. */
export function useRefreshModels(): () => Promise<void> {
  const queries = useQueryClient();
  return useCallback(async () => {
    await queries.invalidateQueries(setupQuery);
    await queries.invalidateQueries({ queryKey: ['models'] });
    tellTabs('models');
  }, [queries]);
}
