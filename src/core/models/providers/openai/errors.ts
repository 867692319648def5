import type { IncomingHttpHeaders } from 'node:http';
import type { ReplyError } from '../../types.ts';
import { parseRetryAfter, serviceWords, statusError, type Reading } from '../../wire/index.ts';

/** The error object, in any of the shapes that servers of this form send. */
interface WireError {
  message: string;
  type: string;
  code: string;
  /** `code` where it is a number: an HTTP status (OpenRouter, Google). */
  status: number | null;
}

/** Whether a parsed body is, or holds, an error object. */
export function holdsError(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'error' in body && body.error !== null && body.error !== undefined;
}

/**
 * The error of an answer with a status that is not 200.
 * @param now milliseconds since the epoch, for a Retry-After date
 */
export function readStatusError(status: number, body: string, headers: IncomingHttpHeaders, now: number, reading: Reading): ReplyError {
  const error = readWireError(body);
  const retryAfterMs = parseRetryAfter(headers, now);
  const known = error && readKnownCode(error, status, reading, retryAfterMs);
  if (known) return known;
  const words = serviceWords(error?.message, reading.apiKey);
  if (status === 404 && (!error || !/model/i.test(error.message))) {
    return { code: 'provider_error', message: `${reading.label} does not know this address (HTTP 404). Check its base URL; it often ends in /v1.`, status, serviceFault: false };
  }
  if (status === 404) return { code: 'model_not_found', message: `${reading.label} has no such model.${words ? ` It says: ${words}` : ''}`, status, serviceFault: false };
  return statusError(status, reading.label, words, retryAfterMs);
}

/** The error of an event in the middle of a stream. */
export function readEventError(body: unknown, reading: Reading): ReplyError {
  const error = toWireError(body) ?? { message: '', type: '', code: '', status: null };
  const known = readKnownCode(error, error.status, reading, undefined);
  if (known) return known;
  const words = serviceWords(error.message, reading.apiKey);
  if (error.status !== null && error.status >= 400) return statusError(error.status, reading.label, words);
  if (/rate_limit/.test(error.type)) return statusError(429, reading.label, words);
  const message = `${reading.label} broke off with an error.${words ? ` It says: ${words}` : ''}`;
  if (error.type === 'invalid_request_error') return { code: 'invalid_request', message, serviceFault: false };
  return { code: 'provider_error', message, serviceFault: true };
}

/** Errors whose code or words say more than their status. */
function readKnownCode(error: WireError, status: number | null, reading: Reading, retryAfterMs: number | undefined): ReplyError | null {
  const { label } = reading;
  const words = serviceWords(error.message, reading.apiKey);
  const common = { ...(status === null ? {} : { status }), serviceFault: false };
  if (['insufficient_quota', 'billing_hard_limit_reached'].includes(error.code) || error.type === 'insufficient_quota') {
    return { code: 'quota_exceeded', message: `The quota of this API key at ${label} is used up. Charge the account or use another key.`, ...common, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  if (error.code === 'context_length_exceeded' || /maximum context length|context (window|length|size)|prompt is too long/i.test(error.message)) {
    return { code: 'context_overflow', message: `The conversation does not fit into the context of this model. It says: ${words}`, ...common };
  }
  if (error.code === 'model_not_found') return { code: 'model_not_found', message: `${label} has no such model, or not for this key. It says: ${words}`, ...common };
  if (error.code === 'invalid_api_key' || (status === 400 && /api key/i.test(error.message))) return { ...statusError(401, label, ''), ...common };
  if (error.code === 'unsupported_value' || error.code === 'unsupported_parameter') return { code: 'unsupported_value', message: `${label} does not support a setting of this request. It says: ${words}`, ...common };
  return null;
}

function readWireError(body: string): WireError | null {
  try {
    return toWireError(JSON.parse(body));
  } catch {
    // A page for people, or nothing: the status alone has to do.
    return null;
  }
}

/** `{error: {...}}`, `{error: "..."}`, `[{error: ...}]`, `{message, code}` or `{detail: "..."}`. */
function toWireError(body: unknown): WireError | null {
  const holder = Array.isArray(body) ? (body as unknown[])[0] : body;
  if (typeof holder !== 'object' || holder === null) return null;
  const fields = holder as { error?: unknown; detail?: unknown };
  const inner: unknown = fields.error ?? holder;
  if (typeof inner === 'string') return { message: inner, type: '', code: '', status: null };
  if (typeof inner !== 'object' || inner === null) return null;
  const { message, type, code } = inner as { message?: unknown; type?: unknown; code?: unknown };
  const words = typeof message === 'string' ? message : typeof fields.detail === 'string' ? fields.detail : '';
  return {
    message: words,
    type: typeof type === 'string' ? type : '',
    code: typeof code === 'string' ? code : '',
    status: typeof code === 'number' && code >= 400 && code < 600 ? code : null,
  };
}
