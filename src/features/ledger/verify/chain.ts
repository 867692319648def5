import { hexOf } from './bytes.ts';
import { canonicalJson } from './canonical-json.ts';
import { leafHash, recordHash, type Hash } from './hashes.ts';
import { rootOf } from './merkle.ts';
import type { Entry, MessageRecord, Seal, SessionRecord, SignedHead } from './types.ts';

/** Most messages of a transcript. */
export const mostMessages = 100_000;
/** Most characters of all canonical records of a transcript. */
export const mostCharacters = 64_000_000;

/** `previous` of the first entry. */
export const firstPrevious = '0'.repeat(64);

export type TranscriptRecord = SessionRecord | MessageRecord;

/** The chain over the hashes of records. */
export interface Chain {
  /** Hash of each record by itself, hex. */
  records: string[];
  /** Hash of each entry, hex. */
  hashes: string[];
  /** Hash of the last entry, hex. */
  last: string;
  /** Merkle root over the entries, hex. */
  root: string;
}

/** Hash of a record by itself, hex. */
export function digestOf(record: TranscriptRecord): string {
  return hexOf(recordHash(canonicalJson(record)));
}

/** Chains records by their hashes. */
export function chainOf(records: readonly string[]): Chain {
  const leaves: Hash[] = [];
  let previous = firstPrevious;
  const hashes = records.map((record, index) => {
    const hash = leafHash(canonicalJson({ index, previous, record }));
    leaves.push(hash);
    return (previous = hexOf(hash));
  });
  return { records: [...records], hashes, last: previous, root: hexOf(rootOf(leaves)) };
}

/** Records with the chain around them. */
export function entriesOf(records: readonly TranscriptRecord[], { hashes }: Pick<Chain, 'hashes'>): Entry[] {
  return records.map((record, index) => ({ previous: index === 0 ? firstPrevious : hashes[index - 1]!, hash: hashes[index]!, record }));
}

/** The leaf of the log that a seal is. */
export function leafOf({ statement, signature }: Pick<Seal, 'statement' | 'signature'>): Hash {
  return leafHash(canonicalJson({ statement, signature }));
}

/** What of a head is signed. */
export function unsignedHead({ ledger, size, root, time, key }: SignedHead): Omit<SignedHead, 'signature'> {
  return { ledger, size, root, time, key };
}
