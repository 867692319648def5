import { createRequire } from 'node:module';
import type { IncomingHttpHeaders } from 'node:http';
import type { Agent as AgentClass, Dispatcher } from 'undici';
import { BufferedReader, type ByteReader, type ByteSink } from './byte-reader.ts';
import { HttpFault, httpFault } from './faults.ts';

/** One request to a model service. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'DELETE';
  /** Scheme, host and port. */
  origin: string;
  /** Path and query. */
  path: string;
  headers: Record<string, string>;
  body?: string;
  /** Aborting closes the connection at once, whatever the call is waiting for. */
  signal: AbortSignal;
  /** Milliseconds without a byte, before and within the answer, after which the call fails; default the client's. */
  timeoutMs?: number;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: ByteReader;
}

/** HTTP/1.1 with kept connections. Redirects are not followed: a model service has no need of them and keys must not travel. */
export interface HttpClient {
  /**
   * Resolves when the head of the answer is there.
   * @throws {HttpFault}
   */
  open(request: HttpRequest): Promise<HttpAnswer>;
  /** Breaks all connections. The client can be used again afterwards. */
  close(): Promise<void>;
}

/** Most connections to one service. Each running answer needs one; calls beyond it wait. */
const maxConnections = 4096;
/** Milliseconds an unused connection is kept when the service names no time of its own. */
const keepAliveMs = 30_000;

/** Loads the agent alone: the whole package takes four times as long and 13 MB, for parts that are not used here. */
function loadAgent(): typeof AgentClass {
  return createRequire(import.meta.url)('undici/lib/dispatcher/agent.js') as typeof AgentClass;
}

/**
 * A client over undici's dispatcher, whose callbacks feed our own reader: per chunk this costs a third of `fetch`.
 * @param timeoutMs milliseconds without a byte after which a call fails
 */
export function createHttpClient(timeoutMs: number): HttpClient {
  let agent: AgentClass | null = null;
  return {
    open(request) {
      agent ??= new (loadAgent())({
        connections: maxConnections,
        pipelining: 1,
        allowH2: false,
        keepAliveTimeout: keepAliveMs,
        connect: { timeout: Math.min(10_000, timeoutMs) },
      });
      return send(agent, request, request.timeoutMs ?? timeoutMs);
    },
    async close() {
      const closing = agent;
      agent = null;
      await closing?.destroy();
    },
  };
}

function cancelled(): HttpFault {
  return new HttpFault('cancelled', 'the call was cancelled');
}

function send(agent: AgentClass, request: HttpRequest, timeoutMs: number): Promise<HttpAnswer> {
  const { signal } = request;
  if (signal.aborted) return Promise.reject(cancelled());
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | null = null;
    let sink: ByteSink | null = null;
    let failure: HttpFault | null = null;

    /** Ends the call from our side; the first reason counts. */
    const destroy = (fault: HttpFault): void => {
      failure ??= fault;
      // While the call waits for a connection there is no controller yet: onRequestStart ends it then.
      controller?.abort(failure);
      if (!sink) reject(failure);
    };
    const onAbort = (): void => destroy(cancelled());
    const settle = (): void => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort, { once: true });

    agent.dispatch(
      {
        origin: request.origin, path: request.path, method: request.method, headers: request.headers, body: request.body ?? null,
        headersTimeout: timeoutMs, bodyTimeout: timeoutMs,
      },
      {
        onRequestStart(started) {
          controller = started;
          if (failure) started.abort(failure);
        },
        onResponseStart(started, status, headers) {
          if (status < 200) return;
          const reader = new BufferedReader({
            pause: () => started.pause(),
            resume: () => started.resume(),
            destroy: () => destroy(new HttpFault('cut', 'the connection was closed from this side')),
          });
          sink = reader;
          resolve({ status, headers, body: reader });
        },
        onResponseData: (_started, chunk) => sink?.data(chunk),
        onResponseEnd() {
          settle();
          sink?.end();
        },
        onResponseError(_started, error) {
          settle();
          const fault = failure ?? httpFault(error);
          if (sink) sink.fail(fault);
          else reject(fault);
        },
      },
    );
  });
}
