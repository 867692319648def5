import { createHash } from 'node:crypto';

/** A SHA-256 hash (FIPS 180-4), 32 bytes. */
export type Hash = Buffer;

/** Bytes in front of what is hashed say what it is, so that no hash of one kind can pass for one of another kind. */
const leafPrefix = Buffer.of(0x00);
const nodePrefix = Buffer.of(0x01);
const recordPrefix = Buffer.of(0x02);

/** Hash of a leaf (RFC 9162, section 2.1.1). */
export function leafHash(content: string | Buffer): Hash {
  return createHash('sha256').update(leafPrefix).update(content).digest();
}

/** Hash of a node over two others (RFC 9162, section 2.1.1). */
export function nodeHash(left: Hash, right: Hash): Hash {
  return createHash('sha256').update(nodePrefix).update(left).update(right).digest();
}

/** Hash of a record by itself, wherever it stands: 0x02 keeps it apart from leaves and nodes. */
export function recordHash(content: string): Hash {
  return createHash('sha256').update(recordPrefix).update(content).digest();
}

/** Root of a tree without leaves (RFC 9162, section 2.1.1): the hash of nothing. */
export const emptyRoot: Hash = createHash('sha256').digest();

/** Whether a text is a hash in hexadecimal digits, lower case. */
export function isHashText(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
}
