import { goneSignal, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { nanoseconds } from './answers.ts';
import { findModel } from './names.ts';
import { embeddingsRequest, embedRequest } from './schemas.ts';

/** Bytes of a request: many texts may come at once. */
const bodyBytes = 8 * 1_048_576;

/** `POST /api/embed`, and the older `POST /api/embeddings` for one text. */
export function registerEmbeddings(scope: DialectScope, parts: DialectParts): void {
  const { clock, conversations } = parts;
  scope.post('/api/embed', { bodyLimit: bodyBytes, schema: { summary: 'Turns texts into vectors', body: embedRequest } }, async (request, reply) => {
    const began = clock.monotonic();
    const viewer = viewerFrom(request);
    const { model, input, dimensions } = request.body;
    const { id, names } = await findModel(parts, viewer, model);
    const texts = typeof input === 'string' ? [input].filter((text) => text !== '') : (input ?? []);
    if (texts.length === 0) return reply.send({ model: names.shown(id), embeddings: [] });
    const result = await conversations.embedUnstored(viewer, { model: id, texts, dimensions: dimensions || undefined, dialect: 'ollama' }, goneSignal(reply));
    return reply.send({
      model: names.shown(result.model),
      embeddings: result.vectors.map((vector) => [...ofLengthOne(vector)]),
      total_duration: nanoseconds(clock.monotonic() - began),
      ...(result.tokensIn === null ? {} : { prompt_eval_count: result.tokensIn }),
    });
  });
  scope.post('/api/embeddings', { bodyLimit: bodyBytes, schema: { summary: 'Turns one text into a vector, as older clients ask for it', body: embeddingsRequest } }, async (request, reply) => {
    const viewer = viewerFrom(request);
    const { id } = await findModel(parts, viewer, request.body.model);
    if (!request.body.prompt) return reply.send({ embedding: [] });
    const { vectors } = await conversations.embedUnstored(viewer, { model: id, texts: [request.body.prompt], dialect: 'ollama' }, goneSignal(reply));
    return reply.send({ embedding: [...vectors[0]!] });
  });
}

/** Ollama gives vectors of length 1 at /api/embed, so that clients compare them by their product. */
function ofLengthOne(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return sum === 0 ? vector : vector.map((value) => value / Math.sqrt(sum));
}
