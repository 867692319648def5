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
 */
export function createBreaker(clock: Clock): Breaker {
  let failures = 0;
  let lastFailureAt: number | null = null;
  /** Monotonic time of opening; null while closed. */
  let openedAt: number | null = null;
  /** Monotonic time the running trial began; null when there is none. */
  let trialSince: number | null = null;
  /** Raised at every opening and closing: calls let through before have no say any more. */
  let epoch = 0;

  const open = (): void => {
    openedAt = clock.monotonic();
    trialSince = null;
    epoch += 1;
  };
  const close = (): void => {
    openedAt = null;
    trialSince = null;
    failures = 0;
    epoch += 1;
  };
  const permit = (isTrial: boolean): Permit => {
    let mine = epoch;
    let isSettled = false;
    const settle = (): boolean => {
      const counts = !isSettled && mine === epoch;
      isSettled = true;
      return counts;
    };
    return {
      isTrial,
      alive() {
        if (!isTrial || isSettled || mine !== epoch || openedAt === null) return;
        close();
        mine = epoch;
      },
      success() {
        if (!settle()) return;
        if (openedAt !== null) close();
        else failures = 0;
      },
      fault() {
        if (!settle()) return;
        failures += 1;
        lastFailureAt = clock.now();
        if (openedAt !== null || failures >= breakerThreshold) open();
      },
      release() {
        if (settle() && openedAt !== null) trialSince = null;
      },
    };
  };
  const retryAfterMs = (): number => {
    if (openedAt === null) return 0;
    const since = trialSince ?? openedAt;
    return Math.max(since + breakerOpenMs - clock.monotonic(), 0);
  };

  return {
    retryAfterMs,
    state: () => ({
      state: openedAt === null ? 'CLOSED' : trialSince !== null || retryAfterMs() === 0 ? 'HALF_OPEN' : 'OPEN',
      failures,
      threshold: breakerThreshold,
      openMs: breakerOpenMs,
      lastFailureAt,
    }),
    admit() {
      if (openedAt === null) return permit(false);
      if (retryAfterMs() > 0) return null;
      if (trialSince !== null) epoch += 1;
      trialSince = clock.monotonic();
      return permit(true);
    },
  };
}
