import type { FastifyRequest } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import type { Scope } from '../../core/accounts/index.ts';
import { createCredentialWatch, parseJson, registerNotBuilt, registerScope, type App, type DialectParts, type Face, type Guard } from '../shared/index.ts';
import { registerChat } from './chat.ts';
import { registerEmbeddings } from './embeddings.ts';
import { ollamaDialect } from './errors.ts';
import { registerModels } from './models.ts';
import { ollamaNotBuilt } from './not-built.ts';
import { registerPulls } from './pulls.ts';

/**
 * The release of Ollama whose API is served here. Clients look at it before they use newer parts: with this one
 * log-probabilities came.
 */
const apiRelease = '0.12.11';

/** A port of its own, because Ollama's addresses are others' elsewhere. The server goes on without it when it is taken. */
export function ollamaFace(port: number): Face {
  return { name: 'ollama', ports: [{ port, setting: 'OLLAMA_API_PORT' }], isHome: false, dialect: ollamaDialect, isOptional: true };
}

/** What Ollama's clients speak. Requests from this machine without credentials act as the owner. */
export function registerOllama(app: App, parts: DialectParts): void {
  const guard: Guard = {
    policy: { localTrust: true, cookie: true },
    limit: { name: 'completions', get count() { return parts.settings.limits.completionsPerMinute; }, windowMs: 60_000 },
    scope: scopeOf,
  };
  const credentials = createCredentialWatch(parts.accounts, parts.clock);
  app.addHook('onClose', async () => credentials.stop());
  app.addHook('onRequest', async (request) => refuseParley(request));
  registerScope(app, parts, ollamaDialect, null, (scope) => {
    scope.get('/', { schema: { summary: 'Whether anything answers' } }, async (_request, reply) => reply.type('text/plain; charset=utf-8').send('Ollama is running'));
    scope.get('/api/version', { schema: { summary: 'The release of Ollama whose API this is, and the version of Parley' } }, async () => ({ version: apiRelease, parley: parts.version }));
  });
  registerScope(app, parts, ollamaDialect, guard, (scope) => {
    // Ollama reads JSON whatever a client calls it; `curl -d` calls it a form.
    scope.addContentTypeParser('*', { parseAs: 'string' }, async (_request: unknown, body: string) => parseJson(body));
    registerChat(scope, parts, credentials);
    registerEmbeddings(scope, parts);
    registerModels(scope, parts);
    registerPulls(scope, parts, credentials);
    registerNotBuilt(scope, ollamaNotBuilt);
  });
}

/** Looking needs `read`, asking `chat`, everything that changes models `write`. */
function scopeOf(request: FastifyRequest): Scope {
  if (request.method === 'GET' || request.method === 'HEAD') return 'read';
  const path = request.routeOptions.url;
  if (path === '/api/show') return 'read';
  return path === '/api/chat' || path === '/api/generate' || path === '/api/embed' || path === '/api/embeddings' ? 'chat' : 'write';
}

/**
 * Parley's own provider for Ollama says who it is: OLLAMA_URLS may lead here, by any name, and answers would go round
 * in circles.
 * @throws {ParleyError} `misdirected`
 */
function refuseParley(request: FastifyRequest): void {
  if (request.headers['x-parley-provider'] !== undefined) throw new ParleyError('misdirected');
}
