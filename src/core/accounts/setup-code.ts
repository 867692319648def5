import { createHmac, randomInt } from 'node:crypto';
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

/**
 * The same for several instances, any of which may be asked: 80 bits that only who has their secrets can make
 * (HMAC-SHA-256, RFC 2104).
 */
export function sharedSetupCode(key: Buffer, ownerId: string): string {
  const bytes = createHmac('sha256', key).update(`set-up code\n${ownerId}`).digest();
  const group = (index: number): string => Array.from(bytes.subarray(index * groupLength, (index + 1) * groupLength), (byte) => alphabet[byte % alphabet.length]).join('');
  return Array.from({ length: groups }, (_, index) => group(index)).join('-');
}

/** Whether a code is the one printed; dashes, blanks and case do not matter. */
export function isSetupCode(given: string, code: string): boolean {
  const plain = (text: string): string => text.slice(0, 100).replace(/[\s-]/g, '').toUpperCase();
  return equalTexts(plain(given), plain(code));
}
