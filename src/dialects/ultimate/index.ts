import type { Scope } from '../../core/accounts/index.ts';
import { createCredentialWatch, registerNotBuilt, registerScope, scopeByMethod, type App, type Guard } from '../shared/index.ts';
import { registerBatch } from './batch.ts';
import { registerChat, registerConversations } from './conversations.ts';
import { registerDevicePage } from './device.ts';
import { oauthDialect, ultimateDialect } from './errors.ts';
import { createEvents, registerEvents } from './events.ts';
import { registerGenerate } from './generate.ts';
import { registerMonitoring } from './monitoring.ts';
import { ultimateNotBuilt } from './not-built.ts';
import { registerClients, registerGrants, registerOauth } from './oauth.ts';
import { registerOllamaModels, registerOllamaPulls, registerOllamaStatus, tellOfOllama } from './ollama.ts';
import { registerDatabase } from './operations/database.ts';
import { registerDebug } from './operations/debug.ts';
import { registerManagement } from './operations/management.ts';
import type { UltimateParts } from './parts.ts';
import { registerPipelines, registerPipelineStatus } from './pipelines.ts';
import { plainRoute } from './plain-socket.ts';
import { registerStatus } from './status.ts';
import { registerTokens } from './tokens.ts';
import { serveEveryVersion } from './versions.ts';

export type { UltimateParts } from './parts.ts';

/** Chat, tokens and the state of the server at /api/ai, /api/v4 and over sockets. */
export function registerUltimate(app: App, parts: UltimateParts): void {
  const dialect = ultimateDialect(parts.agent);
  const credentials = createCredentialWatch(parts.accounts, parts.clock);
  app.addHook('onClose', async () => credentials.stop());
  /** Who has this permission; where the document's own clients send nothing, the owner on this machine. */
  const guard = (scope: Scope | null): Guard => ({
    policy: { localTrust: true, cookie: true, csrf: 'same-origin' },
    limit: { name: 'requests', get count() { return parts.settings.limits.requestsPerMinute; }, windowMs: 60_000 },
    scope: () => scope,
  });
  registerScope(app, parts, dialect, guard('chat'), (scope) => {
    registerConversations(scope, parts);
    registerChat(scope, parts, credentials);
  });
  registerScope(app, parts, dialect, guard('read'), (scope) => {
    registerStatus(scope, parts);
    registerMonitoring(scope, parts);
    registerOllamaStatus(scope, parts);
    registerPipelineStatus(scope, parts);
  });
  registerScope(app, parts, dialect, guard('write'), (scope) => registerGenerate(scope, parts, credentials));
  registerScope(app, parts, dialect, guard('admin'), (scope) => {
    registerClients(scope, parts);
    registerOllamaPulls(scope, parts);
    registerOllamaModels(scope, parts);
  });
  registerScope(app, parts, dialect, guard('admin'), (scope) => {
    serveEveryVersion(scope);
    registerDebug(scope, parts);
    registerDatabase(scope, parts);
    registerManagement(scope, parts);
  });
  registerScope(app, parts, dialect, guard('write'), (scope) => registerBatch(scope, parts, credentials));
  registerScope(app, parts, dialect, { ...guard(null), scope: scopeByMethod }, (scope) => {
    registerGrants(scope, parts);
    registerPipelines(scope, parts, credentials);
  });
  registerScope(app, parts, dialect, guard(null), (scope) => {
    registerTokens(scope, parts);
    registerNotBuilt(scope, ultimateNotBuilt);
  });
  registerScope(app, parts, oauthDialect(parts.agent), null, (scope) => registerOauth(scope, parts));
  registerScope(app, parts, dialect, null, (scope) => registerDevicePage(scope, parts));
  const events = createEvents(parts);
  registerEvents(app, events);
  const stopTelling = tellOfOllama(parts, events.audience);
  app.addHook('onClose', async () => stopTelling());
  app.upgrades.add(plainRoute(parts, credentials, events));
}
