import { createProcessUsage } from '../../base/observability/index.ts';
import { createCredentialWatch, registerNotBuilt, registerScope, scopeByMethod, type App, type DialectParts, type Guard } from '../shared/index.ts';
import { registerChat } from './chat.ts';
import { friendDialect } from './dialect.ts';
import { friendNotBuilt, friendSocketsNotBuilt } from './not-built.ts';
import { registerSession, registerSignIn } from './sessions.ts';
import { registerSocket } from './socket.ts';
import { registerStats } from './stats.ts';
import { registerStream } from './stream.ts';

/** Accounts, sessions and the chat; memory, voice, avatar and the rest of the companion come later. */
export function registerFriend(app: App, parts: DialectParts): void {
  const guard: Guard = {
    policy: { localTrust: false, cookie: true },
    limit: { name: 'requests', get count() { return parts.settings.limits.requestsPerMinute; }, windowMs: 60_000 },
    scope: () => null,
  };
  const credentials = createCredentialWatch(parts.accounts, parts.clock);
  const usage = createProcessUsage(parts.clock);
  app.addHook('onClose', async () => {
    credentials.stop();
    usage.stop();
  });
  registerScope(app, parts, friendDialect, null, (scope) => registerSignIn(scope, parts));
  registerScope(app, parts, friendDialect, guard, (scope) => {
    registerSession(scope, parts);
    registerNotBuilt(scope, friendNotBuilt);
  });
  registerScope(app, parts, friendDialect, { ...guard, scope: scopeByMethod }, (scope) => {
    registerChat(scope, parts, credentials);
    registerStats(scope, parts, usage);
  });
  // A GET that sends, and that an EventSource asks, which knows no headers.
  registerScope(app, parts, friendDialect, { ...guard, queryToken: true, scope: () => 'write' }, (scope) => registerStream(scope, parts, credentials));
  registerSocket(parts, credentials, (route) => app.upgrades.add(route));
  for (const pattern of friendSocketsNotBuilt) app.upgrades.addNotBuilt(pattern);
}
