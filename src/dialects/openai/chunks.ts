import { ParleyError } from '../../base/errors.ts';
import type { TurnEvent } from '../../core/conversations/index.ts';
import type { ReplyEvent, TokenLogprob, Usage } from '../../core/models/index.ts';
import type { EventStream } from '../shared/index.ts';
import { asReplyEvent, failure, finishOf, logprobsOf, sumUsage, usageOf, type AnswerEvents, type AnswerForm, type AnswerHead } from './answers.ts';
import { errorObject } from './errors.ts';

/** Milliseconds without a first token after which the stream begins all the same, so that nobody gives up waiting. */
const patienceMs = 10_000;

/**
 * The lines of one choice of a streamed answer. Everything but the text itself is put together once: a chunk costs one
 * JSON.stringify of its text and two concatenations.
 */
class ChunkLines {
  private readonly before: string;
  private readonly after: string;
  private readonly head: string;
  private readonly tail: string;

  constructor(answer: AnswerHead, index: number, form: AnswerForm) {
    this.head = `${headOf(answer)}{"index":${index},"delta":`;
    this.tail = `]${form.usage ? ',"usage":null' : ''}}\n\n`;
    this.before = `${this.head}{"content":`;
    this.after = `},"finish_reason":null}${this.tail}`;
  }

  role(): string {
    return this.delta('{"role":"assistant","content":""}');
  }

  text(text: string): string {
    return this.before + JSON.stringify(text) + this.after;
  }

  /** @param logprobs as JSON, where there are any */
  delta(delta: string, logprobs?: string): string {
    return `${this.head}${delta}${logprobs === undefined ? '' : `,"logprobs":${logprobs}`},"finish_reason":null}${this.tail}`;
  }

  finish(reason: string): string {
    return `${this.head}{},"finish_reason":"${reason}"}${this.tail}`;
  }
}

function headOf(answer: AnswerHead): string {
  return `data: {"id":${JSON.stringify(answer.id)},"object":"chat.completion.chunk","created":${answer.created},"model":${JSON.stringify(answer.model)},"choices":[`;
}

/** How a stream ends: the usage of all its choices when asked for, and the mark of the end. */
function closing(writers: readonly ChunkWriter[], form: AnswerForm): string {
  const usage = form.usage ? `${headOf(writers[0]!.head)}],"usage":${JSON.stringify(usageOf(sumUsage(writers.map((writer) => writer.usage))))}}\n\n` : '';
  return `${usage}data: [DONE]\n\n`;
}

/**
 * Streams an answer as OpenAI does: role chunk, pieces, finish chunk, usage chunk when asked for, `[DONE]`. One write for
 * each batch; waits for slow clients. Until something was sent a failure is thrown, so that it gets a status of its
 * own; after that it is told inside the stream, which then ends without `[DONE]`.
 * @param replies one for each choice; several are read side by side
 * @param stopAll ends the models of all choices: the first choice that fails ends the others
 */
export async function streamCompletion(stream: EventStream, head: AnswerHead, form: AnswerForm, replies: readonly AnswerEvents[], stopAll: () => void): Promise<void> {
  const writers = replies.map((_reply, index) => new ChunkWriter(head, index, form));
  // A comment, not the role: which model speaks is known with the first piece.
  const waiting = setTimeout(() => void stream.write(': \n\n'), patienceMs);
  try {
    if (replies.length === 1) await streamOne(stream, writers[0]!, replies[0]!, form, waiting);
    else await streamSeveral(stream, writers, replies, form, waiting);
  } catch (thrown) {
    stopAll();
    if (!stream.begun) throw thrown;
    stream.end(errorLine(thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown })));
    if (!(thrown instanceof ParleyError)) throw thrown;
  } finally {
    clearTimeout(waiting);
  }
}

async function streamOne(stream: EventStream, writer: ChunkWriter, reply: AnswerEvents, form: AnswerForm, waiting: NodeJS.Timeout): Promise<void> {
  for await (const batch of reply) {
    const piece = writer.take(batch);
    if (piece === '' && !writer.ended) continue;
    clearTimeout(waiting);
    if (writer.ended) {
      if (writer.error && !stream.begun) throw writer.error;
      return stream.end(writer.error ? piece + errorLine(writer.error) : piece + closing([writer], form));
    }
    const room = stream.write(piece);
    if (room) await room;
    if (stream.signal.aborted) return;
  }
  if (!stream.signal.aborted) throw endedSilently();
}

