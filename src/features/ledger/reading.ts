import { z } from 'zod';
import type { JsonObject } from './canonical-json.ts';
import { mostCharacters, mostMessages } from './chain.ts';
import { parseStrictJson, StrictJsonError } from './strict-json.ts';
import type { SealedTranscript, TrustedKeys, Witness } from './types.ts';

/** A file is not what it should be. The message is for a person. */
export class FormError extends Error {}

/** Most characters of a file: the records, and what the chain adds to each. */
const mostFileCharacters = mostCharacters + mostMessages * 600;
/** A tree of 2^53 leaves has no longer path. */
const longestPath = 60;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const keyId = z.string().regex(/^[0-9a-f]{32}$/);
const signature = z.string().regex(/^[\w-]{86}$/);
const publicKey = z.string().regex(/^[\w-]{43}$/);
/** The one form that times are written in. */
const time = z.string().regex(/^[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/).refine((text) => {
  const read = Date.parse(text);
  return Number.isFinite(read) && new Date(read).toISOString() === text;
});
const name = z.string().min(1).max(128);
const metadata = z.custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value));
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const head = z.strictObject({ ledger: name, size: count, root: hash, time, key: keyId, signature });

const sessionRecord = z.strictObject({ kind: z.literal('session'), session: name, started_at: time, ended_at: time, messages: count, metadata });
const messageRecord = z.strictObject({ kind: z.literal('message'), id: z.string(), from: z.string(), text: z.string(), sent_at: time, metadata });
const entry = z.strictObject({ previous: hash, hash, record: z.discriminatedUnion('kind', [sessionRecord, messageRecord]) });

const statement = z.strictObject({
  format: z.literal('parley-seal'), version: z.literal(1), ledger: name, session: name, key: keyId, sealed_at: time,
  records: z.array(hash).min(1).max(mostMessages + 1), last: hash, root: hash,
});

const anchor = z.strictObject({
  anchor: name, state: z.enum(['pending', 'partial', 'done', 'failed']), place: z.string().max(1000),
  transactions: z.array(z.strictObject({ part: count, transaction_id: z.string().max(200), url: z.string().max(500).nullable() })).max(10_000),
  parts: count.nullable(), problem: z.string().max(2000).nullable(),
});

const sealedTranscript = z.strictObject({
  format: z.literal('parley-transcript'), version: z.literal(1),
  // A file that has lost or gained entries is read all the same, so that it can be said which.
  entries: z.array(entry).max(2 * mostMessages),
  seal: z.strictObject({ statement, public_key: publicKey, signature }),
  log: z.strictObject({ index: count, leaf: hash, logged_at: time, head, inclusion: z.array(hash).max(longestPath) }),
  anchors: z.array(anchor).max(10),
});

const trustedKeys = z.strictObject({
  format: z.literal('parley-ledger-keys'), version: z.literal(1), ledger: name.nullable(),
  keys: z.array(z.strictObject({ id: keyId, algorithm: z.literal('Ed25519'), public_key: publicKey, created_at: time, retired_at: time.nullable() })).max(10_000),
});

const witness = z.strictObject({
  format: z.literal('parley-ledger-witness'), version: z.literal(1), head, other: head.nullable(), consistency: z.array(hash).max(2 * longestPath),
});

/** Reads a transcript file. @param file its text, or what it holds. @throws {FormError} */
export function readSealedTranscript(file: unknown): SealedTranscript {
  return read(sealedTranscript, file, 'transcript');
}

/** Reads a file of public keys. @throws {FormError} */
export function readTrustedKeys(file: unknown): TrustedKeys {
  return read(trustedKeys, file, 'file of keys');
}

/** Reads a noted head of a log. @throws {FormError} */
export function readWitness(file: unknown): Witness {
  return read(witness, file, 'noted head of a log');
}

function read<Schema extends z.ZodType>(schema: Schema, file: unknown, what: string): z.output<Schema> {
  const read = schema.safeParse(typeof file === 'string' ? parse(file, what) : file);
  if (read.success) return read.data;
  const { path, message } = read.error.issues[0]!;
  throw new FormError(`This is no ${what} of Parley: ${path.length === 0 ? '' : `${path.join('.')}: `}${message}.`);
}

function parse(text: string, what: string): unknown {
  if (text.length > mostFileCharacters) throw new FormError(`This is no ${what} of Parley: it is too large.`);
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (error instanceof StrictJsonError) throw new FormError(`This is no ${what} of Parley: ${error.message}.`, { cause: error });
    throw error;
  }
}
