import type { TurnEvent } from '../types.ts';

/**
 * The committed events of one running turn, in memory, for everyone who follows it in this process. What is pushed here
 * is in the database already.
 */
export class TurnFeed {
  /** Event with seq n stands at index n - 1. */
  readonly events: TurnEvent[] = [];
  private readonly listeners = new Set<() => void>();

  get ended(): boolean {
    return this.events.at(-1)?.kind === 'end';
  }

  get seq(): number {
    return this.events.length;
  }

  push(events: readonly TurnEvent[]): void {
    for (const event of events) this.events.push(event);
    this.wake();
  }

  /** Calls the listeners without a new event: the turn is over in this process (lost to another instance, or deleted). */
  wake(): void {
    for (const listener of this.listeners) listener();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/**
 * Joins neighbouring text (and neighbouring reasoning) into one event with the offset of the first and the seq of the
 * last: what a reader gets who was slower than the model.
 */
export function joinTexts(events: readonly TurnEvent[]): TurnEvent[] {
  if (events.length < 2) return [...events];
  const joined: TurnEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (last && (event.kind === 'text' || event.kind === 'reasoning') && last.kind === event.kind) {
      joined[joined.length - 1] = { ...last, seq: event.seq, text: last.text + event.text };
    } else {
      joined.push(event);
    }
  }
  return joined;
}
