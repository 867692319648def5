import { fork, type ChildProcess } from 'node:child_process';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { benchFolder, cpuSeconds } from '../processes.ts';
import { handshake, Line, masked, monotonicMs } from '../raw-sockets.ts';
import { median, show, type Measured, type Row } from '../report.ts';
import type { BeginRequest, Heard, HeardRequest, ListenRequest } from '../room-listener.ts';
import { roomKinds, startRoom, type RoomKind, type RoomServer } from '../room-servers.ts';
import { startMock } from '../servers.ts';
import { fanOut, shortFanOut, type Shape } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

const sockets = 1000;
const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'];
const aimRatio = 1.2;
/** Milliseconds without an event after which everything counts as come. */
const settleMs = 500;
/** Events that every socket must get at least, for figures that say something. */
const fewestEvents = 10;

interface Figures extends Heard {
  /** Server CPU for one event at one socket, microseconds, with everything else that the server does meanwhile. */
  cpuMicroseconds: number;
}

type Scene = 'pieces of an answer' | 'somebody typing';
const scenes: readonly Scene[] = ['pieces of an answer', 'somebody typing'];

/** A server with everybody in its room. */
interface OpenRoom {
  server: RoomServer;
  /** Holds the sockets. */
  listener: ChildProcess;
}

/** One chat, 1,000 sockets, 20 events a second, beside bare servers that only send. All are open; they are asked in turn. */
export async function measureFanOut({ rounds, quick }: MeasureOptions): Promise<Measured> {
  const mock = await startMock();
  const shape = quick ? shortFanOut : fanOut;
  const rooms = new Map<RoomKind, OpenRoom>();
  const figures = new Map<string, Figures[]>();
  const loads: number[] = [];
  try {
    for (const kind of roomKinds) rooms.set(kind, await openRoom(await startRoom(kind, mock, shape)));
    // Once to warm up: compiled, and the young generation grown.
    for (const scene of scenes) for (const room of rooms.values()) await measureOnce(room, scene, shape);
    for (let round = 0; round < rounds; round += 1) {
      loads.push(loadavg()[0]!);
      for (const scene of scenes) {
        for (const [kind, room] of rooms) {
          const name = `${kind}: ${scene}`;
          figures.set(name, [...(figures.get(name) ?? []), await measureOnce(room, scene, shape)]);
        }
      }
    }
  } finally {
    for (const { server, listener } of rooms.values()) {
      listener.disconnect();
      await server.stop();
    }
    mock.stop();
  }
  return { name: `one chat, ${sockets} sockets, 20 events a second`, rows: rowsOf(figures), details: { loads, figures: Object.fromEntries(figures) } };
}

function rowsOf(figures: ReadonlyMap<string, Figures[]>): Row[] {
  const row = (scene: Scene, ours: RoomKind, peer: RoomKind, what: string, take: (round: Figures) => number | null, unit: string): Row => {
    const rounds = (kind: RoomKind): Figures[] => figures.get(`${kind}: ${scene}`) ?? [];
    const of = (kind: RoomKind): number | null => median(rounds(kind).map(take));
    const [parley, other] = [of(ours), of(peer)];
    // Neighbours in time: what else runs is much the same for both.
    const ratios = rounds(ours).map((round, at) => {
      const [one, beside] = [take(round), take(rounds(peer)[at]!)];
      return one === null || beside === null || beside === 0 ? null : one / beside;
    });
    const ratio = median(ratios);
    return {
      what: `${scene}, ${ours}: ${what}`, parley, peer: other, peerName: peer, unit, aim: `<= ${aimRatio} x`, met: ratio === null ? null : ratio <= aimRatio,
      note: `ratio ${show(ratio)}: ${ratios.map((one) => one?.toFixed(2) ?? '-').join(' ')}`,
    };
  };
  const pairs = [['arketic WebSocket', 'bare ws'], ['studio Socket.IO', 'bare Socket.IO']] as const;
  return pairs.flatMap(([ours, peer]) => [
    row('pieces of an answer', ours, peer, 'CPU a delivery', ({ cpuMicroseconds }) => cpuMicroseconds, 'us'),
    row('pieces of an answer', ours, peer, 'behind the first socket, p99', ({ behindFirst }) => behindFirst.p99, 'ms'),
    row('somebody typing', ours, peer, 'CPU a delivery', ({ cpuMicroseconds }) => cpuMicroseconds, 'us'),
    row('somebody typing', ours, peer, 'from the sender to each socket, p99', ({ behindAsking }) => behindAsking?.p99 ?? null, 'ms'),
    row('somebody typing', ours, peer, 'behind the first socket, p99', ({ behindFirst }) => behindFirst.p99, 'ms'),
  ]);
}

