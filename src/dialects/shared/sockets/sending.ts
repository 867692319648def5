import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { closeReason } from '../upgrades.ts';

/** Bytes waiting for a client from which it counts as slow: it then gets fewer, larger pieces. */
const slowBytes = 262_144;

/** Bytes waiting for a client that does not read at all, at which it is cut off. */
const mostBytes = 16 * 1_048_576;

export function isOpen(socket: WebSocket): boolean {
  return socket.readyState === WebSocket.OPEN;
}

export function isSlow(socket: WebSocket): boolean {
  return socket.bufferedAmount > slowBytes;
}

/** Sends one text frame, where the socket is open; frames for many sockets come as bytes, so that the text is encoded once. */
export function sendFrame(socket: WebSocket, frame: string | Buffer): void {
  if (!isOpen(socket)) return;
  if (socket.bufferedAmount > mostBytes) return socket.terminate();
  socket.send(frame, { binary: false });
}

/** A whole text frame of a server as it goes over the wire (RFC 6455, section 5.2): made once for many sockets. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  // One frame, the last one, of text.
  frame[0] = 0x81;
  if (head === 2) frame[1] = length;
  else if (head === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, head);
  return frame;
}

/**
 * Sends a frame of `textFrame` past the library, which would make it anew for each socket. It writes its own frames whole
 * and at once, because nothing is compressed here, so that none comes between.
 * @param wire the connection under the socket
 */
export function sendPrepared(socket: WebSocket, wire: Duplex, frame: Buffer): void {
  if (!isOpen(socket)) return;
  if (socket.bufferedAmount > mostBytes) return socket.terminate();
  wire.write(frame);
}

/** Sends one frame and resolves when it has left this process, or the socket is closed. */
export function sendFrameAndWait(socket: WebSocket, frame: string): Promise<void> {
  if (!isOpen(socket)) return Promise.resolve();
  return new Promise((resolve) => socket.send(frame, { binary: false }, () => resolve()));
}

export function closeSocket(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, closeReason(reason));
}
