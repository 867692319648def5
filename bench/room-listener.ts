import net from 'node:net';
import { eachFrame, handshake, masked, monotonicMs } from './raw-sockets.ts';

/*
 * Many sockets in one room, in a process of its own, with as little as it takes: handshake and frames by hand (RFC 6455), and of
 * each frame only whether it is one that counts, and when it came. Asked by messages of its parent.
 */

export interface ListenRequest {
  port: number;
  path: string;
  count: number;
  /** Source addresses to open them from, in turn. */
  from: string[];
  /** What is sent, one after another: the next when a frame has come that begins with the text beside it. */
  steps: { behind: string; say: string }[];
  /** A frame that begins so says that the socket is in the room. */
  ready: string;
}

/** Counts anew, from now on. */
export interface BeginRequest {
  /** Frames that begin so count. */
  counts: string;
  /** Said by every socket first, so that none is closed for having said nothing for minutes; null for nothing. */
  heartbeat: string | null;
}

/** Asks what came. */
export interface HeardRequest {
  /** When each event was asked for, by its number, milliseconds of the system's monotonic clock; null where nobody knows. */
  sentAt: number[] | null;
}

export interface Heard {
  /** Frames that counted, over all sockets. */
  deliveries: number;
  /** Fewest that one socket got. */
  fewest: number;
  /** Sockets that are not open any more. */
  closed: number;
  /** Milliseconds from the first socket that had an event to each of the others. */
  behindFirst: Spread;
  /** Milliseconds from the asking to each socket; null where that is not known. */
  behindAsking: Spread | null;
}

interface Spread {
  p50: number | null;
  p99: number | null;
}

/** Handshakes under way at a time. */
const together = 50;
const patienceMs = 30_000;

/** The event that came, by its number, and when: at the same place in both. */
let numbers: number[] = [];
let times: number[] = [];
let counts: Buffer = Buffer.from('\0');
const sockets: { socket: net.Socket; events: number }[] = [];

function open(request: ListenRequest, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port: request.port, localAddress: request.from[index % request.from.length]! });
    const timer = setTimeout(() => reject(new Error(`socket ${index} was not ready in time`)), patienceMs);
    const entry = { socket, events: 0 };
    const { steps } = request;
    const ready = Buffer.from(request.ready);
    const begins = (frame: Buffer, text: Buffer): boolean => text.length <= frame.length && frame.compare(text, 0, text.length, 0, text.length) === 0;
    let step = 0;
    let isUpgraded = false;
    let rest: Buffer = Buffer.alloc(0);
    const take = (frame: Buffer): void => {
      if (begins(frame, counts)) {
        numbers.push(entry.events++);
        times.push(monotonicMs());
        return;
      }
      // The ping of engine.io.
      if (frame.length === 1 && frame[0] === 0x32) return void socket.write(masked('3'));
      const next = steps[step];
      if (next && begins(frame, Buffer.from(next.behind))) {
        step += 1;
        socket.write(masked(next.say));
      }
      if (begins(frame, ready)) {
        clearTimeout(timer);
        sockets.push(entry);
        resolve();
      }
    };
    socket.setNoDelay(true);
    socket.on('connect', () => {
      socket.write(handshake(request.port, request.path));
    });
    socket.on('data', (data) => {
      rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
      if (!isUpgraded) {
        const end = rest.indexOf('\r\n\r\n');
        if (end < 0) return;
        if (!rest.toString('latin1', 0, end).startsWith('HTTP/1.1 101')) return reject(new Error(`socket ${index} was refused: ${rest.toString('latin1').slice(0, 200)}`));
        isUpgraded = true;
        rest = rest.subarray(end + 4);
        // A server that says nothing by itself: in the room at once.
        if (request.ready === '') take(Buffer.alloc(0));
      }
      rest = eachFrame(rest, take);
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`socket ${index} was closed`)));
  });
}

function heard({ sentAt }: HeardRequest): Heard {
  const firstAt: number[] = [];
  for (const [at, number] of numbers.entries()) firstAt[number] = Math.min(firstAt[number] ?? Infinity, times[at]!);
  const behind = (begins: readonly number[]): Spread => {
    const sorted = Float64Array.from(times, (time, at) => time - begins[numbers[at]!]!).sort();
    const part = (share: number): number | null => (sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
    return { p50: part(0.5), p99: part(0.99) };
  };
  return { deliveries: times.length, fewest: Math.min(...sockets.map(({ events }) => events)), closed: sockets.filter(({ socket }) => socket.destroyed).length, behindFirst: behind(firstAt), behindAsking: sentAt && behind(sentAt) };
}

process.on('message', (request: ListenRequest | BeginRequest | HeardRequest | 'count') => {
  if (request === 'count') return void process.send!(times.length);
  if ('sentAt' in request) return void process.send!(heard(request));
  if (!('port' in request)) {
    [numbers, times, counts] = [[], [], Buffer.from(request.counts)];
    for (const entry of sockets) {
      entry.events = 0;
      if (request.heartbeat !== null) entry.socket.write(masked(request.heartbeat));
    }
    return void process.send!({ begun: true });
  }
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < request.count) await open(request, next++);
  };
  Promise.all(Array.from({ length: together }, work)).then(
    () => process.send!({ open: sockets.length }),
    (error: unknown) => process.send!({ failure: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
