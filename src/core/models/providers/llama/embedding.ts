import { ParleyError } from '../../../../base/errors.ts';
import type { EmbedRequest, EmbedResult } from '../../types.ts';
import type { LoadedModel } from './engine.ts';

/**
 * One vector of length 1 for each text.
 * @throws {ParleyError} `context_overflow` for a text that is too long, `unsupported_value` for a width the model does
 *   not have, `cancelled`
 */
export async function embedTexts(loaded: LoadedModel, request: EmbedRequest, signal: AbortSignal): Promise<EmbedResult> {
  const width = loaded.model.embeddingVectorSize;
  if (request.dimensions !== undefined && request.dimensions !== width) {
    throw new ParleyError('unsupported_value', {
      message: `${loaded.file.name} makes vectors of ${width} numbers, not ${request.dimensions}.`,
      parameter: 'dimensions',
    });
  }
  const context = await loaded.embedding();
  const lengths = request.texts.map((text) => context.calculateInputLength(text));
  const tooLong = lengths.findIndex((length) => length > loaded.embeddingTokens);
  if (tooLong >= 0) {
    throw new ParleyError('context_overflow', {
      message: `Text ${tooLong + 1} has ${lengths[tooLong]} tokens and ${loaded.file.name} embeds at most ${loaded.embeddingTokens} at once.`,
    });
  }
  const vectors: Float32Array[] = [];
  for (const text of request.texts) {
    if (signal.aborted) throw new ParleyError('cancelled');
    vectors.push(ofLengthOne(Float32Array.from((await context.getEmbeddingFor(text)).vector), width));
  }
  return { vectors, tokensIn: lengths.reduce((sum, length) => sum + length, 0) };
}

/** An empty text has no tokens and so no direction: all zeros. */
function ofLengthOne(vector: Float32Array, width: number): Float32Array {
  if (vector.length === 0) return new Float32Array(width);
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}
