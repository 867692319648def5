import { AsyncLocalStorage } from 'node:async_hooks';
import type { Component } from './components.ts';

/** One thing that happened for a request. */
export interface Span {
  component: Component;
  /** What was done, in words of the code: never an id, a path or a text from outside. */
  name: string;
  /** Place in `spans` of the span within which this one happened; null for those right below the request. */
  within: number | null;
  /** Milliseconds from the start of the trace. */
  startMs: number;
  /** Null while it goes on. */
  durationMs: number | null;
  /** `ok`, or the code of the error. */
  outcome: string | null;
}

/** What happened for one request or one event of a socket. */
export interface Trace {
  /** 32 hexadecimal digits; the caller's where it sent a `traceparent`. */
  readonly id: string;
  /** The caller's span; null where it named none. */
  readonly parentId: string | null;
  /** As answers say it in `x-request-id`; null for events of sockets. */
  readonly requestId: string | null;
  readonly component: Component;
  /** Method and pattern of the route, or name of the event. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  durationMs: number | null;
  outcome: string | null;
  /** HTTP status of the answer; null as long as there is none, and for sockets. */
  status: number | null;
  readonly spans: Span[];
  /** Spans beyond the bound of one trace. */
  droppedSpans: number;
}

/** Where in a trace something happens. */
export interface Place {
  trace: Trace;
  within: number | null;
}

/**
 * The trace that the running code belongs to. Nothing is put into it while tracing is off, and then asking costs next to
 * nothing.
 */
export const currentPlace = new AsyncLocalStorage<Place>();
