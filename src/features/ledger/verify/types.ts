import type { JsonObject } from './canonical-json.ts';

/** A signed head of a log: what the log says of itself at one time. */
export interface SignedHead {
  /** Id of the log. */
  ledger: string;
  /** Leaves. */
  size: number;
  /** Root of the tree over them, hex. */
  root: string;
  /** ISO 8601. */
  time: string;
  /** Id of the key that signed. */
  key: string;
  /** Ed25519 over the rest, base64url. */
  signature: string;
}

/** What the server's key signs of a transcript. */
export interface SealStatement {
  format: 'parley-seal';
  version: 1;
  /** Id of the log it was entered in. */
  ledger: string;
  session: string;
  /** Id of the key that signs. */
  key: string;
  /** ISO 8601, by the clock of the database. */
  sealed_at: string;
  /** Hash of each record by itself, in order, hex: the session's own first, then the messages. */
  records: readonly string[];
  /** Hash of the last entry of the chain, hex. */
  last: string;
  /** Merkle root over the entries of the chain, hex. */
  root: string;
}

/** The first record of a transcript. */
export type SessionRecord = { readonly kind: 'session'; readonly session: string; readonly started_at: string; readonly ended_at: string; readonly messages: number; readonly metadata: JsonObject };

/** All others. */
export type MessageRecord = { readonly kind: 'message'; readonly id: string; readonly from: string; readonly text: string; readonly sent_at: string; readonly metadata: JsonObject };

/** One link of the chain. */
export interface Entry {
  /** Hash of the entry before, hex; 64 zeros in the first. */
  previous: string;
  /** Hash of this entry, hex: over its place, `previous` and the hash of its record. */
  hash: string;
  record: SessionRecord | MessageRecord;
}

export interface Seal {
  statement: SealStatement;
  /** The 32 bytes of the key, base64url, so that it can be compared with one that is trusted. */
  public_key: string;
  /** Ed25519 over the statement, base64url. */
  signature: string;
}

/** That the seal stands in the log. */
export interface LogProof {
  /** Place in the log, from 0. */
  index: number;
  /** Hash of the leaf, which is over statement and signature, hex. */
  leaf: string;
  /** The moment of sealing. */
  logged_at: string;
  head: SignedHead;
  /** Inclusion proof (RFC 9162, section 2.1.3), hex. */
  inclusion: readonly string[];
}

/** A transaction on a public ledger that holds a part of a transcript. */
export interface AnchorTransaction {
  /** 1, 2, 3, ... */
  part: number;
  transaction_id: string;
  /** Where people can look at it; null where nobody from outside can. */
  url: string | null;
}

/** What is known of a submission elsewhere. Not signed: a claim that is checked there. */
export interface AnchorRecord {
  /** `log` or `hedera`. */
  anchor: string;
  /** `pending`: not begun. `partial`: some parts arrived. `done`: every part was confirmed. `failed`: none arrived. */
  state: 'pending' | 'partial' | 'done' | 'failed';
  /** Where: the network, or the id of the log. */
  place: string;
  /** Parts that have a receipt that says success. */
  transactions: readonly AnchorTransaction[];
  /** All parts there are; null while that is not known. */
  parts: number | null;
  /** What kept it from being done, for a person. */
  problem: string | null;
}

/** The file that people keep. */
export interface SealedTranscript {
  format: 'parley-transcript';
  version: 1;
  entries: readonly Entry[];
  seal: Seal;
  log: LogProof;
  anchors: readonly AnchorRecord[];
}

/** A public key, and when it signed. */
export interface TrustedKey {
  id: string;
  algorithm: 'Ed25519';
  /** 32 bytes, base64url. */
  public_key: string;
  created_at: string;
  /** Null while it still signs. */
  retired_at: string | null;
}

/** The keys of a server, as `parley ledger keys` writes them. */
export interface TrustedKeys {
  format: 'parley-ledger-keys';
  version: 1;
  /** Id of its log; null when any log signed by these keys will do. */
  ledger: string | null;
  keys: readonly TrustedKey[];
}

/** A head that somebody noted earlier, with the proof that leads from it to a later one, or from an earlier one to it. */
export interface Witness {
  format: 'parley-ledger-witness';
  version: 1;
  /** The head that was noted. */
  head: SignedHead;
  /** Another head of the same log, when a proof between the two is here. */
  other: SignedHead | null;
  /** Consistency proof between both (RFC 9162, section 2.1.4), hex. */
  consistency: readonly string[];
}

/** What a check of a transcript comes to. docs/ledger.md explains each. */
export type Verdict =
  | 'valid' | 'malformed' | 'bad_signature' | 'unknown_key' | 'key_out_of_time' | 'altered' | 'removed' | 'truncated' | 'added' | 'reordered'
  | 'wrong_session' | 'replayed' | 'bad_chain' | 'wrong_log' | 'not_in_log' | 'bad_log_head' | 'forked' | 'no_common_head' | 'clock';

/** The first thing that is not as it was sealed. */
export interface Difference {
  what: 'altered' | 'removed' | 'truncated' | 'added' | 'reordered';
  /** 0 is the session's own record, 1 the first message. For what was removed, the place where it stood. */
  position: number;
  /** Id of the message in the file that stands there; null for what is not there, and for the session's own record. */
  message: string | null;
}

export interface Verification {
  verdict: Verdict;
  /** For a person. */
  explanation: string;
  first: Difference | null;
  session: string | null;
  ledger: string | null;
  /** Messages in the file; null when it cannot be read. */
  messages: number | null;
  /** Id of the key that signed it. */
  key: string | null;
  sealedAt: string | null;
  /** Place in the log. */
  index: number | null;
}

export interface VerifyOptions {
  /** The session that the file is said to be of. */
  session?: string;
  /** A head of the same log, noted earlier, that the log must agree with. */
  witness?: Witness;
  /** Another sealed transcript of the same session, such as one that somebody else kept. */
  against?: unknown;
  /** Milliseconds since the epoch by the clock of whoever checks. */
  now?: number;
}
