import { WebSocket } from 'ws';
import type { Viewer } from '../../core/accounts/index.ts';
import { closeReason } from '../shared/index.ts';

/** Bytes waiting for a client from which it counts as slow: it then follows answers by itself, in larger pieces. */
const slowBytes = 262_144;

/** Bytes waiting for a client that does not read at all, at which it is cut off. */
const mostBytes = 16 * 1_048_576;

/** One open socket of a chat. */
export class Connection {
  readonly viewer: Viewer;
  /** Whether chunk frames repeat the whole text. */
  readonly repeatsWhole: boolean;
  /** Answers that this socket follows by itself, apart from the room: attached ones, and those it was too slow for. */
  readonly alone = new Map<string, AbortController>();
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
    this.alone.clear();
  }
}
