import type { Bus } from '../../base/events/index.ts';

/** Milliseconds for which pieces are gathered before they are sent. */
const gatherMs = 20;
/** Characters of one message; the bus takes 64 KB, and a character has up to three bytes, six when it is escaped. */
const longestPiece = 8000;

export function topicOf(runId: string): string {
  return `pipeline:${runId}`;
}

/** Tells whoever follows a run what happens in it: hints, which the rows make good for when they are lost. */
export interface Teller {
  /** The rows have changed. */
  changed(): void;
  /** @param at characters of the stage's output before this piece */
  piece(place: number, attempt: number, at: number, text: string): void;
  /** Sends what was gathered. */
  flush(): void;
}

export function createTeller(bus: Bus, runId: string): Teller {
  const gathered = new Map<number, { attempt: number; at: number; text: string }>();
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    for (const [place, { attempt, at, text }] of gathered) {
      for (let from = 0; from < text.length; from += longestPiece) bus.publish(topicOf(runId), { type: 'piece', place, attempt, at: at + from, text: text.slice(from, from + longestPiece) });
    }
    gathered.clear();
  };
  return {
    flush,
    changed() {
      flush();
      bus.publish(topicOf(runId), { type: 'changed' });
    },
    piece(place, attempt, at, text) {
      const before = gathered.get(place);
      if (before) before.text += text;
      else gathered.set(place, { attempt, at, text });
      timer ??= setTimeout(flush, gatherMs).unref();
    },
  };
}
