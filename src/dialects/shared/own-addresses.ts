import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Health } from './health.ts';
import { serverDialect } from './plain.ts';
import type { DialectParts } from './types.ts';
import { requireAdmin, viewerOf } from './viewers.ts';

const healthSchema = z.object({
  status: z.enum(['healthy', 'degraded']),
  timestamp: z.string(),
  version: z.string(),
  uptime_seconds: z.number(),
  database: z.enum(['up', 'down']),
  redis: z.enum(['up', 'down', 'off']),
});

/** /health for everyone; /metrics for administrators and under local trust. */
export function serveOwnAddresses(app: FastifyInstance, parts: DialectParts, health: () => Promise<Health>): void {
  const scope = app.withTypeProvider<ZodTypeProvider>();
  const config = { dialect: serverDialect };
  scope.get(
    '/health',
    {
      config,
      schema: { tags: ['server'], security: [], summary: 'Whether the server, its database and its Redis work', response: { 200: healthSchema } },
    },
    async () => health(),
  );
  scope.get(
    '/metrics',
    { config, schema: { tags: ['server'], summary: 'Figures for Prometheus. Local trust or an administrator' } },
    async (request, reply) => {
      requireAdmin(await viewerOf(parts.accounts, request, { localTrust: true, cookie: true }));
      return reply.type(parts.metrics.registry.contentType).send(await parts.metrics.registry.metrics());
    },
  );
}
