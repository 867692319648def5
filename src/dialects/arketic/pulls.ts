import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { ModelPull } from '../../core/models/index.ts';
import { goneSignal, requireAdmin, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { filePath, inspection, inspectQuery, pullAnswer, pullPath, pullRequest, pullsAnswer } from './model-schemas.ts';

/** Fetching model files, for administrators: nothing goes out to the network before one of them asks for it. */
export function registerPulls(scope: DialectScope, { modelStore }: DialectParts): void {
  const adminOnly = { onRequest: async (request: FastifyRequest) => requireAdmin(viewerFrom(request)) };
  scope.get(
    '/api/v1/chat/models/inspect',
    { ...adminOnly, schema: { summary: 'Looks at a GGUF file before it is fetched', querystring: inspectQuery, response: { 200: inspection } } },
    async (request, reply) => {
      const found = await modelStore.inspect(request.query.source, goneSignal(reply));
      const { fileName, sizeBytes, contextLength, freeBytes, ...same } = found;
      return { ...same, file_name: fileName, size_bytes: sizeBytes, context_length: contextLength, free_bytes: freeBytes };
    },
  );
  scope.post(
    '/api/v1/chat/models/pull',
    { ...adminOnly, schema: { summary: 'Fetches a GGUF file into the models folder', body: pullRequest, response: { 202: pullAnswer } } },
    async (request, reply) => {
      const { source, sha256 } = request.body;
      const pull = await modelStore.pull(source, { sha256: sha256?.toLowerCase() ?? null, userId: viewerFrom(request).userId });
      return reply.code(202).send(shown(pull));
    },
  );
  scope.get('/api/v1/chat/models/pulls', { ...adminOnly, schema: { summary: 'Downloads, the newest first', response: { 200: pullsAnswer } } }, async () => ({
    pulls: (await modelStore.pulls()).map(shown),
  }));
  for (const action of ['cancel', 'resume'] as const) {
    scope.post(
      `/api/v1/chat/models/pulls/:pull_id/${action}`,
      { ...adminOnly, schema: { summary: action === 'cancel' ? 'Stops a download; what came is kept' : 'Goes on with a download', params: pullPath, response: { 200: pullAnswer } } },
      async (request) => shown(await modelStore[action](request.params.pull_id)),
    );
  }
  scope.delete(
    '/api/v1/chat/models/files/:file_name',
    { ...adminOnly, schema: { summary: 'Removes a GGUF file from the models folder', params: filePath } },
    async (request, reply) => {
      await modelStore.remove(request.params.file_name);
      return reply.code(204).send();
    },
  );
}

function shown(pull: ModelPull): z.output<typeof pullAnswer> {
  return {
    id: pull.id,
    source: pull.source,
    file_name: pull.fileName,
    state: pull.state,
    received_bytes: pull.receivedBytes,
    size_bytes: pull.sizeBytes,
    bytes_per_second: pull.bytesPerSecond,
    error: pull.error,
  };
}
