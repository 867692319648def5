import { QueryClient } from '@tanstack/react-query';
import { ApiError, whenSignedOut } from '../shared/api/index.ts';
import { hearTabs } from '../shared/browser/index.ts';
import { chatsQuery } from '../features/chats/index.ts';
import { modelsQuery } from '../features/models/index.ts';
import { sessionQuery } from '../features/session/index.ts';

/** Milliseconds within which a second "signed out" is not believed: asking who is signed in would go in circles. */
const askAgainAfterMs = 5000;

let askedAt = -Infinity;

/** What was fetched, shared by everything that draws it. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A fault of the request is not mended by repeating it; a server that is just starting is.
      retry: (failures, error) => failures < 3 && error instanceof ApiError && (error.isNetwork || error.status >= 500),
      retryDelay: (failures) => Math.min(500 * 2 ** failures, 5000),
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});

/** Asks who is signed in: the server did not know this browser any more. */
export function askWhoIsSignedIn(): void {
  if (Date.now() - askedAt < askAgainAfterMs) return;
  askedAt = Date.now();
  void queries.resetQueries(sessionQuery);
}

/** Connects what is fetched with the server's word that a sign-in is over, and with what other tabs change. */
export function connectQueries(): void {
  whenSignedOut(askWhoIsSignedIn);
  hearTabs((news) => {
    if (news === 'chats') void Promise.all([queries.invalidateQueries(chatsQuery), queries.invalidateQueries({ queryKey: ['put-away'] })]);
    if (news === 'models') void queries.invalidateQueries(modelsQuery);
    if (news === 'session') void queries.resetQueries(sessionQuery);
  });
}
