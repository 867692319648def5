import { registerNotBuilt, registerScope, type App, type DialectParts } from '../shared/index.ts';
import { registerCompletions } from './completions.ts';
import { registerEmbeddings } from './embeddings.ts';
import { openaiDialect } from './errors.ts';
import { registerModels } from './models.ts';
import { openaiNotBuilt } from './not-built.ts';

/** What OpenAI's clients speak, at /v1. Requests from this machine without credentials act as the owner. */
export function registerOpenai(app: App, parts: DialectParts): void {
  const guard = {
    policy: { localTrust: true, cookie: true },
    limit: { name: 'completions', count: parts.settings.limits.completionsPerMinute, windowMs: 60_000 },
  };
  registerScope(app, parts, openaiDialect, guard, (scope) => {
    registerCompletions(scope, parts);
    registerEmbeddings(scope, parts);
    registerModels(scope, parts);
    registerNotBuilt(scope, openaiNotBuilt);
  });
}
