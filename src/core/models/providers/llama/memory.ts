import { ParleyError } from '../../../../base/errors.ts';
import type { ModelFile } from './model-files.ts';
import { contextLength, sequenceCount, type EngineSettings } from './options.ts';

/** What the engine needs beside the model and its cache: work space and the library. */
const overheadBytes = 200 * 1024 * 1024;
/** Part of the memory that is free at the start which the models may take when no setting says how much. */
const usualShare = 0.8;

/** Memory a model takes, estimated before it is loaded. */
export interface ModelMemory {
  bytes: number;
  /** Part of it for the context of all conversations together. */
  cacheBytes: number;
  cachedTokens: number;
}

export function modelMemory(file: ModelFile, settings: EngineSettings): ModelMemory {
  const tokens = contextLength(file, settings);
  const cachedTokens = file.kind === 'chat' ? tokens * sequenceCount(settings) : tokens;
  const cacheBytes = (file.cacheBytesPerToken ?? 0) * cachedTokens;
  return { bytes: file.sizeBytes + cacheBytes + overheadBytes, cacheBytes, cachedTokens };
}

/** Bytes all models may take together. @param freeBytes what is free at the start */
export function memoryBudget(settings: EngineSettings, freeBytes: number): number {
  return settings.memoryBytes > 0 ? settings.memoryBytes : Math.floor(freeBytes * usualShare);
}

/**
 * Why a model is not loaded, which would push this machine into swapping or be killed half-way.
 * @param limit whether it exceeds what models may take, or what is free now
 * @param bytes of that
 * @returns `provider_unavailable`, saying how much is needed, how much there is, and what to change
 */
export function memoryError(file: ModelFile, settings: EngineSettings, limit: 'budget' | 'available', bytes: number): ParleyError {
  const { bytes: needed, cacheBytes, cachedTokens } = modelMemory(file, settings);
  const there =
    limit === 'available'
      ? `${gigabytes(bytes)} are free`
      : settings.memoryBytes > 0
        ? `LLAMA_MEMORY allows ${gigabytes(bytes)}`
        : `models may take ${gigabytes(bytes)} on this machine (four fifths of what was free at the start; LLAMA_MEMORY sets another limit)`;
  const others = limit === 'available' ? ', or close other programs.' : '.';
  const remedy =
    file.sizeBytes + overheadBytes <= bytes
      ? `Lower LLAMA_CONTEXT or LLAMA_SEQUENCES${others}`
      : `Take a smaller model or a stronger quantisation of this one${others}`;
  return new ParleyError('provider_unavailable', {
    message:
      `The model ${file.name} needs about ${gigabytes(needed)} of memory (${gigabytes(file.sizeBytes)} for the model, ` +
      `${gigabytes(cacheBytes)} for ${cachedTokens} tokens of context) and ${there}. ${remedy}`,
  });
}

/** `1.5 GB`, with one digit behind the point; small sizes in MB. */
export function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
