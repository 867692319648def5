import type { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { mayAdminister } from '../../core/accounts/index.ts';
import type { Caller } from '../../core/models/index.ts';
import { viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { keyAnswer, keyPath, keyRequest, keysAnswer, modelsAnswer, setupAnswer } from './model-schemas.ts';

/** What can answer, how to add more, and the viewer's own keys for model services. */
export function registerModels(scope: DialectScope, parts: DialectParts): void {
  const { models, modelStore } = parts;
  scope.get('/api/v1/chat/models', { schema: { summary: 'Models to choose from', response: { 200: modelsAnswer } } }, async (request) => {
    const caller = viewerFrom(request);
    const [list, chosen] = await Promise.all([models.list(caller), defaultModel(parts, caller)]);
    return {
      models: list
        .filter((model) => model.kinds.includes('chat'))
        .map(({ id, label, provider, location, contextLength, sizeBytes }) => ({ id, label, provider, location, context_length: contextLength, size_bytes: sizeBytes })),
      default: chosen,
    };
  });
  scope.get('/api/v1/chat/setup', { schema: { summary: 'What was found, what is missing, and how to add it', response: { 200: setupAnswer } } }, async (request) => {
    const viewer = viewerFrom(request);
    const providers = await models.providers(viewer);
    // Behind the search, so that it may choose what has just been found.
    const chosen = await defaultModel(parts, viewer);
    return {
      providers: providers.map((provider) => ({
        id: provider.id,
        kind: provider.kind,
        location: provider.location,
        state: provider.state,
        detail: provider.detail,
        how_to_add: provider.howToAdd,
        models: provider.models.map((model) => model.id),
      })),
      models_folder: mayAdminister(viewer) ? modelStore.folder : null,
      default: chosen,
      recommended: modelStore.recommended.map(({ name, source, sizeBytes, licence, description }) => ({ name, source, size_bytes: sizeBytes, licence, description })),
    };
  });
  registerKeys(scope, parts);
}

/** The model that answers where none is named; null when there is none. */
async function defaultModel({ models }: DialectParts, caller: Caller): Promise<string | null> {
  try {
    return (await models.resolve(null, caller)).id;
  } catch (thrown) {
    if (thrown instanceof ParleyError && ['no_model', 'model_not_found', 'no_api_key'].includes(thrown.code)) return null;
    throw thrown;
  }
}

function registerKeys(scope: DialectScope, parts: DialectParts): void {
  const { accounts, models } = parts;
  const shown = (key: { provider: string; hint: string; createdAt: number }): z.output<typeof keyAnswer> => ({
    provider: key.provider,
    hint: key.hint,
    created_at: isoTime(key.createdAt),
  });
  scope.get('/api/v1/chat/keys', { schema: { summary: 'Own keys for model services, masked', response: { 200: keysAnswer } } }, async (request) => ({
    keys: (await accounts.providerKeys(viewerFrom(request).userId)).map(shown),
  }));
  scope.put(
    '/api/v1/chat/keys/:provider',
    { schema: { summary: 'Sets the own key for a model service', params: keyPath, body: keyRequest, response: { 200: keyAnswer } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const { provider } = request.params;
      const known = (await models.providers(viewer)).find((candidate) => candidate.id === provider);
      if (!known) throw new ParleyError('not_found', { message: 'No model service of this name is set up.' });
      await accounts.setProviderKey(viewer.userId, provider, request.body.key);
      const stored = (await accounts.providerKeys(viewer.userId)).find((key) => key.provider === provider);
      if (!stored) throw new ParleyError('conflict', { message: 'The key was removed at the same time.' });
      return shown(stored);
    },
  );
  scope.delete('/api/v1/chat/keys/:provider', { schema: { summary: 'Removes the own key for a model service', params: keyPath } }, async (request, reply) => {
    const removed = await accounts.removeProviderKey(viewerFrom(request).userId, request.params.provider);
    if (!removed) throw new ParleyError('not_found', { message: 'No key is set for this model service.' });
    return reply.code(204).send();
  });
}
