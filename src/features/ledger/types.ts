import type { Part } from '../../base/lifecycle.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { AnchorRecord, JsonObject, SealedTranscript, SignedHead, TrustedKey, TrustedKeys, Verification, VerifyOptions, Witness } from './verify/index.ts';

export type * from './verify/types.ts';

/** What is to be sealed: a conversation that has ended. Times are milliseconds since the epoch. */
export interface Transcript {
  /** Of the session: 1 to 128 characters. One id is sealed once. */
  id: string;
  /** The user it belongs to. It goes with the account; its row in the log stays and holds no word of it. */
  ownerId: string;
  startedAt: number;
  endedAt: number;
  /** Who took part, and whatever else shall be proven of the whole. */
  metadata: JsonObject;
  /** In order; at most `mostMessages`. */
  messages: readonly TranscriptMessage[];
}

export interface TranscriptMessage {
  id: string;
  /** Who said it. */
  from: string;
  text: string;
  sentAt: number;
  metadata?: JsonObject;
}

/** Whether an anchor can be used. */
export interface AnchorStatus {
  name: string;
  /** `ready`; `off`: no settings; `absent`: its part is not installed; `misconfigured`: the settings cannot be used. */
  state: 'ready' | 'off' | 'absent' | 'misconfigured';
  /** What is missing and how to add it; null when ready. */
  problem: string | null;
}

/** What an anchor has when it is asked, compared with the transcript. */
export interface AnchorCheck {
  anchor: string;
  /** `same`: it holds this transcript. `different`: it holds something else in its place. `missing`: it holds nothing or not all of it. `unreachable`: it could not be asked. */
  outcome: 'same' | 'different' | 'missing' | 'unreachable';
  /** For a person; null when `same`. */
  problem: string | null;
  /** When the ledger's own clock says that the last part arrived, ISO 8601. */
  at: string | null;
}

export interface LedgerSettings {
  hedera: HederaSettings | null;
}

/** How transcripts reach the Hedera Consensus Service. */
export interface HederaSettings {
  /** Account that pays, `shard.realm.num`. */
  accountId: string;
  /** Its private key: DER in hex, 64 hex digits (Ed25519), or `0x` and 64 hex digits (ECDSA secp256k1). */
  privateKey: string;
  topicId: string;
  /** `mainnet`, `testnet`, `previewnet`, or nodes as `host:port=account`. */
  network: string;
  /** Base URL of the REST API of a mirror node; empty for the public one of the network. */
  mirrorUrl: string;
  /** `transcript`: every word is submitted and public. `proof`: only hashes and signature. */
  content: 'transcript' | 'proof';
  /** Most messages of 1024 bytes for one transcript. */
  mostChunks: number;
  /** Milliseconds that one submission may take. */
  timeoutMs: number;
  /** Folders that may hold the installed part; the first that does is used. */
  partFolders: readonly string[];
}

export interface AnchorOptions {
  signal?: AbortSignal;
  /** Milliseconds that each anchor may take; default: what its settings say. */
  timeoutMs?: number;
}

/** Proof of transcripts: sealing, a log that only grows, checks, and handing over to other ledgers. */
export interface Ledger extends Part {
  /**
   * Seals a transcript: chains and signs it and enters it into the log, in one transaction. Sealing the same one again gives
   * what was sealed before.
   * @throws {ParleyError} `conflict` when something else was sealed under this id; `invalid_request` for a transcript that
   * has no canonical form or is too large
   */
  seal(transcript: Transcript): Promise<SealedTranscript>;
  /** Checks a file. Needs nothing but the file and the keys. @param file the text of a file, or what it holds */
  verify(file: unknown, trustedKeys: TrustedKeys, options?: VerifyOptions): Promise<Verification>;
  /**
   * Hands a sealed transcript over to every anchor that is set up, or goes on where that stopped. Never throws for an
   * anchor that fails: what became of it stands in the answer.
   */
  anchor(sealed: SealedTranscript, options?: AnchorOptions): Promise<AnchorRecord[]>;
  /** What became of the submissions of a transcript; the local log comes first. Empty for one that was never sealed. */
  anchors(id: string): Promise<AnchorRecord[]>;
  /** What became of the submissions of several transcripts to other ledgers, also to those that are not set up any more. */
  submissions(ids: readonly string[]): Promise<ReadonlyMap<string, AnchorRecord[]>>;
  /** Reads back what the anchors hold of a transcript and compares. */
  checkAnchors(sealed: SealedTranscript, options?: AnchorOptions): Promise<AnchorCheck[]>;
  /** The anchors and whether each can be used. */
  anchorStatus(): AnchorStatus[];
  /** A sealed transcript with a fresh proof from the log; null when there is none of this viewer's (administrators see all). */
  transcript(viewer: Pick<Viewer, 'userId' | 'role'>, id: string): Promise<SealedTranscript | null>;
  /** All public keys there ever were, the present one first. */
  keys(): Promise<TrustedKeys>;
  /** Makes a new key. What the old one signed stays good. */
  rotateKey(): Promise<TrustedKey>;
  /** The newest head of the log; null while it is empty. */
  head(): Promise<SignedHead | null>;
  /** The newest head with the proof that the log still begins as it did at this size. @throws {ParleyError} `invalid_request` for a size that the log never had */
  witness(size?: number): Promise<Witness | null>;
  /** Computes the whole log anew and says what is wrong with it; empty when nothing is. */
  checkLog(): Promise<string[]>;
}
