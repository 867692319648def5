import type { FastifyInstance } from 'fastify';
import { ParleyError } from '../../../base/errors.ts';
import { pathOf } from '../paths.ts';
import { serverDialect } from '../plain.ts';
import { isHandshake, socketIoPath } from './server.ts';
import type { SocketIo } from './types.ts';

/** The client library, as it stands in the package. */
const clientFile = /^\/socket\.io\/socket\.io(?:\.esm|\.msgpack)?(?:\.min)?\.js(?:\.map)?$/;

/** Hands the requests of Socket.IO's clients over before their bodies are read. */
export function serveSocketIo(app: FastifyInstance, socketIo: SocketIo): void {
  app.route({
    method: ['GET', 'POST'],
    url: `${socketIoPath}*`,
    exposeHeadRoute: false,
    config: { dialect: serverDialect, handsOver: true },
    schema: { hide: true },
    onRequest: async (request, reply) => {
      const isClient = request.method === 'GET' && clientFile.test(pathOf(request.url));
      const query = request.query as Record<string, unknown>;
      if (!isClient && (query['EIO'] === undefined || pathOf(request.url) !== socketIoPath)) throw new ParleyError('not_found');
      if (!isClient && isHandshake(query['sid'])) await socketIo.admit(request.raw);
      request.streams = true;
      // A public library: pages of other origins that may use this server load it from here, too.
      if (isClient) reply.header('cross-origin-resource-policy', 'cross-origin');
      reply.hijack();
      for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value);
      socketIo.handleRequest(request.raw, reply.raw);
    },
    handler: async () => {
      throw new ParleyError('not_found');
    },
  });
}
