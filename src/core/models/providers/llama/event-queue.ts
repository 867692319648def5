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

  function takeAll(): ReplyEvent[] | null {
    if (events.length === 0) return null;
    const batch = events;
    events = [];
    return batch;
  }

  return {
    push(event) {
      if (waiting !== null) {
        const deliver = waiting;
        waiting = null;
        deliver([event]);
        return;
      }
      const last = events.at(-1);
      if (last !== undefined && (event.type === 'text' || event.type === 'reasoning') && last.type === event.type) {
        events[events.length - 1] = { type: event.type, text: last.text + event.text };
      } else {
        events.push(event);
      }
    },
    end() {
      ended = true;
      waiting?.(null);
      waiting = null;
    },
    next() {
      const batch = takeAll();
      if (batch !== null || ended) return Promise.resolve(batch);
      return new Promise((resolve) => (waiting = resolve));
    },
  };
}
