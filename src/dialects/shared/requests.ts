import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import { randomToken } from '../../base/ids.ts';
import type { Tracer } from '../../base/observability/index.ts';
import { ambiguity, isSecure } from './addresses.ts';
import { pathOf } from './paths.ts';
import { serverDialect } from './plain.ts';
import type { Dialect, DialectParts } from './types.ts';

/** What every answer carries that is no page: no sniffing, no framing, no caching, nothing to run. */
const answerHeaders: Record<string, string> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

const requestIdForm = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Names requests: the caller's own x-request-id where it is harmless, else a random name of this process and a number.
 * A random id for each request would cost as much as reading it.
 */
export function createRequestIds(): (request: { headers: Record<string, string | string[] | undefined> }) => string {
  const process = randomToken(6);
  let count = 0;
  return (request) => {
    const given = request.headers['x-request-id'];
    return typeof given === 'string' && requestIdForm.test(given) ? given : `${process}-${(count += 1)}`;
  };
}

/**
 * Hooks of every request: id, headers, cross-origin answers, refusing while the server stops, the log line, the figures.
 * @param dialectAt whose path it is, also where no route stands
 */
export function addRequestHooks(app: FastifyInstance, parts: DialectParts, state: { draining: boolean }, dialectAt: (path: string) => Dialect): void {
  const { accounts, clock, log, metrics, settings, tracer } = parts;
  if (tracer) traceRequests(app, tracer);
  app.decorateRequest('viewer', null);
  app.decorateRequest('endedBefore', 0);
  app.decorateRequest('streams', false);

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(answerHeaders);
    reply.header('x-request-id', request.id);
    const unclear = ambiguity(request.raw);
    if (unclear !== null) throw new ParleyError('invalid_request', { message: unclear });
    if (isSecure(request.raw, settings.trustProxy)) reply.header('strict-transport-security', 'max-age=31536000');
    if (request.headers.origin !== undefined) {
      const answered = answerOrigin(request, reply, accounts.originAllowed(request.headers), dialectAt);
      if (answered) return answered;
    }
    if (state.draining) {
      reply.header('connection', 'close');
      throw new ParleyError('shutting_down', { retryAfterMs: 5000 });
    }
  });

  app.addHook('onResponse', async (request, reply) => {
    const dialect = (request.routeOptions.config.dialect ?? serverDialect).name;
    const status = reply.raw.statusCode;
    const now = clock.monotonic();
    metrics.recentRequests.add(now);
    if (!request.streams) metrics.recordings.http.add(now, reply.elapsedTime, status >= 500);
    metrics.httpRequests.inc({ dialect, route: request.routeOptions.url ?? 'unknown', status: String(status) });
    if (!request.streams) metrics.httpSeconds.observe({ dialect }, reply.elapsedTime / 1000);
    if (log.isLevelEnabled('debug')) {
      log.debug({ requestId: request.id, method: request.method, path: pathOf(request.url), dialect, status, ms: Math.round(reply.elapsedTime) }, 'request');
    }
  });
}

/**
 * A trace for each request while there are any. What a hook answers by a callback runs where the hook ran, so all that follows
 * belongs to the trace; reading the body leaves that, and the second hook goes back.
 */
function traceRequests(app: FastifyInstance, tracer: Tracer): void {
  app.decorateRequest('trace', null);
  app.addHook('onRequest', (request, reply, done) => {
    request.trace = tracer.begin('http', `${request.method} ${request.routeOptions.url ?? 'unknown'}`, { requestId: request.id, traceparent: request.headers.traceparent });
    if (!request.trace) return done();
    reply.header('x-trace-id', request.trace.id);
    request.trace.run(done);
  });
  app.addHook('preValidation', (request, _reply, done) => (request.trace ? request.trace.run(done) : done()));
  app.addHook('onResponse', async (request, reply) => request.trace?.end(String(reply.getHeader('x-error-code') ?? 'ok'), reply.raw.statusCode));
}

/**
 * Cross-origin reading (CORS) is for origins that may use this server anyway; all others get no such header, so that
 * their browser refuses them. Preflights end here.
 */
function answerOrigin(request: FastifyRequest, reply: FastifyReply, allowed: boolean, dialectAt: (path: string) => Dialect): FastifyReply | undefined {
  reply.header('vary', 'Origin');
  if (allowed) {
    reply.header('access-control-allow-origin', request.headers.origin);
    reply.header('access-control-allow-credentials', 'true');
    reply.header('access-control-expose-headers', 'x-request-id, x-error-code, retry-after');
  }
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return undefined;
  if (!allowed) throw new ParleyError('origin_refused');
  reply.header('access-control-allow-methods', 'GET, POST, PUT, PATCH, DELETE');
  reply.header('access-control-allow-headers', 'authorization, content-type, x-csrf-token, x-request-id, idempotency-key, last-event-id');
  reply.header('access-control-max-age', '600');
  return reply.headers(dialectAt(pathOf(request.url)).headers?.() ?? {}).code(204).send();
}
