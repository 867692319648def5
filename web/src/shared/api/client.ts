import { ApiError, errorFrom } from './errors.ts';

export interface RequestOptions {
  /** Sent as JSON. */
  body?: unknown;
  /** Two sends with the same key are one. */
  idempotencyKey?: string;
  signal?: AbortSignal;
  /** An answer of 401 is about the name and password sent, not about who is signed in. */
  isSignIn?: boolean;
  /** Milliseconds after which the request counts as failed. @default 30_000 */
  timeoutMs?: number;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Called for every answer with status 401, so that the page can ask who is signed in. */
let onSignedOut: () => void = () => {};

export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/**
 * Asks the server, as whoever this browser is signed in as.
 * @throws {ApiError} for every answer that is no success, and when none comes
 */
export async function request<Answer>(method: Method, path: string, options: RequestOptions = {}): Promise<Answer> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  if (options.idempotencyKey) headers['idempotency-key'] = options.idempotencyKey;
  if (method !== 'GET') {
    const csrf = readCookie('parley_csrf', document.cookie);
    if (csrf) headers['x-csrf-token'] = csrf;
  }
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 30_000);
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
      cache: 'no-store',
    });
    body = await readBody(response);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(timeout.aborted ? 'The server did not answer in time.' : 'The server cannot be reached.', 0);
  }
  if (response.ok) return body as Answer;
  if (response.status === 401 && !options.isSignIn) onSignedOut();
  throw errorFrom(response.status, body, response.headers.get('retry-after'));
}

/** The value of one cookie in a cookie header; null when it is not there. */
export function readCookie(name: string, cookies: string): string | null {
  for (const pair of cookies.split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return decodeURIComponent(pair.slice(at + 1).trim());
  }
  return null;
}

/** The body as JSON; undefined when there is none or it is something else (a proxy's error page). */
async function readBody(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!text || !(response.headers.get('content-type') ?? '').includes('json')) return undefined;
  return JSON.parse(text) as unknown;
}
