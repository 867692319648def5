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
    { schema: { summary: 'One model, by its id', params: z.object({ '*': text({ min: 1, max: 500 }) }), response: { 200: modelObject } } },
    async (request) => {
      const { userId, role } = viewerFrom(request);
      const id = request.params['*'];
      const found = (await parts.models.list({ userId, role })).find((model) => model.id === id);
      if (!found) throw new ParleyError('model_not_found', { message: `The model ${JSON.stringify(id.slice(0, 200))} does not exist.` });
      return describe(found);
    },
  );
}

function describe(model: ModelInfo): z.output<typeof modelObject> {
  return { id: model.id, object: 'model', created: model.createdAt === null ? unknownCreation : Math.floor(model.createdAt / 1000), owned_by: model.provider };
}
