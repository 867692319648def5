import type { ReplyEvent } from '../../types.ts';

/**
 * Events on their way from the engine, which does not wait, to a reader, who may be slow. A slow reader gets fewer and
 * larger batches: neighbouring pieces of text become one. What waits is bounded by the length of one answer.
 */
export interface EventQueue {
  push(event: ReplyEvent): void;
  /** No more events will come. */
  end(): void;
  /** All that has come since the last call, as soon as there is something; null at the end. One call at a time. */
  next(): Promise<ReplyEvent[] | null>;
}

export function createEventQueue(): EventQueue {
  let events: ReplyEvent[] = [];
  let ended = false;
  let waiting: ((batch: ReplyEvent[] | null) => void) | null = null;
  let isPlanned = false;

  function takeAll(): ReplyEvent[] | null {
    if (events.length === 0) return null;
    const batch = events;
    events = [];
    return batch;
  }

  function deliver(): void {
    isPlanned = false;
    if (waiting === null || (events.length === 0 && !ended)) return;
    const reader = waiting;
    waiting = null;
    reader(takeAll());
  }

  return {
    push(event) {
      const last = events.at(-1);
      if (last !== undefined && (event.type === 'text' || event.type === 'reasoning') && last.type === event.type) {
        events[events.length - 1] = { type: event.type, text: last.text + event.text };
      } else {
        events.push(event);
      }
      if (waiting === null || isPlanned) return;
      isPlanned = true;
      // Not at once: first the engine is given the next token to compute, then, while it does, this one is sent.
      setImmediate(deliver);
    },
    end() {
      ended = true;
      deliver();
    },
    next() {
      const batch = takeAll();
      if (batch !== null || ended) return Promise.resolve(batch);
      return new Promise((resolve) => (waiting = resolve));
    },
  };
}
