import type { Clock } from '../../../../base/clock.ts';

/** The models that an instance has in memory: as it says itself, and as its answers show. */
export class LoadedModels {
  readonly #clock: Clock;
  readonly #onLoaded: (model: string) => void;
  /** Null while nobody has said. */
  #listed: ReadonlySet<string> | null = null;
  /** Models that have answered, with when: a list that was asked for before that knows nothing of them. */
  readonly #spoke = new Map<string, number>();

  /** @param onLoaded called once each time a model is in memory that was not */
  constructor(clock: Clock, onLoaded: (model: string) => void) {
    this.#clock = clock;
    this.#onLoaded = onLoaded;
  }

  /** Whether a model is in memory; null when not known. */
  has(model: string): boolean | null {
    return this.#listed === null ? null : this.#listed.has(model);
  }

  /**
   * Takes what the instance lists.
   * @param askedAt monotonic time at which it was asked
   */
  listed(models: readonly string[], askedAt: number): void {
    const before = this.#listed;
    for (const [model, at] of this.#spoke) if (at < askedAt) this.#spoke.delete(model);
    const now = new Set([...models, ...this.#spoke.keys()]);
    this.#listed = now;
    // What was there at the first look was loaded by somebody else, some time before.
    if (before) for (const model of now) if (!before.has(model)) this.#onLoaded(model);
  }

  /** It does not say what it has in memory: older versions do not. */
  notListed(): void {
    this.#listed = null;
    this.#spoke.clear();
  }

  /** A model has begun to answer: it is in memory, whatever the last list says. */
  spoke(model: string): void {
    if (this.#listed === null) return;
    this.#spoke.set(model, this.#clock.monotonic());
    if (this.#listed.has(model)) return;
    this.#listed = new Set([...this.#listed, model]);
    this.#onLoaded(model);
  }
}
