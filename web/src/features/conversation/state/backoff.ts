/** First pause before connecting again, in milliseconds. */
const firstPauseMs = 500;
/** Longest pause, in milliseconds. */
const longestPauseMs = 15_000;

/**
 * Milliseconds to wait before the next attempt to connect: doubling from half a second to fifteen, and shortened by up
 * to a third so that many pages do not come back to a restarted server in the same moment.
 * @param failures attempts that failed in a row, 1 or more
 * @param spread between 0 (not shortened) and 1
 */
export function reconnectPauseMs(failures: number, spread: number): number {
  const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 10));
  return Math.round(pause * (1 - spread / 3));
}

/** A number between 0 and 1 for `reconnectPauseMs`. */
export function randomSpread(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! / 0xffffffff;
}

export type CloseMeaning = 'again' | 'signed-out' | 'forbidden' | 'gone' | 'later';

/** What the close code of a socket asks for (docs/arketic.md). */
export function meaningOfClose(code: number): CloseMeaning {
  if (code === 4401) return 'signed-out';
  if (code === 4403) return 'forbidden';
  if (code === 4404) return 'gone';
  if (code === 4429) return 'later';
  return 'again';
}
