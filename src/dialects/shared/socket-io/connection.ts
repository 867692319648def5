import type { Socket } from 'socket.io';
import type { Viewer } from '../../../core/accounts/index.ts';

/** Units waiting for a client from which it counts as slow. */
const slowUnits = 262_144;

/** Units waiting for a client that does not read at all, at which it is cut off. */
const mostUnits = 16 * 1_048_576;

/** Milliseconds after which somebody who waits for a client looks whether it has gone. */
const lookMs = 1000;

/** What belongs to a connection under the terms of Socket.IO. */
type Transport = Socket['conn'];

/** One client in one namespace, whatever carries it: a WebSocket, or requests that wait for an answer (polling). */
export class SocketConnection {
  /** New for every connection; nobody else learns it. */
  readonly id: string;
  readonly viewer: Viewer;
  private readonly socket: Socket;

  constructor(socket: Socket, viewer: Viewer) {
    this.id = socket.id;
    this.viewer = viewer;
    this.socket = socket;
  }

  get isOpen(): boolean {
    return this.socket.connected;
  }

  /** Whether so much waits for it that growing answers should go to it in fewer, larger pieces. */
  get isSlow(): boolean {
    return waitingUnits(this.socket.conn) > slowUnits;
  }

  /** Puts it into a group of its namespace, which it leaves by `exit` or with its end. */
  enter(group: string): void {
    void this.socket.join(group);
  }

  exit(group: string): void {
    void this.socket.leave(group);
  }

  /** Sends one event. A client for which 16 million units wait is cut off: it may come back and ask for what it missed. */
  emit(event: string, payload: unknown): void {
    if (!this.isOpen || this.cutOffWhenStuck()) return;
    this.socket.emit(event, payload);
  }

  /** Whether it was cut off, because it does not read at all. */
  cutOffWhenStuck(): boolean {
    const { conn } = this.socket;
    if (waitingUnits(conn) <= mostUnits) return false;
    conn.close(true);
    return true;
  }

  /** Sends one event and resolves when it has been handed to the network, or the client is gone. */
  async emitAndWait(event: string, payload: unknown): Promise<void> {
    this.emit(event, payload);
    while (this.isOpen && waitingUnits(this.socket.conn) > 0) await drained(this.socket.conn);
  }

  /** Ends the connection for good: the client does not come back by itself. */
  disconnect(): void {
    this.socket.disconnect(true);
  }
}

/** UTF-16 units of the packets that wait until the ones before them have left. */
function waitingUnits(transport: Transport): number {
  let units = 0;
  for (const { data } of transport['writeBuffer'] as { data?: string | Buffer }[]) units += data?.length ?? 1;
  return units;
}

/** Resolves when something has left, or a second later. */
function drained(transport: Transport): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      transport.off('drain', done);
      transport.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, lookMs);
    transport.on('drain', done);
    transport.on('close', done);
  });
}
