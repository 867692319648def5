import type { Clock } from '../../../../base/clock.ts';
import { createBreaker, type Breaker } from '../../breaker.ts';
import type { ModelDetails, ModelInfo } from '../../types.ts';
import { callJson, parseAddress, type Address, type HttpClient, type HttpRequest, type Service } from '../../wire/index.ts';
import { isParleyItself, label, readStatusError } from './errors.ts';

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

/** One running Ollama. */
export interface Instance {
  address: Address;
  service: Service;
  breaker: Breaker;
  /** What it had when it was last asked; null before that. */
  models: ReadonlyMap<string, InstalledModel> | null;
  /** Whether it answered when it was last asked or used. */
  isReachable: boolean;
  /** What answers there is the Ollama port of this or another Parley: it is never used, else answers would go round in circles. */
  isParley: boolean;
  /** Monotonic time of the last look at it. */
  lookedAt: number;
  /** Moving average of the milliseconds to its first token; null before the first answer. */
  responseMs: number | null;
  /** Answers it is making for us now. */
  running: number;
  /** Asks what it has. @throws {ParleyError} when it does not say */
  look(signal: AbortSignal): Promise<ReadonlyMap<string, InstalledModel>>;
  request(method: 'GET' | 'POST', path: string, signal: AbortSignal, body?: string): HttpRequest;
  /** Takes the time to a first token into the average. */
  measured(milliseconds: number): void;
}

/** Weight of the newest measurement in the average. */
const newestWeight = 0.3;
/** Models read of one instance, at most, and details asked for at the same time. */
const maxModels = 1000;
const detailsAtOnce = 4;

/** @throws {Error} when the URL cannot be used */
export function createInstance(url: string, client: HttpClient, clock: Clock): Instance {
  const address = parseAddress(url);
  const service: Service = {
    client,
    label: `${label} at ${address.host}`,
    host: address.host,
    readError: (status, body, answer) => readStatusError(status, body, answer.headers, clock.now()),
  };
  /** Details by digest: they never change. */
  const details = new Map<string, Pick<InstalledModel, 'contextLength' | 'kinds' | 'details'>>();

  const instance: Instance = {
    address,
    service,
    breaker: createBreaker(clock),
    models: null,
    isReachable: true,
    isParley: false,
    lookedAt: -Infinity,
    responseMs: null,
    running: 0,
    request(method, path, signal, body) {
      const headers: Record<string, string> = { 'x-parley-provider': 'ollama', ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
      return { method, origin: address.origin, path: address.path + path, headers, signal, ...(body === undefined ? {} : { body }) };
    },
    async look(signal) {
      instance.lookedAt = clock.monotonic();
      try {
        const answer = await callJson(service, instance.request('GET', '/api/tags', signal));
        const models = readTags(answer);
        const unknown = models.filter((model) => !details.has(model.digest));
        for (let from = 0; from < unknown.length; from += detailsAtOnce) {
          await Promise.all(unknown.slice(from, from + detailsAtOnce).map(async (model) => {
            const body = JSON.stringify({ model: model.name });
            // One model without details must not hide the others: it is asked about again at the next look.
            const shown = await callJson(service, instance.request('POST', '/api/show', signal, body)).catch(() => null);
            if (shown !== null) details.set(model.digest, readDetails(shown, model));
          }));
        }
        instance.models = new Map(models.map((model) => [model.name, { ...model, ...details.get(model.digest) }]));
        instance.isReachable = true;
        instance.isParley = false;
        return instance.models;
      } catch (thrown) {
        instance.isReachable = false;
        instance.isParley = isParleyItself(thrown);
        throw thrown;
      }
    },
    measured(milliseconds) {
      instance.responseMs = instance.responseMs === null ? milliseconds : instance.responseMs * (1 - newestWeight) + milliseconds * newestWeight;
    },
  };
  return instance;
}

/** An entry of /api/tags. Nothing in it is trusted to be there. */
interface WireModel {
  name?: unknown;
  digest?: unknown;
  size?: unknown;
  modified_at?: unknown;
  details?: { format?: unknown; family?: unknown; parameter_size?: unknown; quantization_level?: unknown } | null;
}

function readTags(answer: unknown): InstalledModel[] {
  const entries = (answer as { models?: unknown } | null)?.models;
  if (!Array.isArray(entries)) return [];
  const models: InstalledModel[] = [];
  for (const entry of entries.slice(0, maxModels) as (WireModel | null)[]) {
    if (typeof entry?.name !== 'string' || entry.name === '' || entry.name.length > 200) continue;
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
function readDetails(answer: unknown, model: InstalledModel): Pick<InstalledModel, 'contextLength' | 'kinds' | 'details'> {
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
