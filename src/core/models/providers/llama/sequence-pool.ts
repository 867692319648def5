import { ParleyError } from '../../../../base/errors.ts';
import { WaitingLine, type LineBounds } from './waiting-line.ts';

/** What the pool needs to know of a sequence of the engine: the place where one conversation's tokens are kept. */
export interface Sequence<Token> {
  /** Tokens kept from the last answer. */
  readonly nextTokenIndex: number;
  /** Where these tokens begin to differ from the kept ones. */
  compareContextTokens(tokens: Token[]): { firstDifferentIndex: number };
}

/**
 * The sequences of a loaded model, given out one to an answer. A free one goes to whoever asks. When all are taken,
 * the next one goes to the person who holds the fewest; among those, to the one who was served the longest ago; and
 * of that person's requests to the oldest. So nobody's long answers, however many, keep another person waiting for
 * more than one of them to end.
 */
export interface SequencePool<Token, Kept extends Sequence<Token>> {
  /**
   * A free sequence: the one that already holds the beginning of these tokens, so that the next turn of a conversation
   * need not read it again; else the one unused the longest. Give it back with `give`.
   * @param user who asks; undefined is the server itself
   * @throws {ParleyError} `cancelled` when the signal aborts, `rate_limited` when too many wait
   */
  take(tokens: Token[], signal: AbortSignal, user?: string): Promise<Kept>;
  give(sequence: Kept): void;
  /** Sequences given out now. */
  readonly taken: number;
}

export interface SequencePoolOptions {
  bounds: LineBounds;
  /** Monotonic milliseconds. */
  now(): number;
  /** Told when a request has to wait. @param waiting how many do */
  onWait?(waiting: number): void;
}

interface Waiter<Token, Kept> {
  user: string | undefined;
  tokens: Token[];
  grant(sequence: Kept): void;
}

/** Milliseconds between which the advice lies when to ask again. */
const shortestRetry = 1000;
const longestRetry = 60_000;
/** How much of the usual length of an answer is what the last one took. */
const newestShare = 0.3;

export function createSequencePool<Token, Kept extends Sequence<Token>>(
  sequences: readonly Kept[],
  options: SequencePoolOptions,
): SequencePool<Token, Kept> {
  return new Pool(sequences, options);
}

class Pool<Token, Kept extends Sequence<Token>> implements SequencePool<Token, Kept> {
  readonly #count: number;
  readonly #now: () => number;
  readonly #onWait: (waiting: number) => void;
  /** The one given back last stands last. */
  readonly #free: Kept[];
  readonly #line: WaitingLine<Waiter<Token, Kept>>;
  readonly #held = new Map<Kept, { user: string | undefined; since: number }>();
  /** People in the order in which they were served last; only those who wait or hold something. */
  readonly #served = new Set<string | undefined>();
  #usualMs = shortestRetry;

  constructor(sequences: readonly Kept[], { bounds, now, onWait = () => undefined }: SequencePoolOptions) {
    this.#count = sequences.length;
    this.#now = now;
    this.#onWait = onWait;
    this.#free = [...sequences];
    this.#line = new WaitingLine(bounds);
  }

  get taken(): number {
    return this.#held.size;
  }

  async take(tokens: Token[], signal: AbortSignal, user?: string): Promise<Kept> {
    if (signal.aborted) throw new ParleyError('cancelled');
    // Nobody waits while one is free: each that is given back goes on at once.
    if (this.#free.length > 0) return this.#hand(tokens, user);
    return new Promise((resolve, reject) => {
      const entry: Waiter<Token, Kept> = {
        user,
        tokens,
        grant(sequence) {
          signal.removeEventListener('abort', abort);
          resolve(sequence);
        },
      };
      const abort = (): void => {
        this.#line.remove(entry);
        reject(new ParleyError('cancelled'));
      };
      this.#line.add(entry, this.#retryAfter(user));
      signal.addEventListener('abort', abort, { once: true });
      this.#onWait(this.#line.entries.length);
    });
  }

  give(sequence: Kept): void {
    const held = this.#held.get(sequence);
    if (held === undefined) return;
    this.#held.delete(sequence);
    this.#free.push(sequence);
    this.#usualMs += newestShare * (this.#now() - held.since - this.#usualMs);
    const next = this.#next();
    if (next !== null) {
      this.#line.remove(next);
      next.grant(this.#hand(next.tokens, next.user));
    }
    this.#forgetAbsent();
  }

  #hand(tokens: Token[], user: string | undefined): Kept {
    const best = chooseSequence(this.#free, tokens);
    this.#free.splice(this.#free.indexOf(best), 1);
    this.#held.set(best, { user, since: this.#now() });
    this.#served.delete(user);
    this.#served.add(user);
    return best;
  }

  #next(): Waiter<Token, Kept> | null {
    const order = [...this.#served];
    let next: Waiter<Token, Kept> | null = null;
    let least: [holds: number, servedAt: number] = [Infinity, Infinity];
    for (const entry of this.#line.entries) {
      const rank: [number, number] = [this.#holds(entry.user), order.indexOf(entry.user)];
      if (rank[0] > least[0] || (rank[0] === least[0] && rank[1] >= least[1])) continue;
      next = entry;
      least = rank;
    }
    return next;
  }

  #holds(user: string | undefined): number {
    let count = 0;
    for (const held of this.#held.values()) if (held.user === user) count += 1;
    return count;
  }

  /** Who neither waits nor holds anything counts as never served when they come again. */
  #forgetAbsent(): void {
    for (const user of this.#served) {
      const isThere = this.#holds(user) > 0 || this.#line.entries.some((entry) => entry.user === user);
      if (!isThere) this.#served.delete(user);
    }
  }

  /** How long it takes until this person's waiting requests have been served, if answers take as long as they did. */
  #retryAfter(user: string | undefined): number {
    const people = new Set(this.#line.entries.map((entry) => entry.user)).add(user).size;
    const own = this.#line.entries.filter((entry) => entry.user === user).length;
    const rounds = ((own + 1) * people) / this.#count;
    return Math.round(Math.min(longestRetry, Math.max(shortestRetry, rounds * this.#usualMs)));
  }
}

/**
 * Two conversations often share their system prompt. So a sequence counts as "the same conversation" only when at
 * least half of what it keeps would be used again; otherwise another conversation's tokens would be thrown away to
 * save a few.
 * @param free not empty, in the order of last use
 */
export function chooseSequence<Token, Kept extends Sequence<Token>>(free: readonly Kept[], tokens: Token[]): Kept {
  let best: Kept | null = null;
  let longest = 0;
  for (const sequence of free) {
    const shared = sequence.compareContextTokens(tokens).firstDifferentIndex;
    if (shared > longest && shared * 2 >= sequence.nextTokenIndex) {
      best = sequence;
      longest = shared;
    }
  }
  return best ?? free.find((sequence) => sequence.nextTokenIndex === 0) ?? free[0]!;
}
