import { hash, randomInt } from 'node:crypto';
import { randomToken } from '../../../base/ids.ts';

/** Consonants only: no word comes of them, and none looks like a digit (RFC 8628, section 6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';
const userCodeLength = 8;

export const refreshTokenPrefix = 'ort_';

/** Eight letters with a hyphen: one of 25.6 thousand millions, of which at most a thousand are open at a time. */
export function newUserCode(): string {
  const code = Array.from({ length: userCodeLength }, () => letters[randomInt(letters.length)]!).join('');
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

/** The letters of a code as a person types it: in any case, with or without the hyphen and blanks; null for what is none. */
export function readUserCode(text: string): string | null {
  if (text.length > 40) return null;
  const code = text.toUpperCase().replace(/[\s-]/g, '');
  return code.length === userCodeLength && [...code].every((letter) => letters.includes(letter)) ? code : null;
}

export function newDeviceCode(): string {
  return randomToken(32);
}

export function newRefreshToken(): string {
  return refreshTokenPrefix + randomToken(32);
}

/** What is kept of a code or token: they are random and long, or live for minutes, so a fast hash is enough. */
export function digestOf(text: string): string {
  return hash('sha256', text);
}
