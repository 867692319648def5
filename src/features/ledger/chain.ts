import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { canonicalJson, CanonicalError } from './canonical-json.ts';
import { leafHash, recordHash, type Hash } from './hashes.ts';
import { rootOf } from './merkle.ts';
import type { Entry, MessageRecord, Seal, SessionRecord, SignedHead, Transcript } from './types.ts';

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

/**
 * The records of a transcript, the session's own first.
 * @throws {ParleyError} `invalid_request` for one without a canonical form, or too large
 */
export function recordsOf(transcript: Transcript): TranscriptRecord[] {
  const { id, startedAt, endedAt, metadata, messages } = transcript;
  if (id === '' || id.length > 128) throw refused('its id must have 1 to 128 characters');
  if (messages.length > mostMessages) throw refused(`it has ${messages.length} messages; ${mostMessages} fit`);
  try {
    const session: SessionRecord = { kind: 'session', session: id, started_at: isoTime(startedAt), ended_at: isoTime(endedAt), messages: messages.length, metadata };
    const records = [session, ...messages.map((message): MessageRecord => ({ kind: 'message', id: message.id, from: message.from, text: message.text, sent_at: isoTime(message.sentAt), metadata: message.metadata ?? {} }))];
    let characters = 0;
    for (const record of records) characters += canonicalJson(record).length;
    if (characters > mostCharacters) throw refused(`it has ${characters} characters; ${mostCharacters} fit`);
    return records;
  } catch (error) {
    if (error instanceof CanonicalError || error instanceof RangeError) throw refused(error.message, error);
    throw error;
  }
}

function refused(why: string, cause?: unknown): ParleyError {
  return new ParleyError('invalid_request', { message: `The transcript cannot be sealed: ${why}.`, cause });
}

/** Hash of a record by itself, hex. */
export function digestOf(record: TranscriptRecord): string {
  return recordHash(canonicalJson(record)).toString('hex');
}

/** Chains records by their hashes. */
export function chainOf(records: readonly string[]): Chain {
  const leaves: Hash[] = [];
  let previous = firstPrevious;
  const hashes = records.map((record, index) => {
    const hash = leafHash(canonicalJson({ index, previous, record }));
    leaves.push(hash);
    return (previous = hash.toString('hex'));
  });
  return { records: [...records], hashes, last: previous, root: rootOf(leaves).toString('hex') };
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
