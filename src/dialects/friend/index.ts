import type { Dialect } from '../shared/index.ts';
import { detailBody, registerNotBuilt, registerScope, type App, type DialectParts, type Guard } from '../shared/index.ts';
import { friendNotBuilt, friendSocketsNotBuilt } from './not-built.ts';
import { registerSession, registerSignIn } from './sessions.ts';

const friendDialect: Dialect = { name: 'friend', prefixes: ['/api', '/stats'], errorBody: detailBody };

/** Accounts and sessions; the companion itself comes later. */
export function registerFriend(app: App, parts: DialectParts): void {
  const guard: Guard = {
    policy: { localTrust: false, cookie: true },
    limit: { name: 'requests', count: parts.settings.limits.requestsPerMinute, windowMs: 60_000 },
    scope: () => null,
  };
  registerScope(app, parts, friendDialect, null, (scope) => registerSignIn(scope, parts));
  registerScope(app, parts, friendDialect, guard, (scope) => {
    registerSession(scope, parts);
    registerNotBuilt(scope, friendNotBuilt);
  });
  for (const pattern of friendSocketsNotBuilt) app.upgrades.addNotBuilt(pattern);
}
