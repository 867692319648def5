import type { IncomingHttpHeaders } from 'node:http';
import type { ReplyError } from '../../types.ts';
import { parseRetryAfter, replyErrorOf, serviceWords, statusError } from '../../wire/index.ts';

export const label = 'Ollama';

/** Status by which the Ollama port of a Parley refuses the provider of a Parley (RFC 9110, section 15.5.20). */
const misdirected = 421;

/** Whether an error says that what was asked is no Ollama but a Parley. */
export function isParleyItself(thrown: unknown): boolean {
  return replyErrorOf(thrown).status === misdirected;
}

/**
 * The error of an answer with a status that is not 200: `{"error": "..."}`.
 * @param now milliseconds since the epoch, for a Retry-After date
 */
export function readStatusError(status: number, body: string, headers: IncomingHttpHeaders, now: number): ReplyError {
  const said = serviceWords(wordsOf(body), null);
  if (status === misdirected) return { code: 'provider_error', message: 'The address of Ollama leads to Parley itself, which is not asked. Check OLLAMA_URLS.', status, serviceFault: false };
  if (status === 404 && /not found|try pulling/i.test(said)) {
    return { code: 'model_not_found', message: `Ollama has no such model. It says: ${said}. \`ollama pull NAME\` fetches one.`, status, serviceFault: false };
  }
  if (status === 404) return { code: 'provider_error', message: 'Something answers at the address of Ollama that is not Ollama (HTTP 404). Check OLLAMA_URLS.', status, serviceFault: false };
  return known(said, status) ?? statusError(status, label, said, parseRetryAfter(headers, now));
}

/** The error of a line in the middle of a stream. */
export function readLineError(words: unknown): ReplyError {
  const said = serviceWords(words, null);
  return known(said, undefined) ?? { code: 'provider_error', message: `Ollama broke off with an error.${said ? ` It says: ${said}` : ''}`, serviceFault: true };
}

function known(said: string, status: number | undefined): ReplyError | null {
  const common = { ...(status === undefined ? {} : { status }), serviceFault: false };
  if (/does not support (tools|thinking|chat|embed)/i.test(said)) return { code: 'unsupported_value', message: `This model cannot do that. Ollama says: ${said}`, ...common };
  if (/context (length|window)|input length exceeds/i.test(said)) return { code: 'context_overflow', message: `The text does not fit into the context of this model. Ollama says: ${said}`, ...common };
  return null;
}

function wordsOf(body: string): unknown {
  try {
    return (JSON.parse(body) as { error?: unknown } | null)?.error;
  } catch {
    // A page of a proxy: the status alone has to do.
    return '';
  }
}

/** The error of a line of a pull: of the model's name, of the registry, or of the way to it. */
export function readPullError(words: unknown): ReplyError {
  const said = serviceWords(words, null);
  if (/file does not exist|manifest unknown|not found/i.test(said)) {
    return { code: 'model_not_found', message: `There is no such model to fetch. Ollama says: ${said}`, parameter: 'model', serviceFault: false };
  }
  if (/invalid model name|invalid model path/i.test(said)) return { code: 'invalid_request', message: `This is no name of a model. Ollama says: ${said}`, parameter: 'model', serviceFault: false };
  return { code: 'provider_error', message: `Ollama could not fetch the model.${said ? ` It says: ${said}` : ''}`, serviceFault: true };
}
