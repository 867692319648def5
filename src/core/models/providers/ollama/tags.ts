import type { ModelDetails, ModelInfo } from '../../types.ts';

/** A model as /api/tags lists it. */
export interface InstalledModel {
  name: string;
  digest: string;
  sizeBytes: number | null;
  /** Milliseconds since the epoch; null when not known. */
  modifiedAt: number | null;
  kinds: ModelInfo['kinds'];
  /** Tokens; null when not known. */
  contextLength: number | null;
  /** The model runs in Ollama's cloud though the instance is here. */
  isCloud: boolean;
  details: ModelDetails;
}

/** Models read of one instance, at most. */
const maxModels = 1000;
/** Longest name of a model that is taken for one. */
const maxNameLength = 300;

/** An entry of /api/tags. Nothing in it is trusted to be there. */
interface WireModel {
  name?: unknown;
  digest?: unknown;
  size?: unknown;
  modified_at?: unknown;
  details?: { format?: unknown; family?: unknown; parameter_size?: unknown; quantization_level?: unknown } | null;
}

/** What /api/tags lists. */
export function readTags(answer: unknown): InstalledModel[] {
  const entries = (answer as { models?: unknown } | null)?.models;
  if (!Array.isArray(entries)) return [];
  const models: InstalledModel[] = [];
  for (const entry of entries.slice(0, maxModels) as (WireModel | null)[]) {
    if (typeof entry?.name !== 'string' || entry.name === '' || entry.name.length > maxNameLength) continue;
    const modifiedAt = typeof entry.modified_at === 'string' ? Date.parse(entry.modified_at) : NaN;
    models.push({
      name: entry.name,
      digest: typeof entry.digest === 'string' ? entry.digest : entry.name,
      sizeBytes: typeof entry.size === 'number' && entry.size > 0 ? entry.size : null,
      modifiedAt: Number.isNaN(modifiedAt) ? null : modifiedAt,
      kinds: /embed|(^|[/-])(bge|minilm)/.test(entry.name) ? ['embedding'] : ['chat'],
      contextLength: null,
      isCloud: /[:-]cloud$/.test(entry.name),
      details: {
        format: shortText(entry.details?.format),
        architecture: shortText(entry.details?.family),
        parameterSize: shortText(entry.details?.parameter_size),
        quantisation: shortText(entry.details?.quantization_level),
        licence: null,
        trainedTokens: null,
        embeddingLength: null,
        capabilities: null,
        sha256: typeof entry.digest === 'string' ? (/^(?:sha256:)?([0-9a-f]{64})$/.exec(entry.digest)?.[1] ?? null) : null,
      },
    });
  }
  return models;
}

/** A text of a service for people to read; null when it is none. */
function shortText(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value.trim().slice(0, 200) : null;
}

/** What /api/show adds. */
export function readDetails(answer: unknown, model: InstalledModel): Pick<InstalledModel, 'contextLength' | 'kinds' | 'details'> {
  const { model_info: info, capabilities, parameters } = answer as { model_info?: Record<string, unknown> | null; capabilities?: unknown; parameters?: unknown };
  const architecture = info?.['general.architecture'];
  const whole = (key: string): number | null => {
    const value = typeof architecture === 'string' ? info?.[`${architecture}.${key}`] : null;
    return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : null;
  };
  const known = whole('context_length');
  // A Modelfile may set a smaller context than the model was trained with.
  const set = typeof parameters === 'string' ? Number(/^num_ctx\s+(\d+)/m.exec(parameters)?.[1] ?? NaN) : NaN;
  const contextLength = Number.isNaN(set) ? known : Math.min(set, known ?? set);
  const details: ModelDetails = {
    ...model.details,
    architecture: shortText(architecture) ?? model.details.architecture,
    licence: shortText(info?.['general.license']),
    trainedTokens: known,
    embeddingLength: whole('embedding_length'),
    capabilities: Array.isArray(capabilities) ? (['tools', 'vision', 'thinking'] as const).filter((name) => capabilities.includes(name)) : null,
  };
  if (!Array.isArray(capabilities)) return { contextLength, kinds: model.kinds, details };
  const kinds: ModelInfo['kinds'] = [];
  if (capabilities.includes('completion')) kinds.push('chat');
  if (capabilities.includes('embedding')) kinds.push('embedding');
  return { contextLength, kinds, details };
}

/** Names that /api/ps lists: the models in memory. */
export function readRunning(answer: unknown): string[] {
  const entries = (answer as { models?: unknown } | null)?.models;
  if (!Array.isArray(entries)) return [];
  return (entries.slice(0, maxModels) as ({ name?: unknown } | null)[]).flatMap((entry) => (typeof entry?.name === 'string' && entry.name !== '' && entry.name.length <= maxNameLength ? [entry.name] : []));
}
