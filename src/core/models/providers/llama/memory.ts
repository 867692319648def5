import { ParleyError } from '../../../../base/errors.ts';
import type { ModelFile } from './model-files.ts';

/** What the engine needs beside the model and its cache: work space and the library. */
const overheadBytes = 200 * 1024 * 1024;

/**
 * Refuses a model that would push this machine into swapping or be killed half-way.
 * @param cachedTokens tokens of context in all conversations together
 * @param availableBytes memory that may be used now
 * @throws {ParleyError} `provider_unavailable`, saying how much is needed, how much there is, and what to change
 */
export function checkMemory(file: ModelFile, cachedTokens: number, availableBytes: number): void {
  const cacheBytes = (file.cacheBytesPerToken ?? 0) * cachedTokens;
  const needed = file.sizeBytes + cacheBytes + overheadBytes;
  if (needed <= availableBytes) return;
  const remedy =
    file.sizeBytes + overheadBytes <= availableBytes
      ? 'Lower LLAMA_CONTEXT or LLAMA_SEQUENCES, or close other programs.'
      : 'Take a smaller model or a stronger quantisation of this one, or close other programs.';
  throw new ParleyError('provider_unavailable', {
    message:
      `The model ${file.name} needs about ${gigabytes(needed)} of memory (${gigabytes(file.sizeBytes)} for the model, ` +
      `${gigabytes(cacheBytes)} for ${cachedTokens} tokens of context) and ${gigabytes(availableBytes)} are free. ${remedy}`,
  });
}

/** `1.5 GB`, with one digit behind the point; small sizes in MB. */
export function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
