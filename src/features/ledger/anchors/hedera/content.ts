import { createHash } from 'node:crypto';
import { canonicalJson } from '../../verify/index.ts';
import type { HederaSettings, SealedTranscript } from '../../types.ts';

/** Most bytes of one message of a topic. */
export const chunkBytes = 1024;

/**
 * What is submitted: canonical JSON of the whole transcript with its seal, or of the seal alone without the hashes of
 * single records, from which short messages could be guessed.
 */
export function contentOf({ entries, seal, log }: SealedTranscript, content: HederaSettings['content']): Buffer {
  if (content === 'transcript') return Buffer.from(canonicalJson({ format: 'parley-transcript-anchor', version: 1, entries, seal }));
  const { ledger, session, key, sealed_at, last, root, records } = seal.statement;
  return Buffer.from(canonicalJson({ format: 'parley-proof-anchor', version: 1, ledger, session, key, sealed_at, records: records.length, last, root, leaf: log.leaf }));
}

/** How many messages some bytes take. */
export function chunkCount(content: Buffer): number {
  return Math.ceil(content.length / chunkBytes);
}

/** The bytes of one message. @param number 1, 2, 3, ... */
export function chunkOf(content: Buffer, number: number): Buffer {
  return content.subarray((number - 1) * chunkBytes, number * chunkBytes);
}

export function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
