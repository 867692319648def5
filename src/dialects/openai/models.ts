import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import type { ModelInfo } from '../../core/models/index.ts';
import { text, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { modelList, modelObject } from './schemas.ts';

/** What `created` says of a model whose age nobody knows: OpenAI's form is a number, and strict clients refuse null. */
const unknownCreation = 0;

/** `GET /v1/models` and `GET /v1/models/{id}`; ids hold slashes. */
export function registerModels(scope: DialectScope, parts: DialectParts): void {
  scope.get('/v1/models', { schema: { summary: 'Models that can be asked now', response: { 200: modelList } } }, async (request) => {
    const { userId, role } = viewerFrom(request);
    return { object: 'list' as const, data: (await parts.models.list({ userId, role })).map(describe) };
  });
  scope.get(
    '/v1/models/*',
    { schema: { summary: 'One model, by its id or a name that requests understand', params: z.object({ '*': text({ min: 1, max: 500 }) }), response: { 200: modelObject } } },
    async (request) => {
      const { userId, role } = viewerFrom(request);
      const id = request.params['*'];
      const caller = { userId, role };
      const listed = await parts.models.list(caller);
      const found = listed.find((model) => model.id === id) ?? (await namedOtherwise(parts, caller, id, listed));
      if (!found) throw new ParleyError('model_not_found', { message: `The model ${JSON.stringify(id.slice(0, 200))} does not exist.` });
      return describe(found);
    },
  );
}

/** The model that a request with this name would ask: bare names are understood here, too. */
async function namedOtherwise({ models }: DialectParts, caller: Parameters<DialectParts['models']['resolve']>[1], name: string, listed: readonly ModelInfo[]): Promise<ModelInfo | undefined> {
  try {
    const { id } = await models.resolve(name, caller);
    return listed.find((model) => model.id === id);
  } catch (error) {
    if (error instanceof ParleyError) return undefined;
    throw error;
  }
}

function describe(model: ModelInfo): z.output<typeof modelObject> {
  return { id: model.id, object: 'model', created: model.createdAt === null ? unknownCreation : Math.floor(model.createdAt / 1000), owned_by: model.provider };
}