async function streamSeveral(stream: EventStream, writers: readonly ChunkWriter[], replies: readonly AnswerEvents[], form: AnswerForm, waiting: NodeJS.Timeout): Promise<void> {
  /** One wait for room, however many choices want to write. */
  let room: Promise<void> | undefined;
  const write = async (piece: string): Promise<void> => {
    clearTimeout(waiting);
    while (room) await room;
    room = stream.write(piece)?.finally(() => { room = undefined; });
    if (room) await room;
  };
  await Promise.all(replies.map(async (reply, index) => {
    const writer = writers[index]!;
    for await (const batch of reply) {
      const piece = writer.take(batch);
      if (writer.error) throw writer.error;
      if (piece !== '') await write(piece);
      if (writer.ended || stream.signal.aborted) return;
    }
    if (!stream.signal.aborted) throw endedSilently();
  }));
  if (!stream.signal.aborted) stream.end(closing(writers, form));
}

function endedSilently(): ParleyError {
  return new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
}

/** Turns batches of one choice into text to write, and remembers what the end needs. */
class ChunkWriter {
  /** Set with the last piece. */
  ended = false;
  error: ParleyError | null = null;
  usage: Usage = {};
  head: AnswerHead;
  private readonly index: number;
  private readonly form: AnswerForm;
  private lines: ChunkLines | null = null;

  constructor(head: AnswerHead, index: number, form: AnswerForm) {
    this.head = head;
    this.index = index;
    this.form = form;
  }

  /** The role chunk, the first time: with the first piece, when it is known which model speaks; nothing after that. */
  private begin(): string {
    if (this.lines) return '';
    this.lines = new ChunkLines(this.head, this.index, this.form);
    return this.lines.role();
  }

  take(batch: readonly (ReplyEvent | TurnEvent)[]): string {
    if (this.form.logprobs) return this.takeWithLogprobs(batch);
    let piece = '';
    for (const raw of batch) {
      const event = asReplyEvent(raw);
      if (event.type === 'text' && event.isRefusal === undefined) piece += this.begin() + this.lines!.text(event.text);
      else piece += this.other(event);
    }
    return piece;
  }

  /** Log-probabilities stand in the chunk of the text they are of: models tell them right behind it, or before it. */
  private takeWithLogprobs(batch: readonly (ReplyEvent | TurnEvent)[]): string {
    let piece = '';
    let text: { text: string; isRefusal: boolean } | null = null;
    let tokens: TokenLogprob[] = [];
    const tell = (): void => {
      if (text !== null || tokens.length > 0) piece += this.begin() + this.textWithLogprobs(text?.text ?? '', text?.isRefusal ?? false, tokens);
      text = null;
      tokens = [];
    };
    for (const raw of batch) {
      const event = asReplyEvent(raw);
      if (event.type === 'logprobs') {
        tokens.push(...event.tokens);
        if (text !== null) tell();
      } else if (event.type === 'text') {
        if (text !== null) tell();
        text = { text: event.text, isRefusal: event.isRefusal === true };
        if (tokens.length > 0) tell();
      } else {
        tell();
        piece += this.other(event);
      }
    }
    tell();
    return piece;
  }

  private textWithLogprobs(text: string, isRefusal: boolean, tokens: readonly TokenLogprob[]): string {
    const logprobs = tokens.length > 0 ? JSON.stringify(logprobsOf(tokens, isRefusal)) : 'null';
    return this.lines!.delta(`{"${isRefusal ? 'refusal' : 'content'}":${JSON.stringify(text)}}`, logprobs);
  }

  private other(event: ReplyEvent): string {
    switch (event.type) {
      case 'text':
        return this.begin() + this.lines!.delta(`{"refusal":${JSON.stringify(event.text)}}`);
      case 'reasoning':
        return this.begin() + this.lines!.delta(`{"reasoning_content":${JSON.stringify(event.text)}}`);
      case 'tool':
        return this.tool(event);
      case 'model':
        if (!this.lines) this.head = { ...this.head, model: event.model };
        return '';
      case 'usage':
        this.usage = { ...this.usage, ...event.usage };
        return '';
      case 'finish':
        this.ended = true;
        return this.begin() + this.lines!.finish(finishOf(event.reason, this.form));
      case 'error':
        this.ended = true;
        this.error = failure(event.error);
        return '';
      case 'logprobs':
        return '';
    }
  }

  private tool(event: Extract<ReplyEvent, { type: 'tool' }>): string {
    const called = { ...(event.name === undefined ? {} : { name: event.name }), arguments: event.arguments };
    if (this.form.oldFunctions) {
      // That form has room for one call.
      return event.index === 0 ? this.begin() + this.lines!.delta(`{"function_call":${JSON.stringify(called)}}`) : '';
    }
    const call = { index: event.index, ...(event.id === undefined ? {} : { id: event.id, type: 'function' }), function: called };
    return this.begin() + this.lines!.delta(`{"tool_calls":[${JSON.stringify(call)}]}`);
  }
}

/** An error told inside a stream. */
export function errorLine(error: ParleyError): string {
  return `data: ${JSON.stringify({ error: errorObject(error) })}\n\n`;
}
