import { ParleyError } from '../../../../base/errors.ts';

/** Most requests that wait in one line: of one person, and of all. */
export interface LineBounds {
  ofOne: number;
  ofAll: number;
}

/** One who waits. */
interface Waiter {
  /** Who asks; undefined is the server itself. */
  user: string | undefined;
}

/**
 * Requests that wait, the oldest first. It is bounded twice: one person cannot fill the line for all others, and all
 * together cannot fill the memory.
 */
export class WaitingLine<Entry extends Waiter> {
  readonly #bounds: LineBounds;
  readonly #entries: Entry[] = [];

  constructor(bounds: LineBounds) {
    this.#bounds = bounds;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /**
   * @param retryAfterMs when it is worth asking again
   * @throws {ParleyError} `rate_limited` when too many wait
   */
  add(entry: Entry, retryAfterMs: number): void {
    const own = this.#entries.filter((other) => other.user === entry.user).length;
    if (own >= this.#bounds.ofOne) {
      throw new ParleyError('rate_limited', {
        message: `${own} of your requests already wait for the embedded engine. Try again when some are answered.`,
        retryAfterMs,
      });
    }
    if (this.#entries.length >= this.#bounds.ofAll) {
      throw new ParleyError('rate_limited', {
        message: `${this.#entries.length} requests already wait for the embedded engine. Try again in a moment.`,
        retryAfterMs,
      });
    }
    this.#entries.push(entry);
  }

  /** False when it was not in the line. */
  remove(entry: Entry): boolean {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries.splice(at, 1);
    return at >= 0;
  }

  /** All entries; the line is empty afterwards. */
  removeAll(): Entry[] {
    return this.#entries.splice(0);
  }
}
