import type { Clock } from './clock.ts';

/** A limit: at most `count` events in any window of `windowMs` milliseconds. */
export interface Limit {
  /** Names the limit in the store, in logs and in the answer, such as `chat-messages`. */
  name: string;
  /** Events in one window; 0 refuses everything, Infinity switches the limit off. */
  count: number;
  windowMs: number;
}

/** What the limiter says of one event. */
export interface LimitVerdict {
  allowed: boolean;
  /** Events left in the present window after this one. */
  remaining: number;
  /** Milliseconds until the next event would be allowed; 0 when allowed. */
  retryAfterMs: number;
}

/** Counts events. The in-process one below serves one instance; one over Redis takes the same form for several. */
export interface Limiter {
  /** Counts one event of `subject` (a user id, an address) against `limit`, if it is allowed. Refused events are not counted. */
  take(limit: Limit, subject: string): Promise<LimitVerdict>;
}

/**
 * Sliding window in memory: exact, because the time of each event is kept. Bounded: at most `maxSubjects` subjects;
 * beyond it the subject idle the longest is forgotten.
 */
export function createLocalLimiter(clock: Clock, maxSubjects = 100_000): Limiter {
  const events = new Map<string, number[]>();
  return {
    async take(limit, subject) {
      if (limit.count === Infinity) return { allowed: true, remaining: Infinity, retryAfterMs: 0 };
      const key = `${limit.name} ${subject}`;
      const now = clock.now();
      const times = events.get(key) ?? [];
      let expired = 0;
      while (expired < times.length && times[expired]! <= now - limit.windowMs) expired += 1;
      if (expired > 0) times.splice(0, expired);
      const allowed = times.length < limit.count;
      if (allowed) times.push(now);
      events.delete(key);
      if (times.length > 0) events.set(key, times);
      if (events.size > maxSubjects) events.delete(events.keys().next().value!);
      const retryAfterMs = allowed ? 0 : limit.count === 0 ? limit.windowMs : times[0]! + limit.windowMs - now;
      return { allowed, remaining: limit.count - times.length, retryAfterMs };
    },
  };
}
