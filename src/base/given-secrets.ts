import { hkdfSync } from 'node:crypto';
import { decryptWith, encryptWith, keyIdOf, SecretsError, type SecretKey, type Secrets } from './secrets.ts';

/** Secrets that come from the settings and not from the file; null for none. Each has at least `shortestGivenSecret` characters. */
export interface GivenSecrets {
  /** Signs tokens and session cookies, in place of the keys of the file. */
  sessionSecret: string | null;
  /** Encrypts in place of the newest key of the file. */
  encryptionKey: string | null;
  /** The `encryptionKey` of before: reads what it encrypted, and encrypts nothing. */
  encryptionKeyBefore: string | null;
}

/** Fewest characters of a given secret: 32 hexadecimal ones are 128 bits. Keys are derived fast, so a short one could be guessed. */
export const shortestGivenSecret = 32;

/** Names of keys that come from the settings begin so. */
const givenPrefix = 'env-';

/**
 * The secrets with those of the settings in front. Tokens are then signed with the session secret alone: another one, or
 * none, ends all sign-ins. What the keys of the file encrypted stays readable; what a given key encrypted needs that key.
 */
export function withGivenSecrets(secrets: Secrets, given: GivenSecrets): Secrets {
  const signing = given.sessionSecret === null ? null : derived(given.sessionSecret, 'sign tokens');
  const current = given.encryptionKey === null ? null : derived(given.encryptionKey, 'encrypt');
  const before = given.encryptionKeyBefore === null ? null : derived(given.encryptionKeyBefore, 'encrypt');
  if (!signing && !current && !before) return secrets;
  const keyOf = (cipher: string): SecretKey | undefined => {
    const id = keyIdOf(cipher);
    return [current, before].find((key) => key?.id === id) ?? undefined;
  };
  return {
    ...secrets,
    encrypt: (plain, associated) => (current ? encryptWith(current, plain, associated) : secrets.encrypt(plain, associated)),
    decrypt(cipher, associated) {
      const key = keyOf(cipher);
      return key ? decryptWith(key, cipher, associated) : secrets.decrypt(cipher, associated);
    },
    holdsKeyOf: (cipher) => keyOf(cipher) !== undefined || secrets.holdsKeyOf(cipher),
    isOutdated: (cipher) => (current ? keyIdOf(cipher) !== current.id : secrets.isOutdated(cipher)),
    signingKeys: () => (signing ? { current: signing, all: [signing] } : secrets.signingKeys()),
    signingKey: (id) => (signing ? (id === signing.id ? signing : null) : secrets.signingKey(id)),
    rotate(options = {}) {
      if (signing && options.forgetSigningKeys) {
        throw new SecretsError('Sign-ins are signed with SESSION_SECRET. Set it to another value and start every server again: that ends them all. For new keys without that, leave --end-sign-ins out.');
      }
      secrets.rotate(options);
    },
  };
}

/** Whether a text was encrypted with a key of the settings, of this time or another. */
export function isFromGivenKey(cipher: string): boolean {
  return keyIdOf(cipher)?.startsWith(givenPrefix) ?? false;
}

/** A key from a secret text (HKDF-SHA-256, RFC 5869), with a name that tells equal ones and says nothing about the secret. */
function derived(secret: string, use: string): SecretKey {
  const make = (what: string, bytes: number): Buffer => Buffer.from(hkdfSync('sha256', secret, 'parley', what, bytes));
  return { id: `${givenPrefix}${make(`name of the key to ${use}`, 9).toString('base64url')}`, key: make(`key to ${use}`, 32) };
}
