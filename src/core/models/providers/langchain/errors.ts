import type { IncomingHttpHeaders } from 'node:http';
import type { ReplyError } from '../../types.ts';
import { parseRetryAfter, serviceWords } from '../../wire/index.ts';
import { label } from './reply.ts';

/**
 * What the service itself refuses: never the fault of a user's key or question, which come as events of an answer.
 * @param now milliseconds since the epoch, for a Retry-After date
 * @param secrets that were sent: never shown, whatever the service repeats of them
 */
export function readServiceError(status: number, body: string, headers: IncomingHttpHeaders, now: number, secrets: readonly string[]): ReplyError {
  if (status === 401) return { code: 'provider_unavailable', message: `${label} refuses this server: LANGCHAIN_SERVICE_SECRET is not its secret.`, status, serviceFault: true };
  if (status === 413) return { code: 'context_overflow', message: 'The conversation is too large for the LangChain service.', status, serviceFault: false };
  const retryAfterMs = parseRetryAfter(headers, now);
  const code = status === 503 ? 'provider_unavailable' : status === 504 ? 'provider_timeout' : 'provider_error';
  return { code, message: `${label} failed (HTTP ${status}).${wordsOf(body, secrets)}`, status, serviceFault: true, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** A text without the secrets that were sent. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secret, '[key]')), text);
}

function wordsOf(body: string, secrets: readonly string[]): string {
  try {
    const message = (JSON.parse(body) as { error?: { message?: unknown } } | null)?.error?.message;
    const said = serviceWords(typeof message === 'string' ? withoutSecrets(message, secrets) : '', null);
    return said === '' ? '' : ` It says: ${said}`;
  } catch {
    // A page for people, or nothing: the status alone has to do.
    return '';
  }
}
