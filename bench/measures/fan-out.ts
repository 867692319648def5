import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { benchFolder, cpuSeconds, start } from '../processes.ts';
import { median, type Measured, type Row } from '../report.ts';
import type { Heard, ListenRequest } from '../room-listener.ts';
import { startMock, startParley, type Mock, type ParleyServer } from '../servers.ts';
import { fanOut, shortFanOut, type Shape } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

const sockets = 1000;
const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'];
const aimRatio = 1.2;
/** Milliseconds without an event after which everything counts as come. */
const settleMs = 1000;
/** Events that every socket must get at least, for figures that say something. */
const fewestEvents = 10;

interface Figures {
  /** Server CPU for one event at one socket, microseconds, with everything else that the server does meanwhile. */
  cpuMicroseconds: number;
  p50: number | null;
  p99: number | null;
  deliveries: number;
}

/** Someone in whose one room all sockets are. */
interface RoomServer {
  pid: number;
  target: Omit<ListenRequest, 'count' | 'from'>;
  /** Begins to tell the events, 20 a second. */
  begin(): Promise<void>;
  stop(): Promise<void>;
}

type Kind = 'parleySockets' | 'parleySocketIo' | 'ws' | 'socketIo';

/** One chat, 1,000 sockets, 20 events a second: an answer that grows word by word, beside bare servers that only send. */
export async function measureFanOut({ rounds, quick }: MeasureOptions): Promise<Measured> {
  const mock = await startMock();
  const shape = quick ? shortFanOut : fanOut;
  const begin: Record<Kind, () => Promise<RoomServer>> = {
    parleySockets: () => startOurs(mock, shape, socketTarget),
    ws: () => startBare('ws', shape),
    parleySocketIo: () => startOurs(mock, shape, socketIoTarget),
    socketIo: () => startBare('socket.io', shape),
  };
  const figures: Record<Kind, Figures[]> = { parleySockets: [], parleySocketIo: [], ws: [], socketIo: [] };
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const [kind, startServer] of Object.entries(begin)) figures[kind as Kind].push(await measureOnce(await startServer(), shape));
    }
  } finally {
    mock.stop();
  }
  const row = (what: string, ours: Kind, peer: Kind, peerName: string, take: (figures: Figures) => number | null, unit: string): Row => {
    const [parley, other] = [median(figures[ours].map(take)), median(figures[peer].map(take))];
    const ratio = parley === null || other === null || other === 0 ? null : parley / other;
    return { what, parley, peer: other, peerName, unit, aim: `<= ${aimRatio} x`, met: ratio === null ? null : ratio <= aimRatio, note: ratio === null ? undefined : `ratio ${ratio.toFixed(2)}` };
  };
  return {
    name: `one chat, ${sockets} sockets, 20 events a second`,
    rows: [
      row('raw WebSocket: CPU a delivery', 'parleySockets', 'ws', 'bare ws', ({ cpuMicroseconds }) => cpuMicroseconds, 'us'),
      row('raw WebSocket: arrival behind the first socket, p99', 'parleySockets', 'ws', 'bare ws', ({ p99 }) => p99, 'ms'),
      row('Socket.IO: CPU a delivery', 'parleySocketIo', 'socketIo', 'bare Socket.IO', ({ cpuMicroseconds }) => cpuMicroseconds, 'us'),
      row('Socket.IO: arrival behind the first socket, p99', 'parleySocketIo', 'socketIo', 'bare Socket.IO', ({ p99 }) => p99, 'ms'),
    ],
    details: figures,
  };
}

function socketTarget(server: ParleyServer, chatId: string): RoomServer['target'] {
  return {
    port: server.port, path: `/api/v1/chat/chats/${chatId}/ws?token=${server.key}&full_content=false`, steps: [], ready: '{"type":"welcome"', counts: '{"type":"ai_response_chunk"',
  };
}

