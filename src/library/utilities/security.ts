import { pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);

/** Rounds of PBKDF2-HMAC-SHA256, as the OWASP Password Storage Cheat Sheet asks for. */
const iterations = 600_000;
const hashBytes = 32;
const saltBytes = 16;
const longestToken = 65_536;

/**
 * Random characters (A-Z, a-z, 0-9, `-` and `_`) from the generator of the operating system.
 * @param length characters to return, 1 to 65,536; each holds 6 random bits. Default 32
 * @throws {RangeError} for another length
 */
export function generateSecureToken(length: number = 32): string {
  if (!Number.isInteger(length) || length < 1 || length > longestToken) {
    throw new RangeError(`length must be a whole number from 1 to ${longestToken}.`);
  }
  return randomBytes(Math.ceil((length * 3) / 4)).toString('base64url').slice(0, length);
}

/**
 * A key for an API of your own: `ask_` and 43 random characters (256 bits). It is only made, not registered anywhere:
 * keys that this server accepts are made by `parley key create`.
 */
export function generateApiKey(): string {
  return `ask_${randomBytes(32).toString('base64url')}`;
}

/**
 * Hashes a password with PBKDF2-HMAC-SHA256 (RFC 8018): 600,000 rounds, 32 bytes. Keep both values.
 * @param salt taken as UTF-8; without it 16 random bytes are made
 * @returns both in hexadecimal; a salt that was given is returned as it is
 * @throws {RangeError} for an empty salt, with which equal passwords would have equal hashes
 */
export async function hashPassword(password: string, salt?: string | null): Promise<{ hash: string; salt: string }> {
  if (salt === '') throw new RangeError('salt must not be empty.');
  const used = salt ?? randomBytes(saltBytes).toString('hex');
  return { hash: await deriveKey(password, used, iterations), salt: used };
}

/** Whether the password gives this hash with this salt; compared in constant time. A hash that is none gives false. */
export async function verifyPassword(password: string, storedHash: string, salt: string): Promise<boolean> {
  if (typeof storedHash !== 'string' || !/^[0-9a-f]{64}$/i.test(storedHash) || typeof salt !== 'string' || salt === '') return false;
  return timingSafeEqual(Buffer.from(await deriveKey(password, salt, iterations), 'hex'), Buffer.from(storedHash, 'hex'));
}

/** PBKDF2-HMAC-SHA256 with a key of 32 bytes, in hexadecimal. */
export async function deriveKey(password: string, salt: string, rounds: number): Promise<string> {
  return (await derive(password, salt, rounds, hashBytes, 'sha256')).toString('hex');
}
