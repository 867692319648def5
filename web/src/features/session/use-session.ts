import { queryOptions, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { ApiError, type Session, type User } from '../../shared/api/index.ts';
import { browserStorage, tellTabs } from '../../shared/browser/index.ts';
import { fetchSession, signInLocally, signOut } from './api.ts';

/** Set in this browser when somebody signed out by hand: the page then does not sign itself in again. */
const signedOutName = 'signed-out';

/** Who is signed in. Where the server trusts its own machine, the page signs itself in as the owner. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async (): Promise<Session> => {
    const session = await fetchSession();
    if (session.user || !session.local_trust || browserStorage.read(signedOutName)) return session;
    return continueLocally();
  },
  staleTime: Infinity,
  retry: (failures, error) => failures < 3 && error instanceof ApiError && error.isNetwork,
});

/** Signs in as the owner of this machine; where that is refused after all, the session says so. */
export async function continueLocally(): Promise<Session> {
  try {
    await signInLocally();
    browserStorage.write(signedOutName, null);
  } catch (error) {
    if (!(error instanceof ApiError) || error.isNetwork) throw error;
    // The server has changed its mind about trust: the sign-in page is shown.
  }
  return fetchSession();
}

export function useSession(): Session | undefined {
  return useQuery(sessionQuery).data;
}

/**
 * Who is signed in.
 * @throws where nobody is: only for what is drawn behind the sign-in
 */
export function useUser(): User {
  const user = useSession()?.user;
  if (!user) throw new Error('Nobody is signed in.');
  return user;
}

/** Forgets everything of who was signed in before, and shows who is now. */
export async function enter(queries: QueryClient): Promise<void> {
  browserStorage.write(signedOutName, null);
  await queries.invalidateQueries(sessionQuery);
  void queries.resetQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
  tellTabs('session');
}

/**
 * Removes what somebody wrote in this browser and did not send, once they have signed out by hand. A sign-in that only
 * ran out keeps it. To be called when nothing of theirs is drawn any more: what is drawn keeps its drafts as it goes.
 */
export function forgetAfterSignOut(): void {
  if (browserStorage.read(signedOutName)) browserStorage.forgetTexts();
}

export function useSignOut(): () => Promise<void> {
  const queries = useQueryClient();
  return async () => {
    try {
      await signOut();
    } catch (error) {
      // A sign-in that is over already is what was wanted.
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
    }
    browserStorage.write(signedOutName, 'yes');
    await queries.resetQueries(sessionQuery);
    queries.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
    tellTabs('session');
  };
}
