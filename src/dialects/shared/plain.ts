import type { ParleyError } from '../../base/errors.ts';
import type { Dialect } from './types.ts';

/** `{"detail": ...}`: the error form of the arketic and friend documents, and of the server's own addresses. */
export function detailBody(error: ParleyError): unknown {
  if (error.code !== 'validation_failed' || error.issues.length === 0) return { detail: error.message };
  return { detail: error.issues.map((issue) => ({ loc: issue.path, msg: issue.message, type: issue.kind })) };
}

/** Speaks for addresses that belong to no dialect: the page, /docs, /metrics. */
export const serverDialect: Dialect = { name: 'server', prefixes: [], errorBody: detailBody };
