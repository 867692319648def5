import type { Clock } from '../../base/clock.ts';
import type { BreakerState } from './service.ts';

/** Consecutive service faults that open a breaker. */
export const breakerThreshold = 5;
/** Milliseconds a breaker stays open before one call may try again. */
export const breakerOpenMs = 60_000;

/** Leave to make one call. Exactly one of `success`, `fault` and `release` counts; what comes later does nothing. */
export interface Permit {
  /** Whether this call is the one trial of a breaker that was open: it should not be repeated. */
  readonly isTrial: boolean;
  /** The service answers: a trial closes the breaker, without waiting for the end of a long answer. */
  alive(): void;
  success(): void;
  /** The service failed. Not for the faults of a key or a request. */
  fault(): void;
  /** The call says nothing of the service: cancelled, or refused for a reason of its own. */
  release(): void;
}

/** Keeps calls away from a service that fails again and again. */
export interface Breaker {
  state(): BreakerState;
  /** Milliseconds until a call may be let through; 0 when one may now. */
  retryAfterMs(): number;
  /** Leave for one call, or null when the call is refused. */
  admit(): Permit | null;
}

/**
 * A breaker: CLOSED counts consecutive faults; at the threshold it is OPEN and refuses; after `breakerOpenMs` it is
 * HALF_OPEN and lets exactly one call through, whose outcome closes it or opens it anew. A trial that never ends does
 * not hold the place for more than another `breakerOpenMs`.
 * @param opens false for one that only counts: it stays CLOSED and refuses nothing
 */
export function createBreaker(clock: Clock, opens = true): Breaker {
  return new ConsecutiveFaultBreaker(clock, opens);
}

class ConsecutiveFaultBreaker implements Breaker {
  readonly #clock: Clock;
  readonly #opens: boolean;
  #failures = 0;
  #lastFailureAt: number | null = null;
  /** Monotonic time of opening; null while closed. */
  #openedAt: number | null = null;
  /** Monotonic time the running trial began; null when there is none. */
  #trialSince: number | null = null;
  /** Raised whenever the permits given so far lose their say: at opening, at closing, when a trial took too long. */
  #epoch = 0;

  constructor(clock: Clock, opens: boolean) {
    this.#clock = clock;
    this.#opens = opens;
  }

  state(): BreakerState {
    const isHalfOpen = this.#trialSince !== null || this.retryAfterMs() === 0;
    return {
      state: this.#openedAt === null ? 'CLOSED' : isHalfOpen ? 'HALF_OPEN' : 'OPEN',
      failures: this.#failures,
      threshold: breakerThreshold,
      openMs: breakerOpenMs,
      lastFailureAt: this.#lastFailureAt,
    };
  }

  retryAfterMs(): number {
    if (this.#openedAt === null) return 0;
    return Math.max((this.#trialSince ?? this.#openedAt) + breakerOpenMs - this.#clock.monotonic(), 0);
  }

  admit(): Permit | null {
    if (this.#openedAt === null) return this.#permit(false);
    if (this.retryAfterMs() > 0) return null;
    if (this.#trialSince !== null) this.#epoch += 1;
    this.#trialSince = this.#clock.monotonic();
    return this.#permit(true);
  }

  #permit(isTrial: boolean): Permit {
    let epoch = this.#epoch;
    let isSettled = false;
    const settle = (): boolean => {
      const counts = !isSettled && epoch === this.#epoch;
      isSettled = true;
      return counts;
    };
    return {
      isTrial,
      alive: () => {
        if (this.#openedAt === null || isSettled || epoch !== this.#epoch) return;
        this.#close();
        // The call goes on and may still fail: it counts among those of the closed breaker.
        epoch = this.#epoch;
      },
      success: () => {
        if (!settle()) return;
        if (this.#openedAt !== null) this.#close();
        else this.#failures = 0;
      },
      fault: () => {
        if (!settle()) return;
        this.#failures += 1;
        this.#lastFailureAt = this.#clock.now();
        if (this.#opens && (this.#openedAt !== null || this.#failures >= breakerThreshold)) this.#open();
      },
      release: () => {
        if (settle() && this.#openedAt !== null) this.#trialSince = null;
      },
    };
  }

  #open(): void {
    this.#openedAt = this.#clock.monotonic();
    this.#trialSince = null;
    this.#epoch += 1;
  }

  #close(): void {
    this.#openedAt = null;
    this.#trialSince = null;
    this.#failures = 0;
    this.#epoch += 1;
  }
}
