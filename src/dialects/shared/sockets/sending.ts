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

/** Sends one frame and resolves when it has left this process, or the socket is closed. */
export function sendFrameAndWait(socket: WebSocket, frame: string): Promise<void> {
  if (!isOpen(socket)) return Promise.resolve();
  return new Promise((resolve) => socket.send(frame, { binary: false }, () => resolve()));
}

export function closeSocket(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, closeReason(reason));
}
