import type { JsonObject } from './canonical-json.ts';
import { mostCharacters, mostMessages } from './chain.ts';
import { countForm, isObject, listForm, objectForm, oneOf, orNull, textForm, WrongForm, type Form } from './forms.ts';
import { parseStrictJson, StrictJsonError } from './strict-json.ts';
import type { MessageRecord, SealedTranscript, SessionRecord, TrustedKeys, Witness } from './types.ts';

/** A file is not what it should be. The message is for a person. */
export class FormError extends Error {}

/** Most characters of a file: the records, and what the chain adds to each. */
const mostFileCharacters = mostCharacters + mostMessages * 600;
/** A tree of 2^53 leaves has no longer path. */
const longestPath = 60;

const hash = textForm({ matching: /^[0-9a-f]{64}$/ });
const keyId = textForm({ matching: /^[0-9a-f]{32}$/ });
const signature = textForm({ matching: /^[\w-]{86}$/ });
const publicKey = textForm({ matching: /^[\w-]{43}$/ });
const name = textForm({ least: 1, most: 128 });
const written = textForm({ matching: /^[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ });

/** The one form that times are written in. */
const time: Form<string> = (value, place) => {
  const text = written(value, place);
  const read = Date.parse(text);
  if (!Number.isFinite(read) || new Date(read).toISOString() !== text) throw new WrongForm(place, 'a time is expected');
  return text;
};

const metadata: Form<JsonObject> = (value, place) => {
  if (!isObject(value)) throw new WrongForm(place, 'an object is expected');
  return value as JsonObject;
};

const head = objectForm({ ledger: name, size: countForm, root: hash, time, key: keyId, signature });

const sessionRecord = objectForm({ kind: oneOf('session'), session: name, started_at: time, ended_at: time, messages: countForm, metadata });
const messageRecord = objectForm({ kind: oneOf('message'), id: textForm(), from: textForm(), text: textForm(), sent_at: time, metadata });
const record: Form<SessionRecord | MessageRecord> = (value, place) => (isObject(value) && value['kind'] === 'session' ? sessionRecord : messageRecord)(value, place);
const entry = objectForm({ previous: hash, hash, record });

const statement = objectForm({
  format: oneOf('parley-seal'), version: oneOf(1), ledger: name, session: name, key: keyId, sealed_at: time,
  records: listForm(hash, { least: 1, most: mostMessages + 1 }), last: hash, root: hash,
});

const transaction = objectForm({ part: countForm, transaction_id: textForm({ most: 200 }), url: orNull(textForm({ most: 500 })) });
const anchor = objectForm({
  anchor: name, state: oneOf('pending', 'partial', 'done', 'failed'), place: textForm({ most: 1000 }), transactions: listForm(transaction, { most: 10_000 }),
  parts: orNull(countForm), problem: orNull(textForm({ most: 2000 })),
});

const sealedTranscript: Form<SealedTranscript> = objectForm({
  format: oneOf('parley-transcript'), version: oneOf(1),
  // A file that has lost or gained entries is read all the same, so that it can be said which.
  entries: listForm(entry, { most: 2 * mostMessages }),
  seal: objectForm({ statement, public_key: publicKey, signature }),
  log: objectForm({ index: countForm, leaf: hash, logged_at: time, head, inclusion: listForm(hash, { most: longestPath }) }),
  anchors: listForm(anchor, { most: 10 }),
});

const key = objectForm({ id: keyId, algorithm: oneOf('Ed25519'), public_key: publicKey, created_at: time, retired_at: orNull(time) });
const trustedKeys: Form<TrustedKeys> = objectForm({ format: oneOf('parley-ledger-keys'), version: oneOf(1), ledger: orNull(name), keys: listForm(key, { most: 10_000 }) });

const witness: Form<Witness> = objectForm({
  format: oneOf('parley-ledger-witness'), version: oneOf(1), head, other: orNull(head), consistency: listForm(hash, { most: 2 * longestPath }),
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

function read<Value>(form: Form<Value>, file: unknown, what: string): Value {
  try {
    return form(typeof file === 'string' ? parse(file, what) : file, '');
  } catch (error) {
    if (!(error instanceof WrongForm)) throw error;
    throw new FormError(`This is no ${what} of Parley: ${error.place === '' ? '' : `${error.place}: `}${error.message}.`, { cause: error });
  }
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
