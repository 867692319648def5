import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../../../base/observability/index.ts';
import type { ModelDetails } from '../../types.ts';
import { GgufError, readGgufMetadata, type GgufMetadata } from './gguf-metadata.ts';
import { detailsOf } from './model-details.ts';

/** A model file in the folder, with what it says of itself. */
export interface ModelFile {
  /** File name without `.gguf`: the provider's name of the model. */
  name: string;
  path: string;
  /** Bytes; of all parts when the model is split over several files. */
  sizeBytes: number;
  /** Milliseconds since the epoch. */
  modifiedAt: number;
  kind: 'chat' | 'embedding';
  /** For a person: the name in the metadata, else the file's. */
  label: string;
  architecture: string;
  /** Tokens the model was trained for; null when the file does not say. */
  trainedTokens: number | null;
  /** Bytes the attention cache needs for one token, in half precision; null when it cannot be told. */
  cacheBytesPerToken: number | null;
  licence: string | null;
  details: ModelDetails;
}

/** Architectures that only make embeddings, for files that do not say how they pool. */
const encoders = new Set([
  'bert',
  'nomic-bert',
  'nomic-bert-moe',
  'jina-bert-v2',
  'jina-bert-v3',
  'neo-bert',
  'modern-bert',
  'eurobert',
  'gemma-embedding',
  't5encoder',
]);
/** Values of `pooling_type` (llama.cpp, llama_pooling_type): mean, first token, last token; then ranking. */
const embeddingPoolings = [1, 2, 3];
const rankingPooling = 4;
/** Files that come beside a model and cannot answer alone: image projectors, adapters. */
const companions = new Set(['clip', 'mmproj', 'adapter', 'imatrix', 'control_vector']);
const mostFiles = 1000;
const partName = /^(.*)-(\d{5})-of-(\d{5})$/;

export interface ModelFiles {
  /** All usable models, by name. An absent folder holds none. */
  list(): Promise<ModelFile[]>;
  /** Null when there is no such model now. */
  find(name: string): Promise<ModelFile | null>;
}

/** Watches nothing: each call looks at the folder and reads only files that are new or have changed. */
export function createModelFiles(folder: string, log: Log): ModelFiles {
  let known = new Map<string, ModelFile | null>();

  async function list(): Promise<ModelFile[]> {
    const names = (await readFolder(folder))
      .filter((name) => name.toLowerCase().endsWith('.gguf'))
      .sort()
      .slice(0, mostFiles);
    const next: typeof known = new Map();
    for (const { first, parts } of groupParts(names)) {
      const size = await measure(folder, parts);
      if (size === null) continue;
      const key = `${first} ${size.sizeBytes} ${size.modifiedAt}`;
      next.set(key, known.has(key) ? known.get(key)! : await describe(folder, first, size, log));
    }
    known = next;
    return [...next.values()].filter((file) => file !== null);
  }

  return {
    list,
    find: async (name) => (await list()).find((file) => file.name === name) ?? null,
  };
}

async function readFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Split models (`name-00001-of-00003.gguf`) count once, by their first part, and only when every part is there. */
function groupParts(names: readonly string[]): { first: string; parts: string[] }[] {
  const present = new Set(names);
  return names.flatMap((first) => {
    const split = partName.exec(first.slice(0, -'.gguf'.length));
    if (split === null) return [{ first, parts: [first] }];
    const [, stem, number, total] = split;
    if (Number(number) !== 1) return [];
    const parts = Array.from({ length: Number(total) }, (_, index) => `${stem}-${String(index + 1).padStart(5, '0')}-of-${total}.gguf`);
    return parts.every((part) => present.has(part)) ? [{ first, parts }] : [];
  });
}

async function measure(folder: string, parts: readonly string[]): Promise<{ sizeBytes: number; modifiedAt: number } | null> {
  let sizeBytes = 0;
  let modifiedAt = 0;
  for (const part of parts) {
    const found = await stat(join(folder, part)).catch(() => null);
    if (found === null || !found.isFile()) return null;
    sizeBytes += found.size;
    modifiedAt = Math.max(modifiedAt, Math.floor(found.mtimeMs));
  }
  return { sizeBytes, modifiedAt };
}

/** Null for files that are no model; the log says which and why, once for each version of a file. */
async function describe(
  folder: string,
  fileName: string,
  size: { sizeBytes: number; modifiedAt: number },
  log: Log,
): Promise<ModelFile | null> {
  const path = join(folder, fileName);
  let metadata: GgufMetadata;
  try {
    metadata = await readGgufMetadata(path);
  } catch (error) {
    const problem =
      error instanceof GgufError ? error.message : `It cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`;
    log.warn({ file: fileName, problem }, 'Model file left out');
    return null;
  }
  const { values } = metadata;
  const architecture = text(values.get('general.architecture')) ?? '';
  const kind = modelKind(values, architecture);
  if (!metadata.complete || architecture === '' || kind === null) {
    const problem = !metadata.complete ? 'It ends within its metadata.' : 'It is no model that can chat or make embeddings.';
    log.warn({ file: fileName, problem }, 'Model file left out');
    return null;
  }
  return {
    name: fileName.slice(0, -'.gguf'.length),
    path,
    ...size,
    kind,
    label: text(values.get('general.name')) ?? fileName.slice(0, -'.gguf'.length),
    architecture,
    trainedTokens: positive(values.get(`${architecture}.context_length`)),
    cacheBytesPerToken: cacheBytes(values, architecture),
    licence: text(values.get('general.license')),
    // Tools are called by grammar, whatever the template of the model knows of them.
    details: { ...detailsOf(values, architecture), capabilities: kind === 'chat' ? ['tools'] : [] },
  };
}

/** Null for what can neither chat nor embed. */
function modelKind(values: GgufMetadata['values'], architecture: string): ModelFile['kind'] | null {
  if (companions.has(architecture) || companions.has(String(values.get('general.type') ?? ''))) return null;
  const pooling = values.get(`${architecture}.pooling_type`);
  if (pooling === rankingPooling) return null;
  const embeds = typeof pooling === 'number' && embeddingPoolings.includes(pooling);
  return embeds || encoders.has(architecture) || values.get(`${architecture}.attention.causal`) === false ? 'embedding' : 'chat';
}

function cacheBytes(values: GgufMetadata['values'], architecture: string): number | null {
  const number = (key: string): number | null => positive(values.get(`${architecture}.${key}`));
  const layers = number('block_count');
  const heads = number('attention.head_count');
  const width = number('embedding_length');
  if (layers === null || heads === null || width === null) return null;
  const keyHeads = number('attention.head_count_kv') ?? heads;
  const keyLength = number('attention.key_length') ?? width / heads;
  const valueLength = number('attention.value_length') ?? width / heads;
  return layers * keyHeads * (keyLength + valueLength) * 2;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value.trim().slice(0, 200) : null;
}

function positive(value: unknown): number | null {
  return typeof value === 'number' && value > 0 ? value : null;
}
