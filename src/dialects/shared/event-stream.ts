import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** Milliseconds a client may leave a full socket unread before it is cut off. */
const stalledMs = 60_000;

/** Milliseconds between comments on a silent stream, so that proxies keep it open. */
const keepAliveMs = 15_000;

/**
 * A streamed response, written by hand: Fastify steps aside, so that a piece costs one write. Pieces are whole events
 * or lines; nothing is kept when the client is slow, the writer waits instead.
 */
export interface EventStream {
  /** Aborted when the client is gone, or was cut off because it did not read. */
  readonly signal: AbortSignal;
  /** Whether headers have been sent: from then on errors can only be told inside the stream. */
  readonly begun: boolean;
  /** Sends the headers now, with the first piece otherwise. */
  begin(): void;
  /** Writes one piece; resolves when there is room for the next. */
  write(piece: string): Promise<void> | undefined;
  end(piece?: string): void;
  /** Ends the response in the middle, with a last piece where it has begun, and aborts the signal as if the client had gone. */
  cut(piece?: string): void;
}

/** How a stream looks on the wire. */
export interface StreamForm {
  contentType: string;
  /** Written now and then while nothing else is; null for forms that have nothing a reader would pass over. */
  keepAlive: string | null;
}

const serverSentEvents: StreamForm = { contentType: 'text/event-stream; charset=utf-8', keepAlive: ': \n\n' };

/** One JSON value a line. Readers take an empty line for a broken one, so silence stays silent. */
export const jsonLines: StreamForm = { contentType: 'application/x-ndjson', keepAlive: null };

/** One reason for all: making an error with a stack for each would cost more than the abort. */
const clientGone = new Error('the client is gone');

/** Aborts when the connection closes before the whole answer was sent. */
function abortWhenGone(raw: ServerResponse, controller: AbortController): void {
  raw.once('close', () => {
    if (!raw.writableFinished) controller.abort(clientGone);
  });
  raw.once('error', () => controller.abort(clientGone));
}

/** A signal that is aborted when the client goes away before it was answered. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  abortWhenGone(reply.raw, gone);
  return gone.signal;
}

/** Takes the response of `reply` over. Headers that hooks have set on it are kept. */
export function openEventStream(reply: FastifyReply, form: StreamForm = serverSentEvents): EventStream {
  const raw = reply.raw;
  reply.request.streams = true;
  const gone = new AbortController();
  const state = { begun: false };
  abortWhenGone(raw, gone);
  raw.once('close', () => clearInterval(keepAlive));
  const keepAlive = setInterval(() => {
    if (form.keepAlive !== null && state.begun && !raw.writableNeedDrain && !raw.writableEnded) raw.write(form.keepAlive);
  }, keepAliveMs).unref();

  const begin = (): void => {
    if (state.begun) return;
    state.begun = true;
    reply.hijack();
    raw.writeHead(200, { ...reply.getHeaders(), 'content-type': form.contentType, 'cache-control': 'no-store', 'x-accel-buffering': 'no' } as Record<string, string>);
  };

  return {
    signal: gone.signal,
    get begun() {
      return state.begun;
    },
    begin() {
      begin();
      raw.flushHeaders();
    },
    write(piece) {
      begin();
      if (gone.signal.aborted || raw.writableEnded || raw.write(piece)) return undefined;
      return drained(raw);
    },
    cut(piece) {
      if (state.begun && !raw.writableEnded) raw.end(piece);
      gone.abort(clientGone);
    },
    end(piece) {
      begin();
      clearInterval(keepAlive);
      if (raw.writableEnded) return;
      if (piece === undefined) raw.end();
      else raw.end(piece);
    },
  };
}

/** Resolves when the response takes more, or is closed; a client that reads nothing for a minute is cut off. */
function drained(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => raw.destroy(), stalledMs);
    const settle = (): void => {
      clearTimeout(timer);
      raw.off('drain', settle);
      raw.off('close', settle);
      resolve();
    };
    raw.once('drain', settle);
    raw.once('close', settle);
  });
}
