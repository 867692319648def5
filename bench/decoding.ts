/** When one answer began and ended, and how many tokens it has. */
export interface Decoded {
  /** `performance.now()` at its first token. */
  first: number;
  last: number;
  tokens: number;
}

/**
 * Tokens a second of all streams together, from the first token of any to the last of all. What had to be read before
 * the first token is left out; when the engine makes some streams wait, that counts.
 */
export function decodingRate(streams: readonly Decoded[]): number {
  const from = Math.min(...streams.map(({ first }) => first));
  const to = Math.max(...streams.map(({ last }) => last));
  return streams.reduce((sum, { tokens }) => sum + tokens - 1, 0) / ((to - from) / 1000);
}
