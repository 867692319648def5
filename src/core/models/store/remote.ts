import type { Dispatcher } from 'undici';
import { ParleyError } from '../../../base/errors.ts';
import { shownAddress } from './sources.ts';

/** How long other servers are waited for. */
export interface RemoteTimes {
  /** Milliseconds for the connection, and again for the first byte of an answer. */
  answerMs: number;
  /** Milliseconds without a byte after which a transfer counts as broken. */
  stallMs: number;
}

export interface RemoteRequest {
  /** First byte wanted; undefined for the whole. */
  from?: number;
  /** Last byte wanted. */
  to?: number;
  /** Validator of the bytes already here: when the file has changed since, it comes whole. */
  ifRange?: string | null;
  accept?: string;
  signal: AbortSignal;
  times: RemoteTimes;
}

/** An answer whose body has still to be read. */
export interface RemoteAnswer {
  /** 200, 206 or 416; everything else is thrown. */
  status: number;
  /** Where the answer came from, after redirects. */
  url: URL;
  header(name: string): string | null;
  /** A header of the first address in the chain that sent it: the hub describes the file before it sends one elsewhere. */
  firstHeader(name: string): string | null;
  /** The bytes as they come. Throws `TransferBroken` when they stop too early. */
  body(): AsyncGenerator<Buffer, void, void>;
  /** Ends the connection; must be called, whether or not the body was read. */
  close(): Promise<void>;
}

/** The line broke or went silent: worth trying again from where it ended. */
export class TransferBroken extends ParleyError {
  constructor(message: string, cause?: unknown) {
    super('provider_unavailable', { message, cause });
  }
}

const mostRedirects = 5;
const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * Asks for a file, following at most five redirects, and never from https to http.
 * @throws {TransferBroken} when the server cannot be reached or does not answer
 * @throws {ParleyError} `not_found`, `forbidden`, `rate_limited`, `provider_error`, `invalid_request`
 */
export async function openRemote(start: URL, request: RemoteRequest): Promise<RemoteAnswer> {
  const { Agent } = await import('undici');
  const agent = new Agent({
    connect: { timeout: request.times.answerMs },
    headersTimeout: request.times.answerMs,
    bodyTimeout: 0,
    pipelining: 0,
  });
  const heads: Dispatcher.ResponseData['headers'][] = [];
  try {
    for (let url = start, hop = 0; ; hop += 1) {
      const response = await ask(agent, url, request);
      heads.push(response.headers);
      if (redirects.has(response.statusCode)) {
        await response.body.dump({ limit: 65_536 });
        if (hop === mostRedirects) throw refused(start, 'redirects too often');
        url = nextAddress(url, value(response.headers, 'location'));
        continue;
      }
      if (![200, 206, 416].includes(response.statusCode)) throw statusError(start, response.statusCode, response.headers);
      return {
        status: response.statusCode,
        url,
        header: (name) => value(response.headers, name),
        firstHeader: (name) => heads.map((head) => value(head, name)).find((found) => found !== null) ?? null,
        body: () => readBody(response.body, start, request),
        close: () => agent.destroy(),
      };
    }
  } catch (error) {
    await agent.destroy();
    throw error;
  }
}

async function ask(agent: Dispatcher, url: URL, request: RemoteRequest): Promise<Dispatcher.ResponseData> {
  const range = request.from === undefined ? {} : { range: `bytes=${request.from}-${request.to ?? ''}` };
  const condition = request.from !== undefined && request.ifRange ? { 'if-range': request.ifRange } : {};
  const headers = { accept: request.accept ?? '*/*', 'accept-encoding': 'identity', 'user-agent': 'parley', ...range, ...condition };
  try {
    return await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET',
      headers,
      signal: request.signal,
    });
  } catch (error) {
    if (request.signal.aborted) throw new ParleyError('cancelled');
    throw new TransferBroken(`${url.host} cannot be reached (${reason(error)}).`, error);
  }
}

function nextAddress(url: URL, location: string | null): URL {
  const next = location === null ? null : URL.parse(location, url.href);
  if (next === null) throw refused(url, 'redirects to nowhere');
  if (!/^https?:$/.test(next.protocol)) throw refused(url, 'redirects to an address that is not http');
  if (url.protocol === 'https:' && next.protocol === 'http:') throw refused(url, 'redirects to an address without encryption');
  return next;
}

async function* readBody(
  body: Dispatcher.ResponseData['body'],
  start: URL,
  { signal, times }: RemoteRequest,
): AsyncGenerator<Buffer, void, void> {
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const chunk = await inTime(chunks.next(), times.stallMs);
      if (chunk === 'late') throw new TransferBroken(`${start.host} sent nothing for ${Math.round(times.stallMs / 1000)} seconds.`);
      if (chunk.done === true) return;
      yield chunk.value as Buffer;
    }
  } catch (error) {
    if (signal.aborted) throw new ParleyError('cancelled');
    if (error instanceof ParleyError) throw error;
    throw new TransferBroken(`The connection to ${start.host} broke (${reason(error)}).`, error);
  } finally {
    body.on('error', () => undefined).destroy();
  }
}

/** `late` when it takes longer; what becomes of it then does not matter. */
async function inTime<Value>(promise: Promise<Value>, milliseconds: number): Promise<Value | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, milliseconds, 'late')));
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function statusError(url: URL, status: number, headers: Dispatcher.ResponseData['headers']): ParleyError {
  const where = shownAddress(url);
  if (status === 404 || status === 410) return new ParleyError('not_found', { message: `There is nothing at ${where}.` });
  if (status === 401 || status === 403) {
    return new ParleyError('forbidden', {
      message: `${url.host} does not give this file to everybody (${status}). Fetch it there with your account and put it into the models folder.`,
    });
  }
  if (status === 429) {
    const seconds = Number(value(headers, 'retry-after'));
    return new ParleyError('rate_limited', {
      message: `${url.host} asks to wait.`,
      retryAfterMs: seconds > 0 && seconds < 3600 ? seconds * 1000 : 30_000,
    });
  }
  if (status >= 500) return new TransferBroken(`${url.host} answered with an error (${status}).`);
  return new ParleyError('invalid_request', { message: `${where} answered with status ${status}.`, parameter: 'source' });
}

function refused(url: URL, what: string): ParleyError {
  return new ParleyError('invalid_request', { message: `${shownAddress(url)} ${what}.`, parameter: 'source' });
}

function value(headers: Dispatcher.ResponseData['headers'], name: string): string | null {
  const found = headers[name];
  return (Array.isArray(found) ? found[0] : found) ?? null;
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
