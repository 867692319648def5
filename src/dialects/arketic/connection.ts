import { WebSocket } from 'ws';
import { errorTable, type ErrorCode, type ParleyError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { closeReason, RoomMember, type Pieces } from '../shared/index.ts';
import { errorFrame } from './frames.ts';

/** Bytes waiting for a client from which it counts as slow: it then follows answers by itself, in larger pieces. */
const slowBytes = 262_144;

/** Bytes waiting for a client that does not read at all, at which it is cut off. */
const mostBytes = 16 * 1_048_576;

/** One open socket of a chat. */
export class Connection extends RoomMember<string> {
  readonly source = null;
  readonly pieces: Pieces;
  private readonly socket: WebSocket;
  private readonly clock: Clock;

  /** @param repeatsWhole whether chunk frames repeat the whole text */
  constructor(socket: WebSocket, viewer: Viewer, repeatsWhole: boolean, clock: Clock) {
    super(viewer);
    this.socket = socket;
    this.pieces = repeatsWhole ? 'whole' : 'each';
    this.clock = clock;
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

  sendAndWait(frame: string): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    return new Promise((resolve) => this.socket.send(frame, { binary: false }, () => resolve()));
  }

  sendError(error: ParleyError): void {
    this.send(errorFrame({ message: error.message, code: error.code }, this.clock.now()));
  }

  close(code: ErrorCode, reason: string): void {
    this.closeWith(errorTable[code].closeCode, reason);
  }

  closeWith(closeCode: number, reason: string): void {
    this.socket.close(closeCode, closeReason(reason));
  }
}
