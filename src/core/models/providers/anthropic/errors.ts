import type { IncomingHttpHeaders } from 'node:http';
import type { ReplyError } from '../../types.ts';
import { parseRetryAfter, serviceWords, statusError, unsupported, type Reading } from '../../wire/index.ts';

/** `{type: "error", error: {type, message, details}, request_id}`: of an answer, and of an event in a stream. */
interface WireError {
  type: string;
  message: string;
  /** `error_code` of the details, where there are any. */
  code: string;
}

/** The HTTP status that each kind of error stands for: events in a stream have none of their own. */
const statuses: Record<string, number> = {
  invalid_request_error: 400, authentication_error: 401, billing_error: 402, permission_error: 403, not_found_error: 404,
  request_too_large: 413, rate_limit_error: 429, api_error: 500, timeout_error: 504, overloaded_error: 529,
};

/**
 * The error of an answer with a status that is not 200.
 * @param now milliseconds since the epoch, for a Retry-After date
 */
export function readStatusError(status: number, body: string, headers: IncomingHttpHeaders, now: number, reading: Reading): ReplyError {
  return toError(readBody(body), status, parseRetryAfter(headers, now), reading);
}

/** The error of an event in the middle of a stream. */
export function readEventError(body: unknown, reading: Reading): ReplyError {
  const error = toWireError(body);
  const status = statuses[error?.type ?? ''];
  if (status !== undefined) return toError(error, status, undefined, reading);
  const words = serviceWords(error?.message, reading.apiKey);
  return { code: 'provider_error', message: `${reading.label} broke off with an error.${words ? ` It says: ${words}` : ''}`, serviceFault: true };
}

function toError(error: WireError | null, status: number, retryAfterMs: number | undefined, reading: Reading): ReplyError {
  const { label } = reading;
  const words = serviceWords(error?.message, reading.apiKey);
  const known = error && readKnownError(error, status, words, label);
  if (known) return { ...known, status };
  if (status === 404) {
    const isModel = error !== null && (error.type === 'not_found_error' || /model/i.test(error.message));
    return isModel
      ? { code: 'model_not_found', message: `${label} has no such model, or not for this key.${words ? ` It says: ${words}` : ''}`, status, serviceFault: false }
      : { code: 'provider_error', message: `${label} does not know this address (HTTP 404). Check its base URL, without /v1/messages.`, status, serviceFault: false };
  }
  return statusError(status, label, words, retryAfterMs);
}

/** Errors whose words say more than their status. */
function readKnownError({ code, message }: WireError, status: number, words: string, label: string): ReplyError | null {
  if (code.includes('spend_limit') || /credit balance|usage limits?\b.*(reach|exceed)|reached.*(usage|spend) limit|spend limit/i.test(message)) {
    return { code: 'quota_exceeded', message: `The credit or the spend limit of this API key at ${label} is used up. It says: ${words}`, serviceFault: false };
  }
  if (status !== 400) return null;
  if (/prompt is too long|exceeds? (the )?(maximum|context)|context (window|limit)/i.test(message)) {
    return { code: 'context_overflow', message: `The conversation does not fit into the context of this model. It says: ${words}`, serviceFault: false };
  }
  const parameter = parameterOf(message);
  if (parameter) return unsupported(parameter, `${label} does not support a setting of this request. It says: ${words}`);
  return null;
}

/**
 * Tokens that fit behind a prompt, where a model refuses it for the bound of its answer alone: earlier ones count that as if
 * it were used up. Null for any other error.
 */
export function roomFor({ code, message }: ReplyError): number | null {
  const [, prompt, context] = /max_tokens`? exceed context limit: (\d{1,9}) \+ \d{1,9} > (\d{1,9})/.exec(code === 'context_overflow' ? message : '') ?? [];
  return prompt !== undefined && Number(context) > Number(prompt) ? Number(context) - Number(prompt) : null;
}

/** The setting that the service refuses, by OpenAI's name for it. Its own words begin with its own name of it. */
function parameterOf(message: string): string | null {
  const sampling = /[`"']?\b(temperature|top_p|top_k)\b[`"']?.*(deprecated|not supported|cannot both|may only be set|not (be )?allowed)/i.exec(message);
  if (sampling) return sampling[1]!.toLowerCase();
  if (/^[`"']?(thinking|output_config\.effort)\b|thinking\.(type|enabled|budget)|thinking.*(not support|disabled)/i.test(message)) return 'reasoning_effort';
  if (/^[`"']?output_(config\.)?format|output_config\.format|json_schema/i.test(message)) return 'response_format';
  return null;
}

function readBody(body: string): WireError | null {
  try {
    return toWireError(JSON.parse(body));
  } catch {
    // A page for people, or nothing: the status alone has to do.
    return null;
  }
}

function toWireError(body: unknown): WireError | null {
  const error = (body as { error?: unknown } | null)?.error;
  if (typeof error !== 'object' || error === null) return null;
  const { type, message, details } = error as { type?: unknown; message?: unknown; details?: { error_code?: unknown } | null };
  const code = typeof details === 'object' ? details?.error_code : undefined;
  return { type: typeof type === 'string' ? type : '', message: typeof message === 'string' ? message : '', code: typeof code === 'string' ? code : '' };
}
