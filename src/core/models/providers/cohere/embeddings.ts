import type { EmbedResult } from '../../types.ts';
import { readVector } from '../../wire/index.ts';

/**
 * The body of POST /v2/embed, as JSON text. The service wants to know what the texts are for: they are documents, so that
 * the vectors of equal texts are equal whoever made them. Texts that are too long are refused, not cut without a word.
 */
export function toEmbedBody(model: string, texts: readonly string[], dimensions: number | undefined): string {
  return JSON.stringify({ model, texts, input_type: 'search_document', embedding_types: ['float'], output_dimension: dimensions, truncate: 'NONE' });
}

/** One vector for each text; null when they are not there. */
export function readEmbeddings(answer: unknown, texts: number): EmbedResult | null {
  const { embeddings, meta } = (answer ?? {}) as { embeddings?: { float?: unknown } | null; meta?: { billed_units?: { input_tokens?: unknown } | null } | null };
  const rows: unknown[] = Array.isArray(embeddings?.float) ? embeddings.float : [];
  const vectors = rows.flatMap((row) => readVector(row) ?? []);
  const tokens = meta?.billed_units?.input_tokens;
  return vectors.length === texts && rows.length === texts ? { vectors, tokensIn: typeof tokens === 'number' ? tokens : null } : null;
}
