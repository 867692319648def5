import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchFolder, residentMegabytes, start } from '../processes.ts';
import { median, type Measured, type Row } from '../report.ts';
import { startParley } from '../servers.ts';
import type { HoldRequest } from '../socket-holder.ts';
import type { MeasureOptions } from './options.ts';

const wanted = 10_000;
/** Processes that hold them, so that none comes near its limit of open files. */
const holders = 2;
/** Loopback addresses that each of them opens from. */
const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'];
/** Milliseconds that everything is left alone before memory is looked at. */
const idleMs = 3000;
/** Sockets opened and closed again beforehand, so that compiling, and the young generation growing to its size, are not counted. */
const warmUp = 2000;
const aimRatio = 1.2;

/** Memory of a process, garbage thrown away, in bytes. */
interface Memory {
  resident: number;
  /** JavaScript's own. */
  heap: number;
  /** Buffers and other memory of the runtime that JavaScript knows of. */
  external: number;
}

interface Holding {
  before: Memory;
  /** With half of them open. */
  half: Memory;
  during: Memory;
  open: number;
}

/** Someone who holds sockets. */
interface Server {
  pid: number;
  memoryFile: string;
  target: Pick<HoldRequest, 'port' | 'path' | 'headers' | 'welcomeBytes'>;
  stop(): Promise<void>;
}

/** Memory of an idle WebSocket: in a chat of ours, authenticated, and in a bare `ws` server. */
export async function measureSockets({ rounds, quick }: MeasureOptions): Promise<Measured> {
  const count = quick ? wanted / 5 : wanted;
  const results: Record<'parley' | 'ws', Holding[]> = { parley: [], ws: [] };
  // Fresh servers in every round, because memory that was taken once is seldom given back.
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    results.parley.push(await hold(await startOurs(), count));
    results.ws.push(await hold(await startBare(), count));
  }
  const all = (take: (memory: Memory) => number) => ({ before, during, open }: Holding): number => (take(during) - take(before)) / open / 1000;
  const later = (take: (memory: Memory) => number) => ({ half, during, open }: Holding): number => (take(during) - take(half)) / (open / 2) / 1000;
  const row = (what: string, each: (holding: Holding) => number, aim: boolean): Row => {
    const [parley, peer] = [median(results.parley.map(each)), median(results.ws.map(each))];
    const ratio = parley === null || peer === null || peer === 0 ? null : parley / peer;
    return {
      what: `${what}, each`, note: ratio === null ? undefined : `ratio ${ratio.toFixed(2)}`, parley, peer, peerName: 'bare ws', unit: 'kB',
      aim: aim ? `<= ${aimRatio} x` : '-', met: aim && ratio !== null ? ratio <= aimRatio : null,
    };
  };
  return {
    name: `${count} idle sockets, authenticated and in a chat (Parley has no Socket.IO yet: not measured)`,
    rows: [
      // The first ones find pages that the warm-up has left behind, so that all together seem to take less than they do.
      row('resident memory, the second half of them', later(({ resident }) => resident), true),
      row('resident memory, all of them over the warm server', all(({ resident }) => resident), false),
      row('heap and buffers', all(({ heap, external }) => heap + external), false),
      { what: 'resident memory before', parley: median(results.parley.map(({ before }) => before.resident / 1e6)), peer: median(results.ws.map(({ before }) => before.resident / 1e6)), peerName: 'bare ws', unit: 'MB', aim: '-', met: null },
    ],
    details: results,
  };
}

const preload = (): string[] => ['--expose-gc', '--import', join(benchFolder, 'memory-on-signal.ts')];

async function startOurs(): Promise<Server> {
  const memoryFile = join(mkdtempSync(join(tmpdir(), 'parley-bench-memory-')), 'memory');
  const server = await startParley({ mock: null, nodeOptions: preload(), environment: { BENCH_MEMORY: memoryFile } });
  const made = await fetch(`http://127.0.0.1:${server.port}/api/v1/chat/chats`, {
    method: 'POST', headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' }, body: JSON.stringify({ title: 'idle' }),
  });
  const { id } = (await made.json()) as { id: string };
  return {
    pid: server.running.pid,
    memoryFile,
    target: { port: server.port, path: `/api/v1/chat/chats/${id}/ws?token=${server.key}&full_content=false`, headers: {}, welcomeBytes: 100 },
    stop: () => server.stop(),
  };
}

async function startBare(): Promise<Server> {
  const memoryFile = join(mkdtempSync(join(tmpdir(), 'parley-bench-memory-')), 'memory');
  const running = start([process.execPath, '--disable-warning=ExperimentalWarning', ...preload(), join(benchFolder, 'bare-ws.ts')], { environment: { BENCH_MEMORY: memoryFile } });
  const deadline = performance.now() + 20_000;
  while (!/port \d+/.test(running.output())) {
    if (performance.now() > deadline) throw new Error(`The bare server does not start:\n${running.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const port = Number(/port (\d+)/.exec(running.output())![1]);
  return { pid: running.pid, memoryFile, target: { port, path: '/', headers: {}, welcomeBytes: 0 }, stop: () => running.stop() };
}

async function hold(server: Server, count: number): Promise<Holding> {
  const processes = Array.from({ length: holders }, () => fork(join(benchFolder, 'socket-holder.ts'), { execArgv: ['--disable-warning=ExperimentalWarning'] }));
  const ask = (child: (typeof processes)[number], request: HoldRequest | 'close'): Promise<{ open?: number; failure?: string }> => {
    const answer = new Promise<{ open?: number; failure?: string }>((resolve) => child.once('message', (message) => resolve(message as { open?: number; failure?: string })));
    child.send(request);
    return answer;
  };
  const openSome = async (sockets: number): Promise<number> => {
    const answers = await Promise.all(processes.map((child) => ask(child, { ...server.target, count: sockets / holders, from: addresses })));
    const failure = answers.find((answer) => answer.failure)?.failure;
    if (failure !== undefined) throw new Error(failure);
    return answers.reduce((sum, { open = 0 }) => sum + open, 0);
  };
  try {
    await openSome(warmUp);
    await Promise.all(processes.map((child) => ask(child, 'close')));
    const before = await memoryOf(server);
    await openSome(count / 2);
    const half = await memoryOf(server);
    const open = await openSome(count / 2);
    if (open !== count) throw new Error(`Of ${count} sockets ${open} are open.`);
    return { before, half, during: await memoryOf(server), open };
  } finally {
    for (const child of processes) child.disconnect();
    await server.stop();
    rmSync(join(server.memoryFile, '..'), { recursive: true, force: true });
  }
}

async function memoryOf({ pid, memoryFile }: Server): Promise<Memory> {
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  rmSync(memoryFile, { force: true });
  process.kill(pid, 'SIGUSR2');
  const deadline = performance.now() + 20_000;
  while (!existsSync(memoryFile)) {
    if (performance.now() > deadline) throw new Error('The process does not say what it holds.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = JSON.parse(readFileSync(`${memoryFile}.new`, 'utf8')) as NodeJS.MemoryUsage;
  return { resident: residentMegabytes(pid) * 1e6, heap: heapUsed, external };
}
