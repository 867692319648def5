import { randomInt } from 'node:crypto';
import { equalTexts } from './tokens.ts';

/** Crockford's base 32: no letters that look like others. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const groups = 4;
const groupLength = 4;

/** The code that proves that whoever registers first can read the server's terminal: 80 random bits, kept in memory only. */
export function newSetupCode(): string {
  const group = (): string => Array.from({ length: groupLength }, () => alphabet[randomInt(alphabet.length)]).join('');
  return Array.from({ length: groups }, group).join('-');
}

/** Whether a code is the one printed; dashes, blanks and case do not matter. */
export function isSetupCode(given: string, code: string): boolean {
  const plain = (text: string): string => text.slice(0, 100).replace(/[\s-]/g, '').toUpperCase();
  return equalTexts(plain(given), plain(code));
}
