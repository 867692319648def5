import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { ModelInfo } from '../../core/models/index.ts';
import { viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { createNames, findModel, type Names } from './names.ts';
import { nameRequest } from './schemas.ts';

/** What Ollama writes where a time is not known: Go's zero time. */
const unknownTime = '0001-01-01T00:00:00Z';
/** The digest of what nobody has a digest of. Ollama's own program shows the first 12 characters, and ends where there are none. */
const unknownDigest = '0'.repeat(64);
/** When a model leaves memory that stays until its memory is needed: clients show a far day as "forever". */
const farFuture = '9999-12-31T23:59:59Z';

/** `GET /api/tags`, `POST /api/show` and `GET /api/ps`. What is not known is empty, as Ollama leaves it. */
export function registerModels(scope: DialectScope, parts: DialectParts): void {
  const { models } = parts;
  scope.get('/api/tags', { schema: { summary: 'Models that can be asked now' } }, async (request) => {
    const list = await models.list(viewerFrom(request));
    const names = createNames(list);
    // Models that only draw have no place in Ollama's list.
    return { models: list.filter((model) => model.kinds.some((kind) => kind !== 'image')).toSorted((one, other) => (other.createdAt ?? 0) - (one.createdAt ?? 0)).map((model) => listed(model, names)) };
  });
  scope.post('/api/show', { schema: { summary: 'What is known of a model', body: nameRequest } }, async (request) => {
    const { id, info } = await findModel(parts, viewerFrom(request), nameIn(request.body));
    return shown(id, info);
  });
  scope.get('/api/ps', { schema: { summary: 'Models in the memory of this server' } }, async (request) => {
    const list = await models.list(viewerFrom(request));
    const names = createNames(list);
    return {
      models: models.loaded().map((loaded) => ({
        name: names.shown(loaded.id),
        model: names.shown(loaded.id),
        size: loaded.sizeBytes,
        digest: digest(list.find((model) => model.id === loaded.id)),
        details: details(list.find((model) => model.id === loaded.id)),
        expires_at: loaded.expiresAt === null ? farFuture : isoTime(loaded.expiresAt),
        size_vram: loaded.gpuBytes,
        context_length: loaded.contextLength,
      })),
    };
  });
}

/** The model that a body names. @throws {ParleyError} `invalid_request` */
export function nameIn({ model, name }: { model?: string | null; name?: string | null }): string {
  const given = (model || name || '').trim();
  if (given === '') throw new ParleyError('invalid_request', { message: 'model is required', parameter: 'model' });
  return given;
}

function listed(model: ModelInfo, names: Names): object {
  return { name: names.shown(model.id), model: names.shown(model.id), modified_at: time(model), size: model.sizeBytes ?? 0, digest: digest(model), details: details(model) };
}

function shown(id: string, model: ModelInfo | null): object {
  const { architecture, embeddingLength, capabilities, licence } = model?.details ?? {};
  const contextLength = model?.contextLength ?? model?.details?.trainedTokens ?? null;
  return {
    ...(licence ? { license: licence } : {}),
    ...(model?.contextLength ? { parameters: `num_ctx ${model.contextLength}` } : {}),
    details: details(model ?? undefined),
    model_info: {
      'general.basename': model?.model ?? id,
      ...(architecture ? { 'general.architecture': architecture } : {}),
      ...(architecture && contextLength !== null ? { [`${architecture}.context_length`]: contextLength } : {}),
      ...(architecture && embeddingLength ? { [`${architecture}.embedding_length`]: embeddingLength } : {}),
    },
    capabilities: [...(model?.kinds ?? ['chat']).map((kind) => (kind === 'chat' ? 'completion' : kind)), ...(capabilities ?? [])],
    modified_at: model ? time(model) : unknownTime,
  };
}

function details(model: ModelInfo | undefined): object {
  const { format, architecture, parameterSize, quantisation } = model?.details ?? {};
  return {
    parent_model: '',
    format: format ?? '',
    family: architecture ?? '',
    families: architecture ? [architecture] : [],
    parameter_size: parameterSize ?? '',
    quantization_level: quantisation ?? '',
  };
}

function digest(model: ModelInfo | undefined): string {
  return model?.details?.sha256 || unknownDigest;
}

function time(model: ModelInfo): string {
  return model.createdAt === null ? unknownTime : isoTime(model.createdAt);
}
