import type { Clock } from '../clock.ts';
import { Places } from './places.ts';
import { momentsPerWindow, type Limiter } from './types.ts';

/** Events of one subject within the window, oldest first. */
interface Events {
  moments: { from: number; at: number; count: number }[];
  /** Sum of the counts. */
  count: number;
}

/**
 * Sliding window in memory. An event is counted for the window and at most a thousandth of it longer. Bounded: at most
 * 1,000 moments a subject and `maxSubjects` subjects; beyond it the subject idle the longest is forgotten.
 */
export function createLocalLimiter(clock: Clock, maxSubjects = 100_000): Limiter {
  const subjects = new Map<string, Events>();
  const held = new Places();
  return {
    async hold({ name, count }, subject) {
      const key = `${name}:${subject}`;
      if (held.of(key) >= count) return null;
      return held.take(key, () => undefined);
    },
    async take(limit, subject, together = 1) {
      if (limit.count === Infinity) return { allowed: true, remaining: Infinity, retryAfterMs: 0 };
      const key = `${limit.name} ${subject}`;
      const now = clock.now();
      const events = subjects.get(key) ?? { moments: [], count: 0 };
      forget(events, now - limit.windowMs);
      const allowed = events.count + together <= limit.count;
      if (allowed) add(events, together, now, limit.windowMs / momentsPerWindow);
      // Last in the order of use.
      subjects.delete(key);
      if (events.count > 0) subjects.set(key, events);
      if (subjects.size > maxSubjects) subjects.delete(subjects.keys().next().value!);
      const retryAfterMs = allowed ? 0 : together > limit.count ? limit.windowMs : leavesAt(events, events.count + together - limit.count) + limit.windowMs - now;
      return { allowed, remaining: Math.max(0, limit.count - events.count), retryAfterMs };
    },
  };
}

function forget(events: Events, before: number): void {
  let expired = 0;
  while (expired < events.moments.length && events.moments[expired]!.at <= before) {
    events.count -= events.moments[expired]!.count;
    expired += 1;
  }
  if (expired > 0) events.moments.splice(0, expired);
}

/** When the moment was that makes room for so many when it has left the window. */
function leavesAt({ moments }: Events, wanted: number): number {
  let gone = 0;
  return moments.find(({ count }) => (gone += count) >= wanted)!.at;
}

function add(events: Events, together: number, now: number, momentMs: number): void {
  const last = events.moments.at(-1);
  events.count += together;
  if (last && now - last.from < momentMs) {
    last.at = now;
    last.count += together;
  } else {
    events.moments.push({ from: now, at: now, count: together });
  }
}
