import type { FinishReason, ReplyEvent } from '../types.ts';
import type { Reading } from './caller.ts';
import { truncated, unreadable, type ReplyReader } from './call.ts';
import { ReplyFault } from './faults.ts';
import { StreamFormError } from './lines.ts';
import { createSseParser } from './sse.ts';
import { TextChunks } from './text-chunks.ts';

/** What a provider makes of the parts of an answer. */
export interface AnswerForm {
  /**
   * Reads one event of a stream, or a whole answer: a JSON object, in which nothing is trusted to be there. Appends what
   * it says; true when it says that the answer is over.
   * @param name of the event; empty for events without one and for whole answers
   * @throws {ReplyFault} an error in it
   */
  take(part: object, events: ReplyEvent[], name: string): boolean;
  /** Why the answer ends, as soon as that is known. */
  finish(): FinishReason | null;
  /**
   * For services whose events are the same but for a text: the text of an event that says nothing else, null for any
   * other. Most events need no parsing then.
   */
  textAlone?(part: object): string | null;
  /** Appends such a text, where more is to be done with it. */
  takeText?(text: string, events: ReplyEvent[]): void;
  /** What stands in place of the JSON in the last event, for services that have such a mark. */
  endMark?: string;
}

/** Longest event, in UTF-16 units: far beyond a token with its log-probabilities, small enough to hold. */
const maxEventLength = 4_194_304;

/** Reads an answer that comes as server-sent events with JSON in them. One that stops without a reason to is not whole. */
export function createEventReader(form: AnswerForm, reading: Pick<Reading, 'label'>): ReplyReader {
  let events: ReplyEvent[] = [];
  let isOver = false;
  const texts = new TextChunks();

  const finish = (): void => {
    isOver = true;
    events.push({ type: 'finish', reason: form.finish() ?? 'stop' });
  };
  const parser = createSseParser((data, name) => {
    if (isOver) return;
    if (data === form.endMark) return finish();
    const text = name === 'error' ? null : texts.textOf(data);
    if (text !== null) {
      if (form.takeText) form.takeText(text, events);
      else events.push({ type: 'text', text });
      return;
    }
    const part = parse(data, reading);
    if (form.take(part, events, name)) return finish();
    const only = form.textAlone?.(part);
    if (only) texts.learn(data, only, (probe) => form.textAlone!(parse(probe, reading)));
  }, maxEventLength);

  return {
    get isOver() { return isOver; },
    get isComplete() { return form.finish() !== null; },
    push(bytes, into) {
      events = into;
      inForm(() => parser.push(bytes), reading);
    },
    end(into) {
      events = into;
      if (isOver) return;
      try {
        inForm(() => parser.end(), reading);
      } catch (thrown) {
        // What the stream broke off in cannot be read: that is no news once the reason to finish is known.
        const isHalf = thrown instanceof ReplyFault && thrown.cause instanceof SyntaxError;
        if (form.finish() === null) throw isHalf ? new ReplyFault(truncated(reading.label), thrown) : thrown;
      }
      if (isOver) return;
      if (form.finish() === null) throw new ReplyFault(truncated(reading.label));
      finish();
    },
  };
}

/** Reads an answer that comes as one JSON document. */
export function createDocumentReader(form: AnswerForm, reading: Pick<Reading, 'label'>): ReplyReader {
  const parts: Buffer[] = [];
  let isOver = false;
  return {
    get isOver() { return isOver; },
    get isComplete() { return isOver; },
    push(bytes) { parts.push(bytes); },
    end(events) {
      const document = (parts.length === 1 ? parts[0]! : Buffer.concat(parts)).toString('utf8');
      inForm(() => { form.take(parse(document.charCodeAt(0) === 0xfeff ? document.slice(1) : document, reading), events, ''); }, reading);
      const reason = form.finish();
      if (reason === null) throw new ReplyFault(truncated(reading.label));
      isOver = true;
      events.push({ type: 'finish', reason });
    },
  };
}

/** Runs a step of reading; whatever it stumbles over is the service's fault, put into words. */
export function inForm(step: () => void, reading: Pick<Reading, 'label'>): void {
  try {
    step();
  } catch (thrown) {
    if (thrown instanceof ReplyFault) throw thrown;
    const error = unreadable(reading);
    if (thrown instanceof StreamFormError) error.message = `${reading.label} sent ${thrown.message}, which is no answer.`;
    throw new ReplyFault(error, thrown);
  }
}

function parse(data: string, reading: Pick<Reading, 'label'>): object {
  const part: unknown = JSON.parse(data);
  if (typeof part !== 'object' || part === null) throw new ReplyFault(unreadable(reading));
  return part;
}
