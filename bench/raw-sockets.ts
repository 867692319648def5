import { randomBytes } from 'node:crypto';
import net from 'node:net';

/** Frames of a WebSocket by hand (RFC 6455), with as little as it takes: the client is not what is measured. */

const clockBegan = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds of the system's monotonic clock, which all processes share. */
export function monotonicMs(): number {
  return clockBegan + performance.now();
}

/** The request that opens a WebSocket. */
export function handshake(port: number, path: string): string {
  return [
    `GET ${path} HTTP/1.1`, `host: 127.0.0.1:${port}`, 'connection: Upgrade', 'upgrade: websocket', 'sec-websocket-version: 13', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', '', '',
  ].join('\r\n');
}

/** A text frame of a client. @throws {Error} for a text of more than 65,535 bytes */
export function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 65_535) throw new Error('The text is too long for one frame here.');
  const mask = randomBytes(4);
  for (let at = 0; at < payload.length; at += 1) payload[at]! ^= mask[at % 4]!;
  const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length]) : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([head, mask, payload]);
}

/** Takes whole frames of a server off; returns what is left. */
export function eachFrame(bytes: Buffer, take: (frame: Buffer) => void): Buffer {
  for (;;) {
    if (bytes.length < 2) return bytes;
    const short = bytes[1]! & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < head) return bytes;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < head + length) return bytes;
    take(bytes.subarray(head, head + length));
    bytes = bytes.subarray(head + length);
  }
}

/** The body of an HTTP answer that came in chunks (RFC 9112, section 7.1). */
export function unchunked(bytes: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf('\r\n', at);
    const size = parseInt(bytes.toString('latin1', at, end), 16);
    if (end < 0 || Number.isNaN(size) || size === 0) break;
    pieces.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return Buffer.concat(pieces);
}

/** What is looked for in what comes, for one answer. */
export interface Expected {
  /** The first text of the answer. */
  first: Buffer;
  /** Bytes that come once, at its end. */
  end: Buffer;
  /** Whether they are the very last ones, which is quicker to see. */
  endsWith: boolean;
  /** Whether everything is kept for a closer look. */
  keep: boolean;
}

/** What came. */
export interface Came {
  /** `performance.now()` when the first text came; null when none did. */
  firstAt: number | null;
  endedAt: number;
  bytes: number;
  kept: Buffer;
}

const patienceMs = 60_000;

/** One connection on which an answer is awaited. */
export class Line {
  private readonly socket: net.Socket;
  private receive: (data: Buffer) => void = () => undefined;
  private fail: (error: Error) => void = () => undefined;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (data) => this.receive(data));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('The connection was closed.')));
  }

  static open(port: number): Promise<Line> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Line(socket));
      });
    });
  }

  send(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** Everything up to and with these bytes. @throws {Error} when they do not come */
  async until(end: string, say: Buffer | string | null = null): Promise<string> {
    const came = this.answer({ first: Buffer.from(end), end: Buffer.from(end), endsWith: false, keep: true });
    if (say !== null) this.send(say);
    return (await came).kept.toString();
  }

  /** Sends a small request and reads its whole answer, which says its length. @throws {Error} for another status than 2xx */
  async ask(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let came = '';
      this.expect(reject);
      this.receive = (data) => {
        came += data.toString('latin1');
        const end = came.indexOf('\r\n\r\n');
        if (end < 0) return;
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(came.slice(0, end))?.[1] ?? 0);
        if (came.length < end + 4 + length) return;
        const body = Buffer.from(came.slice(end + 4), 'latin1').toString();
        if (came.startsWith('HTTP/1.1 2')) resolve(body);
        else reject(new Error(`${came.slice(0, 12)}: ${body.slice(0, 300)}`));
      };
      this.send(request);
    });
  }

  /** Reads an answer; begins to listen at once. */
  answer({ first, end, endsWith, keep }: Expected): Promise<Came> {
    return new Promise((resolve, reject) => {
      const kept: Buffer[] = [];
      let bytes = 0;
      let firstAt: number | null = null;
      let tail: Buffer | null = null;
      const timer = setTimeout(() => reject(new Error('The answer did not come in time.')), patienceMs);
      this.expect((error) => {
        clearTimeout(timer);
        reject(error);
      });
      this.receive = (data) => {
        if (keep) kept.push(data);
        bytes += data.length;
        const seen = tail === null ? data : Buffer.concat([tail, data]);
        if (firstAt === null && seen.includes(first)) firstAt = performance.now();
        const isEnd = endsWith ? seen.length >= end.length && seen.compare(end, 0, end.length, seen.length - end.length) === 0 : seen.includes(end);
        // Only as much of it as a mark that was cut may have.
        tail = seen.subarray(Math.max(0, seen.length - Math.max(first.length, end.length) + 1));
        if (!isEnd) return;
        clearTimeout(timer);
        this.receive = () => undefined;
        resolve({ firstAt, endedAt: performance.now(), bytes, kept: Buffer.concat(kept) });
      };
    });
  }

  close(): void {
    this.fail = () => undefined;
    this.socket.destroy();
  }

  private expect(fail: (error: Error) => void): void {
    this.fail = fail;
  }
}
