import { ParleyError } from '../../../base/errors.ts';
import type { TurnEvent } from '../../../core/conversations/index.ts';
import type { ReplyEvent } from '../../../core/models/index.ts';
import type { EventStream } from '../../shared/index.ts';
import type { AnswerEvents } from '../answers.ts';
import { errorObject } from '../errors.ts';
import { emptyState, responseObject, type ResponseHead } from './answer.ts';
import type { LogprobObject, MessageItem, ReasoningItem, ResponseAnswer } from './answer-schema.ts';
import type { OutputListener } from './output.ts';
import { AnswerReader } from './reading.ts';

/** Milliseconds without a first piece after which a stream begins all the same, so that the client knows the id. */
export const patienceMs = 1000;

/**
 * The events of one response as text. Each has a number, which follows from the events of the answer alone: whoever
 * reads the same answer again gets the same numbers, and can go on behind any of them.
 */
export class EventWriter implements OutputListener {
  /** Set with the last event. */
  ended = false;
  private readonly head: ResponseHead;
  private readonly endedAt: () => number;
  private readonly reader: AnswerReader;
  /** Events up to this number are not written. */
  private readonly after: number;
  private next: number;
  private began: boolean;
  private piece = '';
  /** What stands before the pieces of the open text: put together once. */
  private around: { item: MessageItem | ReasoningItem; before: string } | null = null;

  /** @param endedAt when it ended, milliseconds; asked once it has */
  constructor(head: ResponseHead, endedAt: () => number, after = -1) {
    this.head = head;
    this.endedAt = endedAt;
    this.after = after;
    this.reader = new AnswerReader(head.answerId, this);
    // The numbers of what `opening` writes are taken already.
    this.next = 2;
    this.began = !head.echo.background;
  }

  /** Why it failed, once it has. */
  get failure(): ParleyError | null {
    return this.reader.ending?.status === 'failed' ? this.reader.ending.error : null;
  }

  /** The first two events. Written as late as the stream allows, so that they name the model that speaks. */
  opening(): string {
    const { background } = this.head.echo;
    const response = responseObject(this.headNow(), emptyState(background ? 'queued' : 'in_progress'));
    const second = background ? 'response.queued' : 'response.in_progress';
    return (this.after < 0 ? line('response.created', 0, { response }) : '') + (this.after < 1 ? line(second, 1, { response }) : '');
  }

  take(batch: readonly (ReplyEvent | TurnEvent)[]): string {
    this.piece = '';
    for (const event of figuresFirst(batch)) {
      if (!this.began && !('kind' in event && event.kind === 'end')) this.begin(event);
      this.reader.take(event);
      if (this.reader.ending) this.end();
    }
    return this.piece;
  }

  tell(type: string, fields: () => Record<string, unknown>): void {
    const number = this.next++;
    if (number > this.after) this.piece += line(type, number, fields());
  }

  delta(type: string, item: MessageItem | ReasoningItem, outputIndex: number, delta: string, logprobs: LogprobObject[] | null): void {
    const number = this.next++;
    if (number <= this.after) return;
    if (this.around?.item !== item) {
      const place = `"item_id":${JSON.stringify(item.id)},"output_index":${outputIndex},"content_index":0`;
      this.around = { item, before: `event: ${type}\ndata: {"type":"${type}",${place},"sequence_number":` };
    }
    const probabilities = logprobs === null ? '' : `,"logprobs":${logprobs.length === 0 ? '[]' : JSON.stringify(logprobs)}`;
    this.piece += `${this.around.before}${number},"delta":${JSON.stringify(delta)}${probabilities}}\n\n`;
  }

  /** A fault of the stream itself, told as its last event. */
  error(error: ParleyError): string {
    const { code, message, param, type } = errorObject(error);
    return line('error', this.next++, { code, message, param, error: { type, code, message, param } });
  }

  /** A response in the background waits until its answer begins. */
  private begin(event: ReplyEvent | TurnEvent): void {
    this.began = true;
    if ('kind' in event && event.kind === 'start') this.reader.take(event);
    this.tell('response.in_progress', () => ({ response: responseObject(this.headNow(), emptyState('in_progress')) }));
  }

  private end(): void {
    this.ended = true;
    const state = this.reader.state(this.endedAt());
    // The API has no event for a response that was cancelled: its status says so.
    const type = state.status === 'cancelled' ? 'response.incomplete' : `response.${state.status}`;
    this.tell(type, () => ({ response: responseObject(this.headNow(), state) }));
  }

  private headNow(): ResponseHead {
    return this.reader.model === null ? this.head : { ...this.head, model: this.reader.model };
  }
}

/** Models tell log-probabilities right behind the text they are of, or before it; its event needs them before. */
function figuresFirst<Event extends ReplyEvent | TurnEvent>(batch: readonly Event[]): readonly Event[] {
  const kind = (event: Event | undefined): string | undefined => event && ('kind' in event ? event.kind : event.type);
  if (!batch.some((event) => kind(event) === 'logprobs')) return batch;
  const ordered = [...batch];
  for (let at = 0; at < ordered.length - 1; at += 1) {
    const isBare = kind(ordered[at]) === 'text' && kind(ordered[at - 1]) !== 'logprobs';
    if (isBare && kind(ordered[at + 1]) === 'logprobs') [ordered[at], ordered[at + 1]] = [ordered[at + 1]!, ordered[at]!];
  }
  return ordered;
}

function line(type: string, number: number, fields: Record<string, unknown>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number, ...fields })}\n\n`;
}

/**
 * Streams a response. With `held` it begins with the first piece: a failure before that is thrown, so that it gets a
 * status of its own. One write for each batch; waits for slow clients.
 */
export async function streamResponse(stream: EventStream, writer: EventWriter, events: AnswerEvents, held: boolean): Promise<void> {
  let opened = false;
  const open = (): string => {
    if (opened) return '';
    opened = true;
    return writer.opening();
  };
  const waiting = setTimeout(() => void stream.write(open()), held ? patienceMs : 0);
  try {
    for await (const batch of events) {
      const piece = writer.take(batch);
      if (piece === '' && !writer.ended) continue;
      clearTimeout(waiting);
      if (writer.failure && held && !stream.begun) throw writer.failure;
      if (writer.ended) return stream.end(open() + piece);
      const room = stream.write(open() + piece);
      if (room) await room;
      if (stream.signal.aborted) return;
    }
    if (stream.signal.aborted) return;
    throw new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
  } catch (thrown) {
    if (!stream.begun) throw thrown;
    stream.end(writer.error(thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown })));
    if (!(thrown instanceof ParleyError)) throw thrown;
  } finally {
    clearTimeout(waiting);
  }
}

/** Reads an answer to its end. @throws {ParleyError} what it failed with */
export async function gatherResponse(head: ResponseHead, events: AnswerEvents, endedAt: () => number | Promise<number>): Promise<ResponseAnswer> {
  const reader = new AnswerReader(head.answerId);
  for await (const batch of events) {
    for (const event of batch) reader.take(event);
    if (reader.ending?.status === 'failed') throw reader.ending.error;
    if (reader.ending) return responseObject({ ...head, model: reader.model ?? head.model }, reader.state(await endedAt()));
  }
  throw new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
}
