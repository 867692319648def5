import { AsyncLocalStorage } from 'node:async_hooks';
import type { Log } from '../observability/index.ts';
import type { WriteQueries } from './types.ts';

/** What shall happen once a transaction is committed. */
type Effect = () => void;

/**
 * Keeps the effects that wait for the commit of each open transaction, and notices a transaction that is begun inside
 * another one: it would wait for its own end.
 */
export class OpenTransactions {
  readonly #effects = new WeakMap<WriteQueries, Effect[]>();
  readonly #current = new AsyncLocalStorage<{ open: boolean }>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** @throws {Error} when the caller runs inside the work of a transaction that is still open. */
  refuseNesting(): void {
    if (this.#current.getStore()?.open) {
      throw new Error('A transaction was begun inside another one and would wait for its own end. Use the queries that `write` gave.');
    }
  }

  /** Runs `transaction` so that whatever it calls is known to be inside. */
  async inside<Result>(transaction: () => Promise<Result>): Promise<Result> {
    const mark = { open: true };
    try {
      return await this.#current.run(mark, transaction);
    } finally {
      mark.open = false;
    }
  }

  /** Gives the transaction a list of effects; the answer is that list. */
  begin(queries: WriteQueries): Effect[] {
    const effects: Effect[] = [];
    this.#effects.set(queries, effects);
    return effects;
  }

  /** @throws {Error} when `queries` is not what `write` gave. */
  add(queries: WriteQueries, effect: Effect): void {
    const effects = this.#effects.get(queries);
    if (!effects) throw new Error('afterCommit needs the queries that `write` gave.');
    effects.push(effect);
  }

  /** Runs the effects of a committed transaction. What one throws is logged: the rows are committed whatever happens. */
  run(effects: readonly Effect[]): void {
    for (const effect of effects) {
      try {
        effect();
      } catch (error) {
        this.#log.error({ err: error }, 'An effect of a committed transaction failed');
      }
    }
  }
}
