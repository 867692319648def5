import { joined, utf8, type Bytes } from './bytes.ts';
import { sha256 } from './sha256.ts';

/** A SHA-256 hash (FIPS 180-4), 32 bytes. */
export type Hash = Bytes;

/** Bytes in front of what is hashed say what it is, so that no hash of one kind can pass for one of another kind. */
const leafPrefix = Uint8Array.of(0x00);
const nodePrefix = Uint8Array.of(0x01);
const recordPrefix = Uint8Array.of(0x02);

/** Hash of a leaf (RFC 9162, section 2.1.1). */
export function leafHash(content: string | Bytes): Hash {
  return sha256(joined(leafPrefix, typeof content === 'string' ? utf8(content) : content));
}

/** Hash of a node over two others (RFC 9162, section 2.1.1). */
export function nodeHash(left: Hash, right: Hash): Hash {
  return sha256(joined(nodePrefix, left, right));
}

/** Hash of a record by itself, wherever it stands: 0x02 keeps it apart from leaves and nodes. */
export function recordHash(content: string): Hash {
  return sha256(joined(recordPrefix, utf8(content)));
}

/** Root of a tree without leaves (RFC 9162, section 2.1.1): the hash of nothing. */
export const emptyRoot: Hash = sha256(new Uint8Array());

/** Whether a text is a hash in hexadecimal digits, lower case. */
export function isHashText(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
}
