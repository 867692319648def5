import type { TestUser } from '../../src/dialects/testing.ts';
import type { Server } from './world.ts';

/** How an answer ended, as the client was told. */
export interface Ending {
  status: 'whole' | 'cancelled' | 'failed';
  /** The whole text as the client has it. */
  text: string;
}

/** What a client needs to go on with an answer from where it was. */
export interface Mark {
  conversationId: string;
  /** The answer, as this dialect names it. */
  answerId: string;
  /** Everything up to here has been heard; 0 at the beginning. */
  place: string | number;
}

/** An answer that a client hears. */
export interface Heard {
  /** Pieces of text so far, in order; for transports that tell only the whole answer, one at its end. */
  readonly pieces: readonly string[];
  mark(): Mark;
  end: Promise<Ending>;
  /** Loses the connection without a word. */
  drop(): void;
  /** Reads nothing more from the connection, until `release`. */
  hold(): void;
  release(): void;
}

/** One client in one conversation. */
export interface Client {
  readonly conversationId: string;
  /** Sends a message. Resolves when the server has taken it, where the client is told so, otherwise at once. */
  say(text: string): Promise<Heard>;
  /** Goes on with an answer. Absent where the transport has no way. */
  hear?(mark: Mark): Promise<Heard>;
  cancel?(mark: Mark): Promise<void>;
  close(): void;
}

/** Something that must be refused, and how it was: an HTTP status, a close code, or the code of an error. */
export type Refusal = number | string;

/** One dialect over one transport: what the shared suite needs to speak it. */
export interface Tongue {
  readonly name: string;
  readonly transport: 'REST' | 'SSE' | 'WebSocket' | 'Socket.IO';
  /** Whether pieces of an answer come before its end. */
  readonly streams: boolean;
  /** Why a case of the suite does not fit; every skip needs its reason. */
  /** The setting that bounds the messages of a user. */
  readonly limit: string;
  readonly without?: Partial<Record<Case, string>>;
  newConversation(at: Server, user: TestUser): Promise<string>;
  open(at: Server, user: TestUser, conversationId: string): Promise<Client>;
  /** The conversation as this dialect shows it: who said what, oldest first. */
  read(at: Server, user: TestUser, conversationId: string): Promise<[role: string, text: string][]>;
  /** Tries to send with these headers or this token; null when it was let through. */
  refusedToSend(at: Server, token: string | null, username: string, conversationId: string): Promise<Refusal | null>;
  /** As `refusedToSend`, where that is refused in another way than a message beyond the limit. */
  overLimit?(at: Server, token: string | null, username: string, conversationId: string): Promise<Refusal | null>;
  /** Tries to read or follow what is somebody else's. */
  refusedToHear(at: Server, user: TestUser, mark: Mark): Promise<Refusal | null>;
  refusedToCancel?(at: Server, user: TestUser, mark: Mark): Promise<Refusal | null>;
  /** Sends what is no valid message; the refusals, one for each. */
  malformed(at: Server, user: TestUser, conversationId: string): Promise<(Refusal | null)[]>;
}

export type Case = 'order' | 'pieces' | 'attach' | 'resume' | 'cancel' | 'slow' | 'revoked' | 'foreign' | 'malformed' | 'limits';

/** What can be left unread for a while. */
export interface Pausing {
  pause(): void;
  resume(): void;
}

const nothingToPause: Pausing = { pause: () => undefined, resume: () => undefined };

/** A gate for readers that pull: they wait in it while it is closed. */
export class Gate implements Pausing {
  private closed: PromiseWithResolvers<void> | null = null;

  pause(): void {
    this.closed ??= Promise.withResolvers();
  }

  resume(): void {
    this.closed?.resolve();
    this.closed = null;
  }

  async pass(): Promise<void> {
    await this.closed?.promise;
  }
}

/** Collects pieces and ends once. */
export class Hearing implements Heard {
  readonly pieces: string[] = [];
  readonly end: Promise<Ending>;
  private readonly settle: (ending: Ending) => void;
  private readonly fail: (error: Error) => void;
  private readonly current: Mark;
  private readonly lose: () => void;
  private readonly pausing: Pausing;

  constructor(mark: Mark, lose: () => void, pausing: Pausing = nothingToPause) {
    const { promise, resolve, reject } = Promise.withResolvers<Ending>();
    this.end = promise;
    // A client that is dropped on purpose waits for no end.
    promise.catch(() => undefined);
    this.settle = resolve;
    this.fail = reject;
    this.current = mark;
    this.lose = lose;
    this.pausing = pausing;
  }

  /** @param place what has been heard with this piece */
  piece(text: string, place: string | number): void {
    this.pieces.push(text);
    this.current.place = place;
  }

  named(answerId: string): void {
    this.current.answerId = answerId;
  }

  ended(status: Ending['status'], text = this.pieces.join('')): void {
    this.settle({ status, text });
  }

  broken(reason: string): void {
    this.fail(new Error(reason));
  }

  mark(): Mark {
    return { ...this.current };
  }

  drop(): void {
    this.lose();
  }

  hold(): void {
    this.pausing.pause();
  }

  release(): void {
    this.pausing.resume();
  }
}

/** Ending of a status word of any dialect. */
export function endingOf(status: string): Ending['status'] {
  const word = status.toLowerCase();
  return word === 'delivered' ? 'whole' : word === 'cancelled' ? 'cancelled' : 'failed';
}
