import type { ReplyError } from '../../../types.ts';
import {
  createLineSplitter, ReplyFault, StreamFormError, toReplyError, unreadable, webPage, type HttpAnswer, type HttpClient,
} from '../../../wire/index.ts';
import { holdsError, readEventError, readStatusError } from '../../openai/errors.ts';

/** The model service that is asked. */
export interface Upstream {
  /** As a person knows it, such as `OpenAI`. */
  label: string;
  /** Sent as bearer token; never shown in errors. */
  apiKey: string;
  client: HttpClient;
  /** Milliseconds without a byte after which the call fails. */
  timeoutMs: number;
}

/** Longest line of a stream, in UTF-16 units: far beyond a token with its log-probabilities. */
const maxLineLength = 4_194_304;
/** Most bytes of one answer, and of one error. */
const maxAnswerBytes = 67_108_864;
const maxErrorBytes = 65_536;

/**
 * What LangChain's client calls in place of `fetch`, for one question. It bounds time and size, follows no redirect, and
 * keeps the first thing that went wrong in our own words: LangChain's errors say less.
 */
export class GuardedFetch {
  /** What went wrong on the way; null while nothing did. */
  fault: ReplyError | null = null;
  /** Whether the service said that its stream is over. */
  isDone = false;
  private readonly upstream: Upstream;
  private readonly signal: AbortSignal;

  constructor(upstream: Upstream, signal: AbortSignal) {
    this.upstream = upstream;
    this.signal = signal;
  }

  /** @throws {ReplyFault} which is also kept in `fault` */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    try {
      const answer = await this.upstream.client.open({
        method: 'POST', origin: url.origin, path: url.pathname + url.search, headers: headersOf(init), body: String(init?.body ?? ''),
        signal: this.signal, timeoutMs: this.upstream.timeoutMs,
      });
      return await this.read(answer);
    } catch (thrown) {
      throw this.fail(thrown, url.host);
    }
  };

  private async read(answer: HttpAnswer): Promise<Response> {
    const { label } = this.upstream;
    const host = '';
    if (answer.status !== 200) {
      const body = await answer.body.text(maxErrorBytes);
      throw new ReplyFault(readStatusError(answer.status, body, answer.headers, Date.now(), this.upstream));
    }
    const kind = String(answer.headers['content-type'] ?? '').toLowerCase();
    if (kind.includes('text/html')) {
      answer.body.close();
      throw new ReplyFault(webPage({ label, host }));
    }
    const headers = { 'content-type': kind || 'text/event-stream' };
    if (!kind.includes('application/json')) return new Response(this.watched(answer), { headers });
    const text = await answer.body.text(maxAnswerBytes);
    const document = parsed(text);
    if (document === undefined) throw new ReplyFault(unreadable({ label }));
    if (holdsError(document)) throw new ReplyFault(readEventError(document, this.upstream));
    return new Response(text, { headers });
  }

  /** The body as LangChain reads it, looked at on the way. */
  private watched(answer: HttpAnswer): ReadableStream<Uint8Array> {
    let received = 0;
    const lines = createLineSplitter((line) => {
      if (line.startsWith('data:') && line.slice(5).trim() === '[DONE]') this.isDone = true;
    }, maxLineLength);
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const chunks = await answer.body.next();
          if (chunks === null) {
            lines.end();
            controller.close();
            return;
          }
          for (const chunk of chunks) {
            received += chunk.length;
            lines.push(chunk);
            controller.enqueue(chunk);
          }
          if (received > maxAnswerBytes) throw new StreamFormError('more than any answer is long');
        } catch (thrown) {
          answer.body.close();
          controller.error(this.fail(thrown, ''));
        }
      },
      cancel: () => (this.isDone ? answer.body.release() : answer.body.close()),
    }, { highWaterMark: 0 });
  }

  private fail(thrown: unknown, host: string): ReplyFault {
    const { label } = this.upstream;
    const formError = thrown instanceof StreamFormError ? { ...unreadable({ label }), message: `${label} sent ${thrown.message}, which is no answer.` } : null;
    this.fault ??= formError ?? toReplyError(thrown, label, host);
    return thrown instanceof ReplyFault ? thrown : new ReplyFault(this.fault, thrown);
  }
}

function headersOf(init: RequestInit | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  new Headers(init?.headers).forEach((value, name) => {
    // The client sets what belongs to the connection by itself, and what tells of this machine is nobody's business.
    if (name !== 'content-length' && !name.startsWith('x-stainless-')) headers[name] = value;
  });
  return headers;
}

function parsed(text: string): unknown {
  try {
    const document: unknown = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
    return typeof document === 'object' && document !== null ? document : undefined;
  } catch {
    // What cannot be read is said by the caller.
    return undefined;
  }
}
