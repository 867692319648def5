import type { EmbedResult } from '../../types.ts';
import { readVector } from '../../wire/index.ts';

/** The body of POST /embeddings, as JSON text. */
export function toEmbedBody(model: string, texts: readonly string[], dimensions: number | undefined): string {
  return JSON.stringify({ model, input: texts, encoding_format: 'float', dimensions });
}

/** One vector for each text, in the order of their numbers; null when they are not there. */
export function readEmbeddings(answer: unknown, texts: number): EmbedResult | null {
  const { data, usage } = (answer ?? {}) as { data?: unknown; usage?: { prompt_tokens?: unknown } | null };
  const rows = (Array.isArray(data) ? data : []) as ({ index?: unknown; embedding?: unknown } | null)[];
  const numbered = new Map(rows.map((row) => [row?.index, row]));
  const vectors = Array.from({ length: texts }, (_item, index) => toVector((numbered.get(index) ?? rows[index])?.embedding)).filter((vector) => vector !== null);
  const tokens = usage?.prompt_tokens;
  return vectors.length === texts ? { vectors, tokensIn: typeof tokens === 'number' ? tokens : null } : null;
}

/** Numbers, or base64 of little-endian 32-bit floats, which some servers send whatever was asked. */
function toVector(value: unknown): Float32Array | null {
  if (typeof value !== 'string' || value === '') return readVector(value);
  const bytes = Buffer.from(value, 'base64');
  return bytes.length >= 4 && bytes.length % 4 === 0 ? Float32Array.from({ length: bytes.length / 4 }, (_item, index) => bytes.readFloatLE(index * 4)) : null;
}
