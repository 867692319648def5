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
  return goneController(reply).signal;
}

/** As `goneSignal`, for callers that have reasons of their own to abort: one signal costs less than several joined. */
export function goneController(reply: FastifyReply): AbortController {
  const gone = new AbortController();
  abortWhenGone(reply.raw, gone);
  return gone;
}

/**
 * A piece as a chunk on the wire (RFC 9112, section 7.1). Node would hand length, piece and line end to the system as three parts;
 * as one text a write costs a fifth less.
 */
function chunkOf(piece: string): string {
  return piece === '' ? '' : `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`;
}

/** The chunk that ends a response. */
const lastChunk = '0\r\n\r\n';

/** Takes the response of `reply` over. Headers that hooks have set on it are kept. */
export function openEventStream(reply: FastifyReply, form: StreamForm = serverSentEvents): EventStream {
  const raw = reply.raw;
  reply.request.streams = true;
  const gone = new AbortController();
  /** `chunked`: whether pieces are framed here; clients of HTTP/1.0 take them as they are. */
  const state = { begun: false, chunked: false };
  abortWhenGone(raw, gone);
  raw.once('close', () => clearInterval(keepAlive));
  const write = (piece: string): boolean => raw.write(state.chunked ? chunkOf(piece) : piece);
  const end = (piece = ''): void => void raw.end(state.chunked ? chunkOf(piece) + lastChunk : piece);
  const keepAlive = setInterval(() => {
    if (form.keepAlive !== null && state.begun && !raw.writableNeedDrain && !raw.writableEnded) write(form.keepAlive);
  }, keepAliveMs).unref();

  const begin = (): void => {
    if (state.begun) return;
    state.begun = true;
    reply.hijack();
    raw.writeHead(200, { ...reply.getHeaders(), 'content-type': form.contentType, 'cache-control': 'no-store', 'x-accel-buffering': 'no' } as Record<string, string>);
    state.chunked = raw.chunkedEncoding;
    raw.chunkedEncoding = false;
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
      if (gone.signal.aborted || raw.writableEnded || write(piece)) return undefined;
      return drained(raw);
    },
    cut(piece) {
      if (state.begun && !raw.writableEnded) end(piece);
      gone.abort(clientGone);
    },
    end(piece) {
      begin();
      clearInterval(keepAlive);
      if (!raw.writableEnded) end(piece);
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
