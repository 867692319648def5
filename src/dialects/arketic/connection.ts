import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { errorTable, type ErrorCode, type ParleyError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { closeSocket, isOpen, isSlow, RoomMember, sendFrame, sendFrameAndWait, sendPrepared, type Pieces, type Upgrade } from '../shared/index.ts';
import { errorFrame } from './frames.ts';

/** One open socket of a chat. */
export class Connection extends RoomMember<string> {
  readonly source = null;
  readonly pieces: Pieces;
  private readonly socket: WebSocket;
  private readonly wire: Duplex;
  private readonly clock: Clock;

  /** @param repeatsWhole whether chunk frames repeat the whole text */
  constructor({ socket, request }: Pick<Upgrade, 'socket' | 'request'>, viewer: Viewer, repeatsWhole: boolean, clock: Clock) {
    super(viewer);
    this.socket = socket;
    this.wire = request.socket;
    this.pieces = repeatsWhole ? 'whole' : 'each';
    this.clock = clock;
  }

  get isOpen(): boolean {
    return isOpen(this.socket);
  }

  get isSlow(): boolean {
    return isSlow(this.socket);
  }

  send(frame: string): void {
    sendFrame(this.socket, frame);
  }

  /** @param frame of `textFrame` */
  sendPrepared(frame: Buffer): void {
    sendPrepared(this.socket, this.wire, frame);
  }

  sendAndWait(frame: string): Promise<void> {
    return sendFrameAndWait(this.socket, frame);
  }

  sendError(error: ParleyError): void {
    this.send(errorFrame({ message: error.message, code: error.code }, this.clock.now()));
  }

  close(code: ErrorCode, reason: string): void {
    closeSocket(this.socket, errorTable[code].closeCode, reason);
  }
}
