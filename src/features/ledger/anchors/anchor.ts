import type { AnchorCheck, AnchorRecord, AnchorStatus, SealedTranscript } from '../types.ts';

/** What an anchor notes of a submission, to go on from and to show. JSON; its form is the anchor's own. */
export type Progress = Readonly<Record<string, unknown>>;

/** What a submission came to. */
export interface Submitted {
  state: Exclude<AnchorRecord['state'], 'pending'>;
  progress: Progress;
  /** Null when it is done. */
  problem: string | null;
}

export interface SubmissionRun {
  /** Aborted when the time is over, or the server stops. */
  signal: AbortSignal;
  /** Keeps what was reached so far. Awaited before anything is sent that would be lost without it. @throws when somebody else has taken over */
  save(progress: Progress): Promise<void>;
}

/** A place outside of the transcript that says that it existed. All pass one suite: anchor-suite.ts. */
export interface Anchor {
  readonly name: string;
  status(): AnchorStatus;
  /**
   * Hands a transcript over, or goes on from where it was left. Once more for one that is done does nothing.
   * @param progress what was kept the last time; null for the first
   * @returns also for a failure; throws only what nobody foresaw
   */
  submit(sealed: SealedTranscript, progress: Progress | null, run: SubmissionRun): Promise<Submitted>;
  /** What the progress says, for people. */
  describe(progress: Progress): Pick<AnchorRecord, 'place' | 'transactions' | 'parts'>;
  /** Reads back what is there and compares. */
  check(sealed: SealedTranscript, progress: Progress | null, signal: AbortSignal): Promise<AnchorCheck>;
  /** Milliseconds that one submission or check may take. */
  readonly timeoutMs: number;
  stop(): Promise<void>;
}
