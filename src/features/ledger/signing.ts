import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

/** What a signature is for; it is signed with the rest, so that none of one kind passes for another. */
export type Purpose = 'transcript seal' | 'log head';

/** DER of an Ed25519 public key but for its 32 bytes (RFC 8410, section 4). */
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex');
const publicBytes = 32;
const signatureBytes = 64;

export interface SigningKey {
  id: string;
  /** 32 bytes, base64url. */
  publicKey: string;
  /** PKCS #8 in base64. */
  privateKey: string;
}

/** A new key for Ed25519 (RFC 8032). */
export function newSigningKey(): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(publicPrefix.length).toString('base64url');
  return { id: keyIdOf(raw), publicKey: raw, privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64') };
}

/** The id of a key: 128 bits of the SHA-256 of the public key, hex. Nobody can make another key of the same id. */
export function keyIdOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, 32);
}

/** Signs the canonical JSON of a value. @param privateKey PKCS #8 in base64 */
export function signValue(purpose: Purpose, value: unknown, privateKey: string): string {
  const key = createPrivateKey({ key: Buffer.from(privateKey, 'base64'), format: 'der', type: 'pkcs8' });
  return sign(null, signedBytes(purpose, value), key).toString('base64url');
}

/** Whether a key signed a value. False for what is no key or no signature. @param publicKey 32 bytes, base64url */
export function isSigned(purpose: Purpose, value: unknown, publicKey: string, signature: string): boolean {
  const key = publicKeyOf(publicKey);
  const bytes = bytesOf(signature, signatureBytes);
  return key !== null && bytes !== null && verify(null, signedBytes(purpose, value), key, bytes);
}

function signedBytes(purpose: Purpose, value: unknown): Buffer {
  return Buffer.from(`parley ${purpose} v1\n${canonicalJson(value)}`);
}

function publicKeyOf(text: string): KeyObject | null {
  const raw = bytesOf(text, publicBytes);
  return raw && createPublicKey({ key: Buffer.concat([publicPrefix, raw]), format: 'der', type: 'spki' });
}

/** So many bytes in their one form in base64url; null for anything else. */
function bytesOf(text: string, length: number): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === length && bytes.toString('base64url') === text ? bytes : null;
}
