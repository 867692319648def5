import { asParleyError, ParleyError } from '../../../base/errors.ts';
import type { ReplyError } from '../types.ts';

/**
 * What can go wrong between us and a service, apart from its answers.
 * `unreachable`: no connection. `timeout`: no byte in time. `cut`: the connection broke.
 * `protocol`: what came is no HTTP. `cancelled`: we were told to stop.
 */
export type HttpFaultKind = 'unreachable' | 'timeout' | 'cut' | 'protocol' | 'cancelled';

/** A call that failed below the level of answers. */
export class HttpFault extends Error {
  readonly kind: HttpFaultKind;

  constructor(kind: HttpFaultKind, detail: string, cause?: unknown) {
    super(detail, { cause });
    this.name = 'HttpFault';
    this.kind = kind;
  }
}

/** A failure already put into the words of a ReplyError. Thrown inside providers only; it leaves them as an event or a ParleyError. */
export class ReplyFault extends Error {
  readonly error: ReplyError;

  constructor(error: ReplyError, cause?: unknown) {
    super(error.message, { cause });
    this.name = 'ReplyFault';
    this.error = error;
  }
}

const unreachableReasons: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up now',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no network',
  ETIMEDOUT: 'the connection was not taken in time',
  UND_ERR_CONNECT_TIMEOUT: 'the connection was not taken in time',
};

/** Reads what the HTTP client threw. */
export function httpFault(thrown: unknown): HttpFault {
  if (thrown instanceof HttpFault) return thrown;
  const code = String((thrown as { code?: unknown } | null)?.code ?? '');
  const reason = unreachableReasons[code];
  if (reason) return new HttpFault('unreachable', reason, thrown);
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return new HttpFault('timeout', 'no byte came in time', thrown);
  if (code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW') return new HttpFault('protocol', 'what it sent is not HTTP', thrown);
  if (code.includes('CERT') || code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL')) return new HttpFault('unreachable', `its TLS certificate or protocol is not accepted (${code})`, thrown);
  return new HttpFault('cut', 'the connection broke', thrown);
}

/**
 * Any failure of a call as a ReplyError.
 * @param label the service as a person knows it, such as `OpenAI`
 * @param address host and port, named where the service could not be reached
 */
export function toReplyError(thrown: unknown, label: string, address: string): ReplyError {
  if (thrown instanceof ReplyFault) return thrown.error;
  if (thrown instanceof HttpFault) {
    switch (thrown.kind) {
      case 'cancelled':
        return { code: 'cancelled', message: 'The answer was cancelled.', serviceFault: false };
      case 'unreachable':
        return { code: 'provider_unavailable', message: `${label} cannot be reached at ${address}: ${thrown.message}.`, serviceFault: true };
      case 'timeout':
        return { code: 'provider_timeout', message: `${label} was silent for too long and was given up. MODEL_TIMEOUT sets how long.`, serviceFault: true };
      case 'cut':
        return { code: 'provider_error', message: `${label} broke the connection before the answer was complete.`, serviceFault: true };
      case 'protocol':
        return { code: 'provider_error', message: `${label} sent something that is not HTTP at ${address}. Check the address.`, serviceFault: true };
    }
  }
  return { code: 'provider_error', message: `${label} gave an answer that could not be read.`, serviceFault: true };
}

/** A ReplyError as an error to throw. Its cause is a ReplyFault with the whole error. */
export function toParleyError(error: ReplyError, thrown?: unknown): ParleyError {
  return new ParleyError(error.code, {
    message: error.message,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.parameter === undefined ? {} : { parameter: error.parameter }),
    cause: thrown instanceof ReplyFault ? thrown : new ReplyFault(error, thrown),
  });
}

/** Whatever a provider threw, as a ReplyError. */
export function replyErrorOf(thrown: unknown): ReplyError {
  if (thrown instanceof ReplyFault) return thrown.error;
  const error = asParleyError(thrown);
  if (error.cause instanceof ReplyFault) return error.cause.error;
  const code = (replyCodes as readonly string[]).includes(error.code) ? (error.code as ReplyError['code']) : 'internal';
  const serviceFault = ['provider_unavailable', 'provider_error', 'provider_timeout'].includes(code);
  return {
    code, message: error.message, serviceFault,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.parameter === undefined ? {} : { parameter: error.parameter }),
  };
}

const replyCodes = [
  'no_api_key', 'invalid_api_key', 'quota_exceeded', 'rate_limited', 'model_not_found', 'context_overflow', 'invalid_request',
  'provider_unavailable', 'provider_error', 'provider_timeout', 'cancelled', 'unsupported_value', 'internal',
] as const satisfies ReplyError['code'][];

/** The error of a request with a setting that the model or its service does not have. */
export function unsupported(parameter: string, message: string): ReplyError {
  return { code: 'unsupported_value', message, parameter, serviceFault: false };
}

/** Longest part of a service's own words that is passed on, in characters. */
const maxDetailLength = 300;

/**
 * A service's own words, made fit to be shown: one line, bounded, without the key that was sent.
 * Empty when there are none.
 */
export function serviceWords(text: unknown, apiKey: string | null): string {
  if (typeof text !== 'string') return '';
  const withoutKey = apiKey ? text.replaceAll(apiKey, '[key]') : text;
  const line = withoutKey.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length > maxDetailLength ? `${line.slice(0, maxDetailLength).trimEnd()}...` : line;
}

/**
 * The ReplyError for an HTTP status, where the body said nothing more exact.
 * @param detail the service's own words, see {@link serviceWords}
 */
export function statusError(status: number, label: string, detail: string, retryAfterMs?: number): ReplyError {
  const said = detail === '' ? '' : ` It says: ${detail}`;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  switch (status) {
    case 401:
      return { code: 'invalid_api_key', message: `${label} refused the API key. Check the key in Settings or with \`parley key add\`.`, status, serviceFault: false };
    case 403:
      return { code: 'invalid_api_key', message: `${label} does not let this API key use this model.${said}`, status, serviceFault: false };
    case 402:
      return { code: 'quota_exceeded', message: `${label} wants its account to be charged up first.${said}`, status, serviceFault: false };
    case 408:
    case 504:
      return { code: 'provider_timeout', message: `${label} did not answer in time (HTTP ${status}).`, status, serviceFault: true };
    case 413:
      return { code: 'context_overflow', message: `The message is too long for ${label}.${said}`, status, serviceFault: false };
    case 429:
      return { code: 'rate_limited', message: `${label} gets too many requests with this key. Try again a little later.`, status, ...wait, serviceFault: false };
    case 503:
    case 529:
      return { code: 'provider_unavailable', message: `${label} is overloaded or down for now (HTTP ${status}).`, status, ...wait, serviceFault: true };
    default:
      if (status >= 500) return { code: 'provider_error', message: `${label} failed (HTTP ${status}).${said}`, status, ...wait, serviceFault: true };
      if (status >= 400) return { code: 'invalid_request', message: `${label} did not accept the request (HTTP ${status}).${said}`, status, serviceFault: false };
      return { code: 'provider_error', message: `${label} answered with HTTP ${status} instead of an answer. Check its address.`, status, serviceFault: false };
  }
}
