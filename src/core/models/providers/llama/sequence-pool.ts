import { ParleyError } from '../../../../base/errors.ts';

/** What the pool needs to know of a sequence of the engine: the place where one conversation's tokens are kept. */
export interface Sequence<Token> {
  /** Tokens kept from the last answer. */
  readonly nextTokenIndex: number;
  /** Where these tokens begin to differ from the kept ones. */
  compareContextTokens(tokens: Token[]): { firstDifferentIndex: number };
}

/** The sequences of a loaded model, given out one to an answer, first come first served. */
export interface SequencePool<Token, Kept extends Sequence<Token>> {
  /**
   * A free sequence: the one that already holds the beginning of these tokens, so that the next turn of a conversation
   * need not read it again; else the one unused the longest. Give it back with `give`.
   * @throws {ParleyError} `cancelled` when the signal aborts, `rate_limited` when too many wait
   */
  take(tokens: Token[], signal: AbortSignal): Promise<Kept>;
  give(sequence: Kept): void;
}

/** @param maxWaiting most callers that wait at the same time */
export function createSequencePool<Token, Kept extends Sequence<Token>>(
  sequences: readonly Kept[],
  maxWaiting: number,
): SequencePool<Token, Kept> {
  /** The one given back last stands last. */
  const free = [...sequences];
  const waiting: { tokens: Token[]; grant(sequence: Kept): void }[] = [];

  function takeBest(tokens: Token[]): Kept {
    const best = chooseSequence(free, tokens);
    free.splice(free.indexOf(best), 1);
    return best;
  }

  return {
    take(tokens, signal) {
      if (signal.aborted) return Promise.reject(new ParleyError('cancelled'));
      if (free.length > 0) return Promise.resolve(takeBest(tokens));
      if (waiting.length >= maxWaiting) {
        return Promise.reject(
          new ParleyError('rate_limited', {
            message: `${waiting.length} answers already wait for the embedded engine. Try again in a moment.`,
            retryAfterMs: 5000,
          }),
        );
      }
      return new Promise((resolve, reject) => {
        const entry = {
          tokens,
          grant: (sequence: Kept) => {
            signal.removeEventListener('abort', abort);
            resolve(sequence);
          },
        };
        function abort(): void {
          waiting.splice(waiting.indexOf(entry), 1);
          reject(new ParleyError('cancelled'));
        }
        signal.addEventListener('abort', abort, { once: true });
        waiting.push(entry);
      });
    },
    give(sequence) {
      free.push(sequence);
      const next = waiting.shift();
      if (next !== undefined) next.grant(takeBest(next.tokens));
    },
  };
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
