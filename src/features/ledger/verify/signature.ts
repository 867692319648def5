import { bytesOfBase64url, bytesOfHex, hexOf, utf8, type Bytes } from './bytes.ts';
import { canonicalJson } from './canonical-json.ts';
import { sha256 } from './sha256.ts';

/** What a signature is for: one that was made for a transcript cannot be taken for one of a head. */
export type Purpose = 'transcript seal' | 'log head';

const publicBytes = 32;
const signatureBytes = 64;

/** The id of a key: 128 bits of the SHA-256 of the public key, hex. Nobody can make another key of the same id. @param publicKey 32 bytes, base64url */
export function keyIdOf(publicKey: string): string {
  return hexOf(sha256(bytesOfBase64url(publicKey, publicBytes) ?? new Uint8Array())).slice(0, 32);
}

/** What is signed of a value. */
export function signedBytes(purpose: Purpose, value: unknown): Bytes {
  return utf8(`parley ${purpose} v1\n${canonicalJson(value)}`);
}

/** Whether a key signed a value (Ed25519, RFC 8032). False for what is no key or no signature. @param publicKey 32 bytes, base64url */
export async function isSigned(purpose: Purpose, value: unknown, publicKey: string, signature: string): Promise<boolean> {
  const key = bytesOfBase64url(publicKey, publicBytes);
  const bytes = bytesOfBase64url(signature, signatureBytes);
  return key !== null && bytes !== null && (await isSignature(key, bytes, signedBytes(purpose, value)));
}

async function isSignature(publicKey: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
  const key = await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify']).catch((error: unknown) => {
    // Some engines look at once whether the bytes are a point of the curve.
    if (error instanceof DOMException && error.name === 'DataError') return null;
    throw error;
  });
  return key !== null && (await crypto.subtle.verify('Ed25519', key, signature, message));
}

/** RFC 8032, section 7.1, test 1: the signature of nothing. */
const sample = {
  publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  signature: 'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
};

/**
 * Whether signatures can be checked here: not in browsers without Ed25519, nor on pages that came over plain HTTP from another
 * machine, where browsers withhold their cryptography.
 */
export async function canVerifyHere(): Promise<boolean> {
  // Browsers leave `subtle` out where it may not be used, whatever the types say.
  if (!(globalThis.crypto as { subtle?: unknown } | undefined)?.subtle) return false;
  try {
    return await isSignature(bytesOfHex(sample.publicKey), bytesOfHex(sample.signature), new Uint8Array());
  } catch (error) {
    if (error instanceof DOMException) return false;
    throw error;
  }
}
