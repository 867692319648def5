import { WebSocket } from 'ws';
import type { Viewer } from '../../core/accounts/index.ts';
import { closeReason } from '../shared/index.ts';

/** Bytes waiting for a client from which it counts as slow: it then follows answers by itself, in larger pieces. */
const slowBytes = 262_144;

/** Bytes waiting for a client that does not read at all, at which it is cut off. */
const mostBytes = 16 * 1_048_576;

/** Answers of which is remembered what a socket was told: more than can run, wait and be attached to at a time. */
const mostRemembered = 200;

/** What one socket was told of one answer. */
export interface Told {
  /** Whether its beginning was. */
  started: boolean;
  /** Seq up to which the socket followed it by itself; 0 when only the room told it. */
  seq: number;
}

/** What a socket follows by itself as long as it follows nothing. */
const nothing: ReadonlyMap<string, AbortController> = new Map();

/** One open socket of a chat. What it needs only while answers are made is made then: most sockets are idle. */
export class Connection {
  readonly viewer: Viewer;
  /** Whether chunk frames repeat the whole text. */
  readonly repeatsWhole: boolean;
  private following: Map<string, AbortController> | null = null;
  private memory: Map<string, Told> | null = null;
  private readonly socket: WebSocket;

  constructor(socket: WebSocket, viewer: Viewer, repeatsWhole: boolean) {
    this.socket = socket;
    this.viewer = viewer;
    this.repeatsWhole = repeatsWhole;
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  get isSlow(): boolean {
    return this.socket.bufferedAmount > slowBytes;
  }

  /** Answers that this socket follows by itself, apart from the room: attached ones, and those it was too slow for. */
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

  /** Sends one text frame; frames for many sockets come as bytes, so that the text is encoded once. */
  send(frame: string | Buffer): void {
    if (!this.isOpen) return;
    if (this.socket.bufferedAmount > mostBytes) return this.socket.terminate();
    this.socket.send(frame, { binary: false });
  }

  /** Sends one frame and resolves when it has left this process, or the socket is closed. */
  sendAndWait(frame: string): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    return new Promise((resolve) => this.socket.send(frame, { binary: false }, () => resolve()));
  }

  close(code: number, reason: string): void {
    this.socket.close(code, closeReason(reason));
  }

  /** Ends everything this socket follows by itself. */
  release(): void {
    for (const abort of this.alone.values()) abort.abort();
    this.following = null;
  }
}
