import type { IncomingHttpHeaders } from 'node:http';
import type { ReplyError } from '../../types.ts';
import { parseRetryAfter, serviceWords, statusError, unsupported, type Reading } from '../../wire/index.ts';

/** google.rpc.Status: of an answer, and of an event in a stream. */
interface WireError {
  code: number | null;
  message: string;
  /** `reason` of the ErrorInfo among the details, such as API_KEY_INVALID. */
  reason: string;
  /** `retryDelay` of the RetryInfo, in milliseconds. */
  retryAfterMs: number | undefined;
  /** Names of the quotas that are used up. */
  quotas: string[];
}

/** Longest wait that is believed: a day, in milliseconds. */
const maxRetryAfterMs = 86_400_000;

/** Whether a parsed body is, or holds, an error. */
export function holdsError(body: unknown): boolean {
  return toWireError(body) !== null;
}

/**
 * The error of an answer with a status that is not 200.
 * @param now milliseconds since the epoch, for a Retry-After date
 */
export function readStatusError(status: number, body: string, headers: IncomingHttpHeaders, now: number, reading: Reading): ReplyError {
  return toError(readBody(body), status, parseRetryAfter(headers, now), reading);
}

/** The error of an event in the middle of a stream, or in place of a whole answer. */
export function readEventError(body: unknown, reading: Reading): ReplyError {
  const error = toWireError(body);
  if (error?.code) return toError(error, error.code, undefined, reading);
  const words = serviceWords(error?.message, reading.apiKey);
  return { code: 'provider_error', message: `${reading.label} broke off with an error.${words ? ` It says: ${words}` : ''}`, serviceFault: true };
}

function toError(error: WireError | null, status: number, retryAfterHeader: number | undefined, reading: Reading): ReplyError {
  const { label } = reading;
  const words = serviceWords(error?.message, reading.apiKey);
  const known = error && readKnownError(error, status, words, label);
  if (known) return { ...known, status };
  if (status === 404) {
    return error && /model|tuned/i.test(error.message)
      ? { code: 'model_not_found', message: `${label} has no such model, or not for this key.${words ? ` It says: ${words}` : ''}`, status, serviceFault: false }
      : { code: 'provider_error', message: `${label} does not know this address (HTTP 404). Check its base URL, without /v1beta.`, status, serviceFault: false };
  }
  return statusError(status, label, words, retryAfterHeader ?? error?.retryAfterMs);
}

/** Errors whose reason or words say more than their status. */
function readKnownError({ message, reason, quotas, retryAfterMs }: WireError, status: number, words: string, label: string): ReplyError | null {
  // A key that is none is a bad request here.
  if (reason === 'API_KEY_INVALID' || (status === 400 && /api key (not valid|expired|not found)/i.test(message))) return statusError(401, label, '');
  if (status === 429) {
    const isForToday = quotas.some((quota) => /PerDay|PerMonth/i.test(quota)) || /credits? (are|is) depleted|prepay|spend(ing)? (cap|limit)|billing account/i.test(message);
    if (!isForToday) return null;
    return { code: 'quota_exceeded', message: `The quota of this API key at ${label} is used up. It says: ${words}`, ...(retryAfterMs === undefined ? {} : { retryAfterMs }), serviceFault: false };
  }
  if (status !== 400) return null;
  if (/token count.*exceeds|exceeds the maximum number of tokens|context (window|length)/i.test(message)) {
    return { code: 'context_overflow', message: `The conversation does not fit into the context of this model. It says: ${words}`, serviceFault: false };
  }
  const parameter = parameterOf(message);
  return parameter ? unsupported(parameter, `${label} does not support a setting of this request. It says: ${words}`) : null;
}

/** Settings that some models refuse, by OpenAI's names, and how the service speaks of them. */
const settings: readonly (readonly [RegExp, string])[] = [
  [/thinking/i, 'reasoning_effort'],
  [/logprobs/i, 'logprobs'],
  [/response.?mime.?type|response.?(json.?)?schema|json mode/i, 'response_format'],
  [/penalty/i, 'frequency_penalty'],
  [/function call(ing)?|tool use/i, 'tools'],
  [/image|modality/i, 'image_url'],
  [/temperature/i, 'temperature'],
];

function parameterOf(message: string): string | null {
  if (!/not (supported|enabled|available)|unsupported|does not support|only (support|work)s/i.test(message)) return null;
  return settings.find(([pattern]) => pattern.test(message))?.[1] ?? null;
}

function readBody(body: string): WireError | null {
  try {
    return toWireError(JSON.parse(body));
  } catch {
    // A page for people, or nothing: the status alone has to do.
    return null;
  }
}

/** `{error: {...}}`, or a list with that in it, as streams without server-sent events send it. */
function toWireError(body: unknown): WireError | null {
  const holder = Array.isArray(body) ? (body as unknown[])[0] : body;
  const error = (holder as { error?: unknown } | null | undefined)?.error;
  if (typeof error !== 'object' || error === null) return null;
  const { code, message, details } = error as { code?: unknown; message?: unknown; details?: unknown };
  const entries = (Array.isArray(details) ? details.slice(0, 20) : []) as ({ reason?: unknown; retryDelay?: unknown; violations?: unknown } | null)[];
  const violations = entries.flatMap((entry) => (Array.isArray(entry?.violations) ? (entry.violations as ({ quotaId?: unknown } | null)[]) : []));
  const reason = entries.find((entry) => typeof entry?.reason === 'string')?.reason;
  return {
    code: typeof code === 'number' && code >= 400 && code < 600 ? code : null,
    message: typeof message === 'string' ? message : '',
    reason: typeof reason === 'string' ? reason : '',
    retryAfterMs: entries.map((entry) => duration(entry?.retryDelay)).find((delay) => delay !== undefined),
    quotas: violations.flatMap((violation) => (typeof violation?.quotaId === 'string' ? [violation.quotaId] : [])),
  };
}

/** google.protobuf.Duration in JSON: seconds with an `s` behind them. In milliseconds. */
function duration(value: unknown): number | undefined {
  const seconds = typeof value === 'string' ? /^(\d+(?:\.\d+)?)s$/.exec(value)?.[1] : undefined;
  return seconds === undefined ? undefined : Math.min(Math.ceil(Number(seconds) * 1000), maxRetryAfterMs);
}
