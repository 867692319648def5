import type { ReplyEvent } from '../../types.ts';

/**
 * Events on their way from the engine, which does not wait, to a reader, who may be slow. A slow reader gets fewer and
 * larger batches: neighbouring pieces of text become one. What waits is bounded by the length of one answer.
 */
export interface EventQueue {
  push(event: ReplyEvent): void;
  /** No more events will come. */
  end(): void;
  /** All that has come since the last batch, until the end. */
  batches(): AsyncGenerator<ReplyEvent[], void, void>;
}

export function createEventQueue(): EventQueue {
  let events: ReplyEvent[] = [];
  let ended = false;
  let wake: (() => void) | null = null;

  function notify(): void {
    wake?.();
    wake = null;
  }

  return {
    push(event) {
      const last = events.at(-1);
      if (last !== undefined && (event.type === 'text' || event.type === 'reasoning') && last.type === event.type) {
        events[events.length - 1] = { type: event.type, text: last.text + event.text };
      } else {
        events.push(event);
      }
      notify();
    },
    end() {
      ended = true;
      notify();
    },
    async *batches() {
      for (;;) {
        if (events.length > 0) {
          const batch = events;
          events = [];
          yield batch;
        } else if (ended) {
          return;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    },
  };
}
