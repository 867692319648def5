import { ParleyError } from '../../errors.ts';

/** Codes of PostgreSQL (https://www.postgresql.org/docs/current/errcodes-appendix.html) and of Node's sockets. */
const uniqueViolation = '23505';
const retryable = new Set(['40001', '40P01']);
const full = new Set(['53100', '53200']);
const unavailable = new Set([
  '25006', '25P03', '28000', '28P01', '3D000', '53300', '53400', '55P03', '57014', '57P01', '57P02', '57P03', '57P04', '57P05',
  '58000', '58030',
  'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN',
]);

/** When trying again makes sense, milliseconds: a server that restarts is back after seconds. */
const retryAfterMs = 2000;

/** What the client library throws without a code. */
const connectionTexts = [
  'Connection terminated', 'timeout exceeded when trying to connect', 'Client has encountered a connection error', 'Query read timeout',
];

/** After these the connection is gone, and whether the last statement was committed is not known. */
const connectionLost = new Set(['57P01', '57P02', '57P03', '57P05', '25P03', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

function code(thrown: unknown): string | null {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null;
}

function source(thrown: unknown): unknown {
  return thrown instanceof ParleyError ? thrown.cause : thrown;
}

export function isPostgresUniqueViolation(thrown: unknown): boolean {
  return code(thrown) === uniqueViolation;
}

/** Serialisation failures, deadlocks and changed tables: the same work may succeed when it is done again. */
export function isRetryable(thrown: unknown): boolean {
  const found = code(source(thrown));
  return (found !== null && retryable.has(found)) || isStalePlan(thrown);
}

/**
 * Whether a prepared statement does not fit its tables any more, because they were changed since it was prepared
 * (https://www.postgresql.org/docs/current/sql-prepare.html). The code alone has other meanings, too.
 */
export function isStalePlan(thrown: unknown): boolean {
  const cause = source(thrown);
  return code(cause) === '0A000' && cause instanceof Error && 'routine' in cause && cause.routine === 'RevalidateCachedQuery';
}

export function isConnectionLost(thrown: unknown): boolean {
  const cause = source(thrown);
  const found = code(cause);
  if (found !== null) return connectionLost.has(found) || found.startsWith('08');
  return hasConnectionText(cause);
}

function hasConnectionText(thrown: unknown): boolean {
  return thrown instanceof Error && connectionTexts.some((text) => thrown.message.startsWith(text));
}

/** What is thrown when the connection broke at a commit: nobody knows whether it was done. */
export function commitError(thrown: unknown): unknown {
  if (!isConnectionLost(thrown)) return translatePostgresError(thrown);
  return new ParleyError('storage_unavailable', {
    message: 'The connection to the database server broke while this was being saved. It may have been saved: look before you try again.',
    retryAfterMs,
    cause: thrown,
  });
}

/**
 * What PostgreSQL or the way to it threw, in Parley's terms: no space is `storage_full`, a server that cannot be used
 * is `storage_unavailable`. Everything else (a violated constraint, a wrong query) stays as it is.
 */
export function translatePostgresError(thrown: unknown): unknown {
  const found = code(thrown);
  if (found !== null && full.has(found)) {
    return new ParleyError('storage_full', { message: 'The database server has no space left. Nothing was saved.', cause: thrown });
  }
  if ((found !== null && (unavailable.has(found) || found.startsWith('08'))) || hasConnectionText(thrown)) {
    return new ParleyError('storage_unavailable', { message: 'The database server cannot be used now. Nothing was saved.', retryAfterMs, cause: thrown });
  }
  return thrown;
}
