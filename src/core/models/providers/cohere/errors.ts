import type { IncomingHttpHeaders } from 'node:http';
import type { ReplyError } from '../../types.ts';
import { parseRetryAfter, serviceWords, statusError, unsupported, type Reading } from '../../wire/index.ts';

/**
 * The error of an answer with a status that is not 200: `{message}`, in words alone.
 * @param now milliseconds since the epoch, for a Retry-After date
 */
export function readStatusError(status: number, body: string, headers: IncomingHttpHeaders, now: number, reading: Reading): ReplyError {
  const { label } = reading;
  const message = readMessage(body);
  const words = serviceWords(message, reading.apiKey);
  const known = message === '' ? null : readKnownWords(message, status, words, label);
  if (known) return { ...known, status };
  if (status === 404) {
    return /model/i.test(message)
      ? { code: 'model_not_found', message: `${label} has no such model, or not for this key. It says: ${words}`, status, serviceFault: false }
      : { code: 'provider_error', message: `${label} does not know this address (HTTP 404). Check its base URL, without /v2.`, status, serviceFault: false };
  }
  // Codes of its own: a token that is blocked, and a request that was given up on the way.
  if (status === 498) return { ...statusError(401, label, ''), status };
  if (status === 499) return { ...statusError(504, label, ''), status };
  return statusError(status, label, words, parseRetryAfter(headers, now));
}

/** The error that ends a stream, or stands in place of a whole answer. */
export function brokenOff(message: unknown, reading: Reading): ReplyError {
  const words = serviceWords(message, reading.apiKey);
  return { code: 'provider_error', message: `${reading.label} broke off with an error.${words ? ` It says: ${words}` : ''}`, serviceFault: true };
}

/** The words of an error; empty when there are none. */
export function wordsOf(body: unknown): string {
  const { message, error } = (typeof body === 'object' && body !== null ? body : {}) as { message?: unknown; error?: unknown };
  if (typeof message === 'string') return message;
  if (typeof error === 'string') return error;
  const inner = (error as { message?: unknown } | null | undefined)?.message;
  return typeof inner === 'string' ? inner : '';
}

/** Errors whose words say more than their status. */
function readKnownWords(message: string, status: number, words: string, label: string): ReplyError | null {
  if (status === 429 && /month|billing|quota/i.test(message)) {
    return { code: 'quota_exceeded', message: `The quota of this API key at ${label} is used up. It says: ${words}`, serviceFault: false };
  }
  if (status !== 400 && status !== 422) return null;
  if (/invalid api (token|key)/i.test(message)) return statusError(401, label, '');
  if (/^too many tokens: max tokens/i.test(message)) return unsupported('max_tokens', `${label} lets this model make no such long answer. It says: ${words}`);
  if (/too many tokens|(maximum|exceeds the) context/i.test(message)) {
    return { code: 'context_overflow', message: `The conversation does not fit into the context of this model. It says: ${words}`, serviceFault: false };
  }
  if (/^model .*not found|model .*(does not exist|not available)/i.test(message)) {
    return { code: 'model_not_found', message: `${label} has no such model, or not for this key. It says: ${words}`, serviceFault: false };
  }
  const parameter = /not (supported|compatible|allowed)|unsupported|does not support/i.test(message) ? parameterOf(message) : undefined;
  return parameter ? unsupported(parameter, `${label} does not support a setting of this request. It says: ${words}`) : null;
}

/** Settings that some models refuse, by OpenAI's names, and how the service speaks of them. */
const settings: readonly (readonly [RegExp, string])[] = [
  [/thinking|reasoning/i, 'reasoning_effort'],
  [/logprobs/i, 'logprobs'],
  [/response_format|json/i, 'response_format'],
  [/frequency_penalty|presence_penalty/i, 'frequency_penalty'],
  [/tool_choice/i, 'tool_choice'],
  [/tools?\b/i, 'tools'],
  [/image|vision/i, 'image_url'],
];

function parameterOf(message: string): string | undefined {
  return settings.find(([pattern]) => pattern.test(message))?.[1];
}

function readMessage(body: string): string {
  try {
    return wordsOf(JSON.parse(body));
  } catch {
    // A page for people, or nothing: the status alone has to do.
    return '';
  }
}
