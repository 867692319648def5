import type { TokenLogprob, Usage } from '../types.ts';

/** A figure of usage; left out when it is none. */
export function count<Name extends keyof Usage>(name: Name, value: unknown): Usage {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? { [name]: value } : {};
}

/** A token by its text, for services that do not list its bytes; these are not known where the text is only part of a character. */
export function tokenByText(token: unknown, logprob: unknown): Omit<TokenLogprob, 'top'> | null {
  if (typeof token !== 'string' || typeof logprob !== 'number') return null;
  return { token, logprob, bytes: token.includes('\ufffd') ? null : [...Buffer.from(token)] };
}

/** A list of numbers, such as a vector; null for anything else. */
export function readVector(value: unknown): Float32Array | null {
  return Array.isArray(value) && value.length > 0 && value.every((number) => typeof number === 'number') ? Float32Array.from(value as number[]) : null;
}
