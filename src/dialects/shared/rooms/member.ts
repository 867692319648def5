import type { ErrorCode, ParleyError } from '../../../base/errors.ts';
import type { Viewer } from '../../../core/accounts/index.ts';

/** Answers of which is remembered what a member was told: more than can run, wait and be attached to at a time. */
const mostRemembered = 200;

/** What one member was told of one answer. */
export interface Told {
  /** Whether its beginning was. */
  started: boolean;
  /** Seq up to which the member followed it by itself; 0 when only the room told it. */
  seq: number;
}

/** What a member gets of growing answers: each new piece, frames that repeat the whole text, or nothing. */
export type Pieces = 'each' | 'whole' | 'none';

/** What a member follows by itself as long as it follows nothing. */
const nothing: ReadonlyMap<string, AbortController> = new Map();

/**
 * One open socket in one room. What it needs only while answers are made is made then: most sockets are idle.
 */
export abstract class RoomMember<Frame> {
  readonly viewer: Viewer;
  private following: Map<string, AbortController> | null = null;
  private memory: Map<string, Told> | null = null;

  constructor(viewer: Viewer) {
    this.viewer = viewer;
  }

  abstract get pieces(): Pieces;
  abstract get isOpen(): boolean;
  /** Whether so much waits for it that it follows answers by itself, in larger pieces. */
  abstract get isSlow(): boolean;
  /** The name under which it says that its user is typing, which it does not hear itself; null when it hears all. */
  abstract get source(): string | null;
  abstract send(frame: Frame): void;
  /** Sends one frame and resolves when it, or what was before it, has left this process, or the socket is closed. */
  abstract sendAndWait(frame: Frame): Promise<void>;
  /** Tells it why an answer could not be followed. */
  abstract sendError(error: ParleyError, messageId: string): void;
  /** Takes it out of the room, or closes its socket where the socket is for this room only. */
  abstract close(code: ErrorCode, reason: string): void;

  /** Answers that it follows by itself, apart from the room: attached ones, and those it was too slow for. */
  get alone(): ReadonlyMap<string, AbortController> {
    return this.following ?? nothing;
  }

  beginAlone(messageId: string, abort: AbortController): void {
    this.following ??= new Map();
    this.following.set(messageId, abort);
  }

  /** Does nothing when another following of the same answer has taken its place. */
  endAlone(messageId: string, abort: AbortController): void {
    if (this.following?.get(messageId) === abort) this.following.delete(messageId);
  }

  /** Whether only the room tells it an answer, of which it was told nothing behind `seq`: asked for every piece, so it makes nothing. */
  keepsPace(messageId: string, seq: number): boolean {
    if (this.following?.has(messageId)) return false;
    return this.memory === null || (this.memory.get(messageId)?.seq ?? 0) <= seq;
  }

  /** What it was told of an answer; to be written to. */
  told(messageId: string): Told {
    this.memory ??= new Map();
    const known = this.memory.get(messageId);
    if (known) return known;
    const told = { started: false, seq: 0 };
    this.memory.set(messageId, told);
    if (this.memory.size > mostRemembered) this.memory.delete(this.memory.keys().next().value!);
    return told;
  }

  /** Ends everything it follows by itself. */
  release(): void {
    for (const abort of this.alone.values()) abort.abort();
    this.following = null;
  }
}
