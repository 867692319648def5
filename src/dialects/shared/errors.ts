import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { asParleyError, isFault, ParleyError } from '../../base/errors.ts';
import type { Log } from '../../base/observability/index.ts';
import { pathOf } from './paths.ts';
import type { Dialect } from './types.ts';

/** Turns an error of Fastify, a part or the body parser into one that may be shown. */
export function showable(thrown: unknown): ParleyError {
  if (thrown instanceof ParleyError) return thrown;
  const { code, statusCode } = thrown as Partial<FastifyError>;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ParleyError('too_large', { message: 'The request body is too large.', cause: thrown });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return new ParleyError('unsupported_media_type', { message: 'Send the body as application/json.', cause: thrown });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new ParleyError('invalid_request', { message: 'The body is not as long as its Content-Length says.', cause: thrown });
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new ParleyError('not_found', { cause: thrown });
    default:
      if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new ParleyError('invalid_request', { cause: thrown });
      return asParleyError(thrown);
  }
}

/** HTTP status of an error in a dialect. */
export function statusOf(error: ParleyError, dialect: Dialect): number {
  return dialect.status?.(error) ?? error.status;
}

/** Sends an error in the form of a dialect. Faults of the server go to the log with their cause. */
export function sendError(thrown: unknown, dialect: Dialect, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const error = showable(thrown);
  if (isFault(error)) logFault(error, request, log);
  if (dialect.headers) reply.headers(dialect.headers());
  for (const [name, value] of Object.entries(errorHeaders(error))) reply.header(name, value);
  return reply
    .code(statusOf(error, dialect))
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(dialect.errorBody(error, { method: request.method, path: pathOf(request.url) })));
}

/** Longest wait for which clients are left to try again by themselves, milliseconds. */
const longestRetryMs = 60_000;

/** Headers every dialect's errors carry: the code of docs/errors.md, and when to try again. */
export function errorHeaders(error: ParleyError): Record<string, string> {
  const headers: Record<string, string> = { 'x-error-code': error.code };
  if (error.retryAfterMs !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
  // A finer form that OpenAI's clients look at first.
  if (error.retryAfterMs !== undefined) headers['retry-after-ms'] = String(Math.max(1, Math.ceil(error.retryAfterMs)));
  // Known to OpenAI's clients, which try again after a few seconds whatever Retry-After says of weeks, and after every
  // fault of a server: also where a field of the request is at the bottom of it.
  const isFarOff = error.code === 'budget_exceeded' && (error.retryAfterMs ?? Infinity) > longestRetryMs;
  if (isFarOff || (error.status >= 500 && error.parameter !== undefined)) headers['x-should-retry'] = 'false';
  return headers;
}

function logFault(error: ParleyError, request: FastifyRequest, log: Log): void {
  log.error({ requestId: request.id, method: request.method, route: request.routeOptions.url ?? 'unknown', errorCode: error.code, err: error.cause ?? error }, error.message);
}
