import { ParleyError } from '../../base/errors.ts';
import type { TurnEvent } from '../../core/conversations/index.ts';
import type { ReplyEvent, Usage } from '../../core/models/index.ts';
import type { EventStream } from '../shared/index.ts';
import { asReplyEvent, failure, finishOf, usageOf, type AnswerEvents, type AnswerHead } from './answers.ts';
import { errorObject } from './errors.ts';

/** Milliseconds without a first token after which the stream begins all the same, so that nobody gives up waiting. */
const patienceMs = 10_000;

/**
 * The lines of a streamed answer. Everything but the text itself is put together once: a chunk costs one
 * JSON.stringify of its text and two concatenations.
 */
class ChunkLines {
  private readonly before: string;
  private readonly after: string;
  private readonly head: string;
  private readonly tail: string;

  constructor(answer: AnswerHead, includeUsage: boolean) {
    this.head = `data: {"id":${JSON.stringify(answer.id)},"object":"chat.completion.chunk","created":${answer.created},"model":${JSON.stringify(answer.model)},"choices":[`;
    this.tail = `]${includeUsage ? ',"usage":null' : ''}}\n\n`;
    this.before = `${this.head}{"index":0,"delta":{"content":`;
    this.after = `},"finish_reason":null}${this.tail}`;
  }

  role(): string {
    return this.delta('{"role":"assistant","content":""}');
  }

  text(text: string): string {
    return this.before + JSON.stringify(text) + this.after;
  }

  delta(delta: string): string {
    return `${this.head}{"index":0,"delta":${delta},"finish_reason":null}${this.tail}`;
  }

  finish(reason: string): string {
    return `${this.head}{"index":0,"delta":{},"finish_reason":"${reason}"}${this.tail}`;
  }

  usage(usage: Usage): string {
    return `${this.head}],"usage":${JSON.stringify(usageOf(usage))}}\n\n`;
  }
}

/**
 * Streams a reply as OpenAI does: role chunk, pieces, finish chunk, usage chunk when asked for, `[DONE]`. One write for
 * each batch; waits for slow clients. Until something was sent a failure is thrown, so that it gets a status of its
 * own; after that it is told inside the stream, which then ends without `[DONE]`.
 */
export async function streamCompletion(stream: EventStream, head: AnswerHead, includeUsage: boolean, events: AnswerEvents): Promise<void> {
  const writer = new ChunkWriter(head, includeUsage);
  // A comment, not the role: which model speaks is known with the first piece.
  const waiting = setTimeout(() => void stream.write(': \n\n'), patienceMs);
  try {
    for await (const batch of events) {
      const piece = writer.take(batch);
      if (piece === '' && !writer.ended) continue;
      clearTimeout(waiting);
      if (writer.error && !stream.begun) throw writer.error;
      if (writer.ended) return stream.end(piece);
      const room = stream.write(piece);
      if (room) await room;
      if (stream.signal.aborted) return;
    }
    if (stream.signal.aborted) return;
    throw new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
  } catch (thrown) {
    if (!stream.begun) throw thrown;
    stream.end(errorLine(thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown })));
    if (!(thrown instanceof ParleyError)) throw thrown;
  } finally {
    clearTimeout(waiting);
  }
}

/** Turns batches into text to write, and remembers what the end needs. */
class ChunkWriter {
  /** Set with the last piece. */
  ended = false;
  error: ParleyError | null = null;
  private head: AnswerHead;
  private readonly includeUsage: boolean;
  private lines: ChunkLines | null = null;
  private usage: Usage = {};

  constructor(head: AnswerHead, includeUsage: boolean) {
    this.head = head;
    this.includeUsage = includeUsage;
  }

  /** The role chunk, the first time: with the first piece, when it is known which model speaks; nothing after that. */
  private begin(): string {
    if (this.lines) return '';
    this.lines = new ChunkLines(this.head, this.includeUsage);
    return this.lines.role();
  }

  take(batch: readonly (ReplyEvent | TurnEvent)[]): string {
    let piece = '';
    for (const raw of batch) {
      const event = asReplyEvent(raw);
      if (event.type === 'text') piece += this.begin() + this.lines!.text(event.text);
      else piece += this.other(event);
    }
    return piece;
  }

  private other(event: Exclude<ReplyEvent, { type: 'text' }>): string {
    switch (event.type) {
      case 'reasoning':
        return this.begin() + this.lines!.delta(`{"reasoning_content":${JSON.stringify(event.text)}}`);
      case 'tool':
        return this.begin() + this.lines!.delta(toolDelta(event));
      case 'model':
        if (!this.lines) this.head = { ...this.head, model: event.model };
        return '';
      case 'usage':
        this.usage = { ...this.usage, ...event.usage };
        return '';
      case 'finish':
        this.ended = true;
        return this.begin() + this.lines!.finish(finishOf(event.reason)) + (this.includeUsage ? this.lines!.usage(this.usage) : '') + 'data: [DONE]\n\n';
      case 'error':
        this.ended = true;
        this.error = failure(event.error);
        return errorLine(this.error);
      case 'logprobs':
        return '';
    }
  }
}

function toolDelta(event: Extract<ReplyEvent, { type: 'tool' }>): string {
  const call = {
    index: event.index,
    ...(event.id === undefined ? {} : { id: event.id, type: 'function' }),
    function: { ...(event.name === undefined ? {} : { name: event.name }), arguments: event.arguments },
  };
  return `{"tool_calls":[${JSON.stringify(call)}]}`;
}

/** An error told inside a stream. */
export function errorLine(error: ParleyError): string {
  return `data: ${JSON.stringify({ error: errorObject(error) })}\n\n`;
}