function socketIoTarget(server: ParleyServer, chatId: string): RoomServer['target'] {
  return {
    port: server.port,
    path: '/socket.io/?EIO=4&transport=websocket',
    steps: [
      { behind: '0{', say: `40${JSON.stringify({ token: server.key })}` },
      { behind: '40{', say: `420${JSON.stringify(['join_conversation', { conversation_id: chatId, stream: true }])}` },
    ],
    ready: '430[{"ok":true',
    counts: '42["answer_chunk"',
  };
}

async function startOurs(mock: Mock, shape: Shape, targetOf: (server: ParleyServer, chatId: string) => RoomServer['target']): Promise<RoomServer> {
  const server = await startParley({ mock });
  const ask = async (path: string, body: unknown): Promise<{ id: string }> => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST', headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as { id: string };
  };
  const { id } = await ask('/api/v1/chat/chats', { title: 'room', ai_model: `mock/${shape.name}` });
  return {
    pid: server.running.pid,
    target: targetOf(server, id),
    begin: async () => void (await ask(`/api/v1/chat/chats/${id}/messages`, { content: 'Say some words.' })),
    stop: () => server.stop(),
  };
}

async function startBare(kind: 'ws' | 'socket.io', shape: Shape): Promise<RoomServer> {
  const running = start([process.execPath, '--disable-warning=ExperimentalWarning', join(benchFolder, 'bare-rooms.ts'), kind]);
  const deadline = performance.now() + 20_000;
  while (!/port \d+/.test(running.output())) {
    if (performance.now() > deadline) throw new Error(`The bare server does not start:\n${running.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const port = Number(/port (\d+)/.exec(running.output())![1]);
  const target = kind === 'ws'
    ? { port, path: '/', steps: [], ready: '', counts: '{"type":"ai_response_chunk"' }
    : { port, path: '/socket.io/?EIO=4&transport=websocket', steps: [{ behind: '0{', say: '40' }], ready: '40{', counts: '42["answer_chunk"' };
  return {
    pid: running.pid,
    target,
    begin: async () => void (await fetch(`http://127.0.0.1:${port}/?events=${shape.chunks}`, { method: 'POST' })),
    stop: () => running.stop(),
  };
}

function asked<Answer>(child: ChildProcess, request: ListenRequest | 'begin' | 'heard'): Promise<Answer> {
  const answer = new Promise<Answer>((resolve) => child.once('message', (message) => resolve(message as Answer)));
  child.send(request);
  return answer;
}

async function measureOnce(server: RoomServer, shape: Shape): Promise<Figures> {
  const child = fork(join(benchFolder, 'room-listener.ts'), { execArgv: ['--disable-warning=ExperimentalWarning'] });
  try {
    const { failure } = await asked<{ failure?: string }>(child, { ...server.target, count: sockets, from: addresses });
    if (failure !== undefined) throw new Error(failure);
    // Once to warm up: compiled, and the young generation grown.
    await tell(server, child, shape);
    await asked(child, 'begin');
    const before = cpuSeconds(server.pid);
    await tell(server, child, shape);
    const cpu = cpuSeconds(server.pid) - before;
    const heard = await asked<Heard>(child, 'heard');
    // On a busy machine several pieces of the model come as one; a delivery is a delivery.
    if (heard.fewest < fewestEvents) throw new Error(`A socket got only ${heard.fewest} events.`);
    return { cpuMicroseconds: (cpu * 1e6) / heard.deliveries, p50: heard.p50, p99: heard.p99, deliveries: heard.deliveries };
  } finally {
    child.disconnect();
    await server.stop();
  }
}

async function tell(server: RoomServer, child: ChildProcess, shape: Shape): Promise<void> {
  await server.begin();
  await new Promise((resolve) => setTimeout(resolve, shape.chunks * shape.everyMs));
  for (let seen = -1; ;) {
    const { deliveries } = await asked<Heard>(child, 'heard');
    if (deliveries === seen) return;
    seen = deliveries;
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  }
}
