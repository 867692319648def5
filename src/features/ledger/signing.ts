import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { keyIdOf, signedBytes, type Purpose } from './verify/index.ts';

/** DER of an Ed25519 public key but for its 32 bytes (RFC 8410, section 4). */
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex');

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

/** Signs the canonical JSON of a value. @param privateKey PKCS #8 in base64 */
export function signValue(purpose: Purpose, value: unknown, privateKey: string): string {
  const key = createPrivateKey({ key: Buffer.from(privateKey, 'base64'), format: 'der', type: 'pkcs8' });
  return sign(null, signedBytes(purpose, value), key).toString('base64url');
}
