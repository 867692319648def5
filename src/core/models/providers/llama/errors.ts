import { asParleyError, ParleyError } from '../../../../base/errors.ts';
import type { ReplyError } from '../../types.ts';

/** Codes that an answer may end with; anything else becomes `internal`. */
const replyCodes = new Set<string>([
  'rate_limited',
  'model_not_found',
  'context_overflow',
  'invalid_request',
  'provider_unavailable',
  'provider_error',
  'cancelled',
  'unsupported_value',
] satisfies ReplyError['code'][]);

/** An error of the engine as one that may be shown: what was tried, then the engine's own words. */
export function loadFailure(attempt: string, error: unknown, complaints: readonly string[] = []): ParleyError {
  if (error instanceof ParleyError) return error;
  const words = complaints.at(0) ?? (error instanceof Error ? error.message : '');
  return new ParleyError('provider_error', { message: `${attempt}${words === '' ? '' : ` (${words.slice(0, 300)})`}.`, cause: error });
}

/** The end of an answer that failed. Only faults of the engine itself count as the service's. */
export function asReplyError(thrown: unknown): ReplyError {
  const error = asParleyError(thrown);
  const code = replyCodes.has(error.code) ? (error.code as ReplyError['code']) : 'internal';
  return {
    code,
    message: error.message,
    serviceFault: code === 'internal',
    ...(error.parameter === undefined ? {} : { parameter: error.parameter }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  };
}
