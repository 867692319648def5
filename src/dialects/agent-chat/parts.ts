import type { Viewer } from '../../core/accounts/index.ts';
import type { Agents } from '../../features/agents/index.ts';
import type { AnchorRecord, Checks, Ledger, SealedTranscript } from '../../features/ledger/index.ts';
import type { DialectParts } from '../shared/index.ts';

/** What this dialect stands on. */
export interface AgentChatParts extends DialectParts {
  agents: Agents;
  transcripts: SessionTranscripts;
  ledger: Pick<Ledger, 'keys' | 'head' | 'witness'>;
  checks: Checks;
}

/** Transcripts of sessions that have ended. Foreign sessions are not there (`not_found`); one that goes on is a `conflict`. */
export interface SessionTranscripts {
  /** The sealed file, for whoever takes part; sealed now if it was not. @throws {ParleyError} `not_found`, `conflict` */
  file(viewer: Viewer, sessionId: string): Promise<SealedTranscript>;
  /** @throws {ParleyError} as `file` */
  state(viewer: Viewer, sessionId: string): Promise<TranscriptProgress>;
  /** Tries again to hand it over, and waits for that, but not for long. @throws {ParleyError} as `file`; `forbidden` for anyone but the owner */
  tryAgain(viewer: Viewer, sessionId: string): Promise<TranscriptProgress>;
}

/** How a transcript stands. */
export interface TranscriptProgress {
  isSealed: boolean;
  /** Whether a public ledger has confirmed every part of it. */
  submitted: boolean;
  anchors: AnchorRecord[];
  /** When it is tried again by itself, ISO 8601; null when it is not. */
  nextTryAt: string | null;
}
