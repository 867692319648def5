import type { EmbedResult } from '../../types.ts';
import { readVector } from '../../wire/index.ts';

/**
 * The body of POST ...:batchEmbedContents, as JSON text. No task is named: then vectors of questions and of documents are
 * made alike and can be compared whatever they are of.
 */
export function toEmbedBody(model: string, texts: readonly string[], dimensions: number | undefined): string {
  return JSON.stringify({
    requests: texts.map((text) => ({ model: `models/${model}`, content: { parts: [{ text }] }, outputDimensionality: dimensions })),
  });
}

/**
 * One vector for each text; null when they are not there. Vectors that were shortened at the caller's wish are no longer
 * of length 1, which the service leaves to its clients: they are made so here, as other services do.
 */
export function readEmbeddings(answer: unknown, texts: number, isShortened: boolean): EmbedResult | null {
  const { embeddings, usageMetadata } = (answer ?? {}) as { embeddings?: unknown; usageMetadata?: { promptTokenCount?: unknown } | null };
  const rows = (Array.isArray(embeddings) ? embeddings : []) as ({ values?: unknown } | null)[];
  const vectors = rows.flatMap((row) => readVector(row?.values) ?? []);
  if (vectors.length !== texts || rows.length !== texts) return null;
  const tokens = usageMetadata?.promptTokenCount;
  return { vectors: isShortened ? vectors.map(normalised) : vectors, tokensIn: typeof tokens === 'number' ? tokens : null };
}

function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}
