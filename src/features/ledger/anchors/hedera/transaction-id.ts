import type { Clock } from '../../../../base/clock.ts';

/** Seconds for which a transaction is good from its start: the default of the network. */
export const validSeconds = 120;

/** Milliseconds before the present at which transactions start, because a node refuses one whose start it has not reached. */
const startsBeforeMs = 5000;

/**
 * Makes ids of transactions: `account@seconds.nanoseconds`. They are made before anything is sent, so that after a break the
 * same id is sent again and the network takes it once.
 */
export class TransactionIds {
  readonly #clock: Clock;
  #last = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  next(account: string): string {
    const now = BigInt(Math.floor(this.#clock.now()) - startsBeforeMs) * 1_000_000n;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return `${account}@${this.#last / 1_000_000_000n}.${String(this.#last % 1_000_000_000n).padStart(9, '0')}`;
  }
}

/** When a transaction starts to be good, milliseconds since the epoch. */
export function startOf(transactionId: string): number {
  const [seconds, nanoseconds] = transactionId.split('@')[1]!.split('.') as [string, string];
  return Number(seconds) * 1000 + Math.floor(Number(nanoseconds) / 1e6);
}

/** Whether a network would still take a transaction, with ten seconds to spare. */
export function isStillGood(transactionId: string, now: number): boolean {
  return now < startOf(transactionId) + (validSeconds - 10) * 1000;
}
