/** A limit: at most `count` events in any window of `windowMs` milliseconds. */
export interface Limit {
  /** Names the limit in the store, in logs and in the answer, such as `chat-messages`. */
  name: string;
  /** Events in one window; 0 refuses everything, Infinity switches the limit off. */
  count: number;
  windowMs: number;
}

/** What the limiter says of one event, or of several that are allowed together or not at all. */
export interface LimitVerdict {
  allowed: boolean;
  /** Events left in the present window after these. */
  remaining: number;
  /** Milliseconds until as many would be allowed (the whole window where never are); 0 when allowed. */
  retryAfterMs: number;
}

/** Counts events. One in this process serves one instance, one over Redis several; both count alike. */
export interface Limiter {
  /**
   * Counts an event of `subject` (a user id, an address) against `limit`, if it is allowed. Refused events are not counted.
   * @param events of several that come together all are allowed, or none; default 1
   */
  take(limit: Limit, subject: string, events?: number): Promise<LimitVerdict>;
  /**
   * Takes one of `count` places that `subject` has at the same time (open sockets of an address). The answer is a
   * function that gives the place back, which may be called more than once; null when all are taken. What a process
   * that died held is free again soon after.
   */
  hold(places: { name: string; count: number }, subject: string): Promise<(() => void) | null>;
}

/** Parts of a window: events closer together than one of them are counted as one moment, which bounds what is kept. */
export const momentsPerWindow = 1000;
