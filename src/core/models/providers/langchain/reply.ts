import type { ReplyEvent } from '../../types.ts';
import { createSseParser, ReplyFault, StreamFormError, truncated, unreadable, type ReplyReader } from '../../wire/index.ts';
import { fromWire } from './events.ts';

/** How the service is named in errors. */
export const label = 'The LangChain service';

/** Longest event, in UTF-16 units. */
const maxEventLength = 8_388_608;

/** Reads POST /stream: one event of ours for each server-sent one. */
export function createServiceStreamReader(): ReplyReader {
  let events: ReplyEvent[] = [];
  let isOver = false;
  const parser = createSseParser((data) => {
    if (isOver) return;
    const event = fromWire(JSON.parse(data));
    if (!event) return;
    isOver = event.type === 'finish' || event.type === 'error';
    events.push(event);
  }, maxEventLength);
  return {
    get isOver() { return isOver; },
    get isComplete() { return isOver; },
    push(bytes, into) {
      events = into;
      inForm(() => parser.push(bytes));
    },
    end(into) {
      events = into;
      inForm(() => parser.end());
      if (!isOver) throw new ReplyFault(truncated(label));
    },
  };
}

/** Reads POST /chat: one document with all events. */
export function createServiceAnswerReader(): ReplyReader {
  const parts: Buffer[] = [];
  let isOver = false;
  return {
    get isOver() { return isOver; },
    get isComplete() { return isOver; },
    push(bytes) { parts.push(bytes); },
    end(into) {
      inForm(() => {
        const document = JSON.parse(Buffer.concat(parts).toString('utf8')) as { events?: unknown } | null;
        const events = Array.isArray(document?.events) ? document.events.map(fromWire).filter((event) => event !== null) : [];
        const last = events.at(-1)?.type;
        if (last !== 'finish' && last !== 'error') throw new ReplyFault(unreadable({ label }));
        into.push(...events);
        isOver = true;
      });
    },
  };
}

/** Runs a step of reading; whatever it stumbles over is the service's fault, put into words. */
function inForm(step: () => void): void {
  try {
    step();
  } catch (thrown) {
    if (thrown instanceof ReplyFault) throw thrown;
    const error = unreadable({ label });
    if (thrown instanceof StreamFormError) error.message = `${label} sent ${thrown.message}, which is no answer.`;
    throw new ReplyFault(error, thrown);
  }
}
