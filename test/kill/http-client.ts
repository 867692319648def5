import http from 'node:http';

/** The connection broke before the answer was complete: what the server did is not known. */
export class ConnectionLost extends Error {}

export interface ClientRequest {
  method: 'GET' | 'POST' | 'DELETE';
  url: string;
  token?: string;
  body?: unknown;
  headers?: Record<string, string>;
  /** Milliseconds after which this side breaks the connection. */
  dropAfterMs?: number | null;
}

export interface ClientAnswer {
  status: number;
  body: unknown;
  headers: http.IncomingHttpHeaders;
}

/** Milliseconds without any byte after which an answer counts as stuck. */
const silenceMs = 30_000;

function open(given: ClientRequest): Promise<{ response: http.IncomingMessage; request: http.ClientRequest; settle: () => void }> {
  const text = given.body === undefined ? undefined : JSON.stringify(given.body);
  return new Promise((resolve, reject) => {
    const request = http.request(given.url, {
      method: given.method,
      agent: false,
      timeout: silenceMs,
      headers: {
        ...(given.token ? { authorization: `Bearer ${given.token}` } : {}),
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...given.headers,
      },
    });
    const drop = given.dropAfterMs === null || given.dropAfterMs === undefined ? undefined : setTimeout(() => request.destroy(), given.dropAfterMs);
    const settle = (): void => clearTimeout(drop);
    request.on('timeout', () => request.destroy(new Error(`${given.method} ${given.url} said nothing for ${silenceMs / 1000} s`)));
    request.on('error', (error) => {
      settle();
      reject(new ConnectionLost(error.message, { cause: error }));
    });
    request.on('close', () => reject(new ConnectionLost('closed')));
    request.on('response', (response) => resolve({ response, request, settle }));
    request.end(text);
  });
}

/** One request with a JSON answer. @throws {ConnectionLost} */
export async function call(given: ClientRequest): Promise<ClientAnswer> {
  const { response, settle } = await open(given);
  const parts: Buffer[] = [];
  try {
    for await (const part of response) parts.push(part as Buffer);
  } catch (error) {
    throw new ConnectionLost('broken off', { cause: error });
  } finally {
    settle();
  }
  if (!response.complete) throw new ConnectionLost('broken off');
  const text = Buffer.concat(parts).toString('utf8');
  return { status: response.statusCode!, body: text === '' ? null : (JSON.parse(text) as unknown), headers: response.headers };
}

/** One server-sent event. */
export interface ServerSentEvent {
  event: string;
  id: string;
  data: string;
}

/**
 * Reads server-sent events until the stream ends. Whether it ended well is for the caller to see from the events.
 * @throws {ConnectionLost} and, for any status but 200, {@link RefusedStream}
 */
export async function* events(given: ClientRequest): AsyncGenerator<ServerSentEvent> {
  const { response, request, settle } = await open(given);
  try {
    if (response.statusCode !== 200) {
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part as Buffer);
      throw new RefusedStream(response.statusCode!, Buffer.concat(parts).toString('utf8'));
    }
    let rest = '';
    response.setEncoding('utf8');
    for await (const part of response) {
      rest += part as string;
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const event = parse(rest.slice(0, end));
        rest = rest.slice(end + 2);
        if (event) yield event;
      }
    }
  } catch (error) {
    if (error instanceof RefusedStream) throw error;
    throw new ConnectionLost('broken off', { cause: error });
  } finally {
    settle();
    request.destroy();
  }
}

/** The server answered a stream with an error status. */
export class RefusedStream extends Error {
  readonly status: number;

  constructor(status: number, body: string) {
    super(`${status}: ${body}`);
    this.status = status;
  }
}

function parse(block: string): ServerSentEvent | null {
  const event: ServerSentEvent = { event: 'message', id: '', data: '' };
  for (const line of block.split('\n')) {
    const [, name, value] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
    if (name === 'event' || name === 'id' || name === 'data') event[name] = value!;
  }
  return event.data === '' ? null : event;
}
