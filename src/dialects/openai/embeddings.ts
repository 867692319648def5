import { ParleyError } from '../../base/errors.ts';
import { goneSignal, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { budgetHeaders } from './budget-headers.ts';
import { completionBodyBytes } from './completions.ts';
import { embeddingAnswer, embeddingRequest, type EmbeddingRequest } from './schemas.ts';

/** `POST /v1/embeddings`. */
export function registerEmbeddings(scope: DialectScope, parts: DialectParts): void {
  scope.post(
    '/v1/embeddings',
    {
      bodyLimit: completionBodyBytes,
      schema: { summary: 'Turns texts into vectors', body: embeddingRequest, response: { 200: embeddingAnswer } },
    },
    async (request, reply) => {
      const { model, encoding_format: format, dimensions } = request.body;
      const texts = textsOf(request.body);
      const asked = { model: model || null, texts, dimensions: dimensions ?? undefined, dialect: 'openai' };
      const viewer = viewerFrom(request);
      const result = await parts.conversations.embedUnstored(viewer, asked, goneSignal(reply));
      return reply.headers(await budgetHeaders(parts, viewer)).send({
        object: 'list',
        data: result.vectors.map((vector, index) => ({ object: 'embedding' as const, index, embedding: format === 'base64' ? base64(vector) : [...vector] })),
        model: result.model,
        usage: { prompt_tokens: result.tokensIn, total_tokens: result.tokensIn },
      });
    },
  );
}

/** @throws {ParleyError} `unsupported_value` for token numbers, which mean something else to every model */
function textsOf({ input }: EmbeddingRequest): string[] {
  if (typeof input === 'string') return [input];
  if (input.length === 0) throw new ParleyError('invalid_request', { message: 'input must not be empty.', parameter: 'input' });
  if (input.every((item): item is string => typeof item === 'string')) return input;
  throw new ParleyError('unsupported_value', { message: 'input must be a text or a list of texts; token numbers are not supported.', parameter: 'input' });
}

/** The vector as 32-bit floats in little-endian order, which is what OpenAI's clients ask for by default. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, at) => bytes.writeFloatLE(value, at * 4));
  return bytes.toString('base64');
}
