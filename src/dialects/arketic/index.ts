import { createCredentialWatch, registerScope, scopeByMethod, type App, type DialectParts, type Guard } from '../shared/index.ts';
import { registerChats } from './chats.ts';
import { arketicDialect } from './errors.ts';
import { registerEventFeed } from './event-feed.ts';
import { registerLangchain } from './langchain.ts';
import { registerMembers } from './members.ts';
import { registerMessages } from './messages.ts';
import { registerModels } from './models.ts';
import { registerOrganising } from './organising.ts';
import { registerPulls } from './pulls.ts';
import { registerSearch } from './search.ts';
import { registerSocket } from './socket.ts';
import { registerStatus } from './status.ts';
import { registerTransfer } from './transfer.ts';
import { registerUsage } from './usage.ts';

/** Chats for programs and for the page, at /api/v1/chat. Always needs credentials: a token, an API key, or the cookie. */
export function registerArketic(app: App, parts: DialectParts): void {
  const guard: Guard = {
    policy: { localTrust: false, cookie: true },
    limit: { name: 'requests', get count() { return parts.settings.limits.requestsPerMinute; }, windowMs: 60_000 },
    scope: scopeByMethod,
  };
  const credentials = createCredentialWatch(parts.accounts, parts.clock);
  app.addHook('onClose', async () => credentials.stop());
  registerScope(app, parts, arketicDialect, guard, (scope) => {
    registerChats(scope, parts);
    registerMembers(scope, parts);
    registerMessages(scope, parts);
    registerEventFeed(scope, parts, credentials);
    registerOrganising(scope, parts);
    registerSearch(scope, parts);
    registerTransfer(scope, parts, credentials);
    registerModels(scope, parts);
    registerPulls(scope, parts);
    registerUsage(scope, parts);
    registerLangchain(scope, parts, credentials);
    registerStatus(scope, parts);
  });
  registerSocket(parts, credentials, (route) => app.upgrades.add(route));
}
