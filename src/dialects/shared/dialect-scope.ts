import type { FastifyInstance, HTTPMethods } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { ParleyError } from '../../base/errors.ts';
import type { Dialect, DialectParts } from './types.ts';
import { requireViewer, type Guard } from './viewers.ts';

/** A scope whose routes are validated and typed by zod schemas. */
export type DialectScope = ReturnType<typeof typed>;

function typed(app: FastifyInstance) {
  return app.withTypeProvider<ZodTypeProvider>();
}

/**
 * Registers routes of one dialect: errors take its form, and, with `guard`, every request proves a viewer and is
 * counted before anything else of it is looked at.
 */
export function registerScope(
  app: FastifyInstance,
  parts: DialectParts,
  dialect: Dialect,
  guard: Guard | null,
  routes: (scope: DialectScope) => void,
): void {
  app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, dialect };
      route.schema = { tags: [dialect.name], ...(guard ? {} : { security: [] }), ...route.schema };
    });
    const { switches } = parts;
    if (switches) {
      scope.addHook('onRequest', async () => {
        if (!switches.isOn(dialect.name)) throw new ParleyError('switched_off');
      });
    }
    if (dialect.headers) scope.addHook('onRequest', async (_request, reply) => void reply.headers(dialect.headers!()));
    if (guard) {
      const { onRequest, preValidation, stop } = requireViewer(parts, guard);
      scope.addHook('onRequest', onRequest);
      scope.addHook('preValidation', preValidation);
      scope.addHook('onClose', async () => stop());
    }
    routes(typed(scope));
  });
}

/** Methods and a path that a document names but that are not built yet. */
export type NotBuilt = readonly [methods: HTTPMethods | readonly HTTPMethods[], path: string];

/** Registers addresses that answer 501 in the form of the dialect. Their bodies are not looked at. */
export function registerNotBuilt(scope: DialectScope, list: readonly NotBuilt[]): void {
  for (const [methods, url] of list) {
    scope.route({
      method: [methods].flat() as HTTPMethods[],
      url,
      config: { notBuilt: true },
      schema: { hide: true },
      exposeHeadRoute: false,
      onRequest: async () => {
        throw new ParleyError('not_implemented');
      },
      handler: async () => {
        throw new ParleyError('not_implemented');
      },
    });
  }
}
