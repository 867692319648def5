import { createCredentialWatch, registerNotBuilt, registerScope, type App, type DialectParts, type Guard } from '../shared/index.ts';
import { registerCompletions } from './completions.ts';
import { registerEmbeddings } from './embeddings.ts';
import { describeLimit, openaiDialect } from './errors.ts';
import { registerModels } from './models.ts';
import { openaiNotBuilt } from './not-built.ts';
import { registerResponses } from './responses/index.ts';
import { registerStoredCompletions } from './stored-completions.ts';
import { registerTextCompletions } from './text-completions.ts';

/** What OpenAI's clients speak, at /v1. Requests from this machine without credentials act as the owner. */
export function registerOpenai(app: App, parts: DialectParts): void {
  const guard: Guard = {
    policy: { localTrust: true, cookie: true },
    limit: { name: 'completions', get count() { return parts.settings.limits.completionsPerMinute; }, windowMs: 60_000 },
    scope: (request) => (request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'chat'),
    describe: describeLimit,
  };
  const credentials = createCredentialWatch(parts.accounts, parts.clock);
  app.addHook('onClose', async () => credentials.stop());
  registerScope(app, parts, openaiDialect, guard, (scope) => {
    registerCompletions(scope, parts, credentials);
    registerStoredCompletions(scope, parts);
    registerResponses(scope, parts, credentials);
    registerTextCompletions(scope, parts, credentials);
    registerEmbeddings(scope, parts);
    registerModels(scope, parts);
    registerNotBuilt(scope, openaiNotBuilt);
  });
}