function asked<Answer>(child: ChildProcess, request: ListenRequest | BeginRequest | HeardRequest | 'count'): Promise<Answer> {
  const answer = new Promise<Answer>((resolve) => child.once('message', (message) => resolve(message as Answer)));
  child.send(request);
  return answer;
}

async function openRoom(server: RoomServer): Promise<OpenRoom> {
  const listener = fork(join(benchFolder, 'room-listener.ts'), { execArgv: ['--disable-warning=ExperimentalWarning'] });
  const { failure } = await asked<{ failure?: string }>(listener, { ...server.target, count: sockets, from: addresses });
  if (failure !== undefined) throw new Error(failure);
  return { server, listener };
}

async function measureOnce({ server, listener }: OpenRoom, scene: Scene, shape: Shape): Promise<Figures> {
  await asked(listener, { counts: scene === 'somebody typing' ? server.typing.counts : server.pieces.counts, heartbeat: server.heartbeat });
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const before = cpuSeconds(server.pid);
  const typed = scene === 'somebody typing' ? await type(server, shape) : null;
  if (typed === null) await tell(server, shape);
  for (let seen = -1, come = 0; come !== seen; come = await asked<number>(listener, 'count')) {
    seen = come;
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  }
  const cpu = cpuSeconds(server.pid) - before;
  typed?.close();
  const sentAt = typed?.sentAt ?? null;
  const heard = await asked<Heard>(listener, { sentAt });
  if (heard.closed > 0) throw new Error(`${server.name}: ${heard.closed} sockets were closed.`);
  // On a busy machine several pieces of the model come as one; a delivery is a delivery.
  if (heard.fewest < fewestEvents) throw new Error(`${server.name}, ${scene}: a socket got only ${heard.fewest} events, all together ${heard.deliveries}.`);
  if (sentAt && heard.deliveries !== sockets * shape.chunks) throw new Error(`${server.name}: of ${sockets * shape.chunks} deliveries ${heard.deliveries} came.`);
  return { ...heard, cpuMicroseconds: (cpu * 1e6) / heard.deliveries };
}

/** An answer that grows. */
async function tell(server: RoomServer, shape: Shape): Promise<void> {
  await server.pieces.begin();
  await new Promise((resolve) => setTimeout(resolve, shape.chunks * shape.everyMs));
}

/** Somebody who is typing all the time. Returns when each event was sent. */
async function type({ target, typing }: RoomServer, shape: Shape): Promise<{ sentAt: number[]; close(): void }> {
  const sentAt: number[] = [];
  const sender = await Line.open(target.port);
  if (typing.by === 'socket') {
    await sender.until(target.steps[0]!.behind, handshake(target.port, target.path));
    await sender.until('40{', masked(target.steps[0]!.say));
  }
  const say = typing.by === 'socket' ? masked(typing.say) : typing.say;
  for (; sentAt.length < shape.chunks; await new Promise((resolve) => setTimeout(resolve, shape.everyMs))) {
    sentAt.push(monotonicMs());
    sender.send(say);
  }
  return { sentAt, close: () => sender.close() };
}
