import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { ModelInfo } from '../../core/models/index.ts';
import type { DialectParts } from '../shared/index.ts';
import { sourceOf } from './sources.ts';

/** Names of models both ways. The rule stands in docs/ollama-api.md. */
export interface Names {
  /** The name that a list shows for an id; a client may send it back. */
  shown(id: string): string;
  /** The listed model that a name means; undefined when the list does not say. */
  listed(name: string): ModelInfo | undefined;
}

/** Ollama's names have a tag, `latest` where none is given. */
export function tagged(name: string): string {
  return /:[^/:]+$/.test(name) ? name : `${name}:latest`;
}

/**
 * A model is shown by its own name where that leaves no doubt, else with its provider in front: when another model has
 * the same name, or when the name begins like an id of another provider.
 */
export function createNames(models: readonly ModelInfo[]): Names {
  const providers = new Set(models.map((model) => model.provider));
  const counts = new Map<string, number>();
  for (const { model } of models) counts.set(tagged(model), (counts.get(tagged(model)) ?? 0) + 1);
  const shown = new Map<string, string>();
  const byName = new Map<string, ModelInfo>();
  for (const info of models) {
    const bare = tagged(info.model);
    const isClear = counts.get(bare) === 1 && !(bare.includes('/') && providers.has(bare.slice(0, bare.indexOf('/'))));
    shown.set(info.id, isClear ? bare : tagged(info.id));
    byName.set(tagged(info.id), info);
    if (isClear) byName.set(bare, info);
  }
  return { shown: (id) => shown.get(id) ?? tagged(id), listed: (name) => byName.get(tagged(name)) };
}

/** A model that a request names. */
export interface Found {
  /** `provider/model`. */
  id: string;
  /** What the list says of it; null for models of services that do not list them. */
  info: ModelInfo | null;
  names: Names;
}

/**
 * The model of a name in a request: the listed one of that name, the file that was fetched under that name, or what the
 * rule for bare names gives (docs/models.md). Never another one.
 * @throws {ParleyError} `model_not_found` in Ollama's words, and what `Models.resolve` throws
 */
export async function findModel(parts: DialectParts, viewer: Viewer, asked: string): Promise<Found> {
  const name = asked.trim();
  if (name === '') throw new ParleyError('invalid_request', { message: 'model is required', parameter: 'model' });
  const models = await parts.models.list(viewer);
  const names = createNames(models);
  const info = names.listed(name) ?? (await fetchedAs(parts, name, models));
  if (info) return { id: info.id, info, names };
  try {
    const { id } = await parts.models.resolve(name.replace(/:latest$/, ''), viewer);
    // It may have come since the list was made.
    const renewed = await parts.models.list(viewer);
    return { id, info: renewed.find((model) => model.id === id) ?? null, names: createNames(renewed) };
  } catch (thrown) {
    if (!(thrown instanceof ParleyError) || thrown.code !== 'model_not_found') throw thrown;
    throw new ParleyError('model_not_found', { message: `model ${JSON.stringify(name.slice(0, 200))} not found, try pulling it first`, parameter: 'model' });
  }
}

/** Whoever pulled `hf.co/owner/repository:Q4_K_M` asks for it by this name: the file that came of it. */
async function fetchedAs({ modelStore }: DialectParts, name: string, models: readonly ModelInfo[]): Promise<ModelInfo | undefined> {
  const source = sourceOf(name);
  if (source === null) return undefined;
  const pull = (await modelStore.pulls()).find((candidate) => candidate.source === source && candidate.state === 'done');
  return pull && models.find((model) => model.id === `llama/${pull.fileName?.replace(/\.gguf$/i, '')}`);
}
