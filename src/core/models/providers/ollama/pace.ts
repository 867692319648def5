import type { Clock } from '../../../../base/clock.ts';

/** Weight of the newest measurement among fresh ones. */
const newestWeight = 0.3;
/** Milliseconds after which a measurement counts for half: how soon an instance answers, and what loading a model takes. */
const responseHalfLifeMs = 30_000;
const loadingHalfLifeMs = 300_000;

/**
 * A moving average that fades while nothing new is measured: what was slow once is tried again some time, and the older
 * the average is, the more the newest measurement counts.
 */
export class FadingAverage {
  readonly #clock: Clock;
  readonly #halfLifeMs: number;
  #value: number | null = null;
  #measuredAt = 0;

  constructor(clock: Clock, halfLifeMs: number) {
    this.#clock = clock;
    this.#halfLifeMs = halfLifeMs;
  }

  /** What it amounts to now; null before the first measurement. */
  get value(): number | null {
    return this.#value === null ? null : this.#value * this.#freshness();
  }

  add(value: number): void {
    const weight = 1 - (1 - newestWeight) * this.#freshness();
    this.#value = this.#value === null ? value : this.#value * (1 - weight) + value * weight;
    this.#measuredAt = this.#clock.monotonic();
  }

  #freshness(): number {
    return 2 ** (-(this.#clock.monotonic() - this.#measuredAt) / this.#halfLifeMs);
  }
}

/** How soon an instance begins to answer, as measured. Milliseconds. */
export class Pace {
  readonly #response: FadingAverage;
  readonly #loading: FadingAverage;

  constructor(clock: Clock) {
    this.#response = new FadingAverage(clock, responseHalfLifeMs);
    this.#loading = new FadingAverage(clock, loadingHalfLifeMs);
  }

  /**
   * Takes the time to a first token.
   * @param wasLoaded whether the model was in memory; null when not known
   */
  measured(milliseconds: number, wasLoaded: boolean | null): void {
    if (wasLoaded !== false) this.#response.add(milliseconds);
    else this.#loading.add(Math.max(0, milliseconds - (this.#response.value ?? 0)));
  }

  /** Nobody waited for the first token: it would have taken longer than this. */
  longerThan(milliseconds: number, wasLoaded: boolean | null): void {
    if (milliseconds > this.expected(wasLoaded)) this.measured(milliseconds, wasLoaded);
  }

  /** What the next answer is likely to take to its first token. 0 while never measured: else it would never be. */
  expected(isLoaded: boolean | null): number {
    return (this.#response.value ?? 0) + (isLoaded === false ? (this.#loading.value ?? 0) : 0);
  }
}
