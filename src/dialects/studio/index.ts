import { createCredentialWatch, registerNotBuilt, registerScope, scopeByMethod, type App, type DialectParts, type Guard } from '../shared/index.ts';
import { registerConversations } from './conversations.ts';
import { studioDialect } from './errors.ts';
import { registerEvents } from './events.ts';
import { registerMessages } from './messages.ts';
import { studioNotBuilt } from './not-built.ts';

/** Conversations at /api/chat and over Socket.IO. */
export function registerStudio(app: App, parts: DialectParts): void {
  const guard: Guard = {
    // The document's clients send nothing against forged requests, so the browser has to say that the page is our own.
    policy: { localTrust: false, cookie: true, csrf: 'same-origin' },
    limit: { name: 'requests', get count() { return parts.settings.limits.requestsPerMinute; }, windowMs: 60_000 },
    scope: scopeByMethod,
  };
  const credentials = createCredentialWatch(parts.accounts, parts.clock);
  app.addHook('onClose', async () => credentials.stop());
  registerScope(app, parts, studioDialect, guard, (scope) => {
    registerConversations(scope, parts);
    registerMessages(scope, parts, credentials);
    registerNotBuilt(scope, studioNotBuilt);
  });
  registerEvents(app, parts);
}
