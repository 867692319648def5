import { loadavg } from 'node:os';
import { percentile } from '../load.ts';
import { cpuSeconds } from '../processes.ts';
import { median, show, type Measured, type Row } from '../report.ts';
import { startMock, startParley, type ParleyServer } from '../servers.ts';
import { fullSpeed, talk, textOf, type Shape } from '../shapes.ts';
import { standard, tongues, type ReadyTurn, type Tongue } from '../tongues.ts';
import type { MeasureOptions } from './options.ts';

/** Turns that begin at the same moment. */
const turns = 200;
const aimRatio = 0.9;
/** Waves at full speed before anything counts. */
const warmingWaves = 4;
/** Every so many answers one is read and held against the text it must have. */
const readEvery = 25;
/** Conversations that are made at a time before they count. */
const together = 20;
/** Milliseconds behind the last end, so that what is still written counts as well. */
const settleMs = 200;

interface Scene {
  name: string;
  shape: Shape;
  /** Waves of turns of which one figure is made. */
  waves: number;
}

interface Figures {
  chunksPerSecond: number;
  /** Chunks of the model for one second of the server's CPU. */
  chunksPerCpuSecond: number;
  cpuMicrosecondsPerChunk: number;
  firstTextP50: number | null;
  firstTextP99: number | null;
  /** Events that a chunk of the model comes in: below 1, because what comes together is sent together. */
  eventsPerChunk: number;
}

/** Both measured one behind the other. */
interface Pair {
  scene: string;
  tongue: string;
  own: Figures;
  beside: Figures;
}

/** 200 streamed turns at the same time through each dialect of one server, each in a conversation of its own. */
export async function measureDialects({ rounds, quick, only }: MeasureOptions): Promise<Measured> {
  const scenes: Scene[] = [{ name: 'full speed', shape: fullSpeed, waves: quick ? 2 : 3 }, { name: '20 ms cadence', shape: talk, waves: 1 }];
  const measured = tongues.filter((tongue) => tongue === standard || only === null || tongue.name.includes(only));
  const mock = await startMock();
  const server = await startParley({ mock });
  const pairs: Pair[] = [];
  const loads: number[] = [];
  try {
    for (const scene of scenes) {
      // Once to warm up: compiled, also what only this dialect needs.
      for (const tongue of measured) await measureOnce(server, tongue, { ...scene, waves: scene.shape === fullSpeed ? warmingWaves : 1 });
      for (let round = 0; round < rounds; round += 1) {
        loads.push(loadavg()[0]!);
        for (const tongue of measured) if (tongue !== standard) pairs.push({ scene: scene.name, tongue: tongue.name, ...(await measurePair(server, tongue, scene, round % 2 === 0)) });
      }
    }
  } finally {
    await server.stop();
    mock.stop();
  }
  const rows = scenes.flatMap((scene) => measured.filter((tongue) => tongue !== standard).flatMap((tongue) => rowsOf(scene, tongue, pairs)));
  return { name: `${turns} concurrent streamed turns through each dialect`, rows, details: { loads, pairs } };
}

/** Right behind each other, so that what else runs is much the same for both. */
async function measurePair(server: ParleyServer, tongue: Tongue, scene: Scene, standardFirst: boolean): Promise<Pick<Pair, 'own' | 'beside'>> {
  if (standardFirst) {
    const beside = await measureOnce(server, standard, scene);
    return { beside, own: await measureOnce(server, tongue, scene) };
  }
  const own = await measureOnce(server, tongue, scene);
  return { own, beside: await measureOnce(server, standard, scene) };
}

async function measureOnce(server: ParleyServer, tongue: Tongue, { shape, waves }: Scene): Promise<Figures> {
  let [cpu, seconds, chunks, events, read] = [0, 0, 0, 0, 0];
  const firstTextMs: number[] = [];
  for (let wave = 0; wave < waves; wave += 1) {
    const ready = await prepared(server, tongue, shape);
    await settled();
    const cpuBefore = cpuSeconds(server.pid!);
    const began = performance.now();
    const ends = await Promise.all(ready.map((turn, index) => runOne(turn, index, shape)));
    seconds += (performance.now() - began) / 1000;
    await settled();
    cpu += cpuSeconds(server.pid!) - cpuBefore;
    chunks += turns * shape.chunks;
    for (const end of ends) {
      firstTextMs.push(end.firstTextMs);
      if (end.events === null) continue;
      events += end.events;
      read += 1;
    }
    for (const turn of ready) turn.close();
  }
  firstTextMs.sort((one, other) => one - other);
  return {
    chunksPerSecond: chunks / seconds,
    chunksPerCpuSecond: chunks / cpu,
    cpuMicrosecondsPerChunk: (cpu / chunks) * 1e6,
    firstTextP50: percentile(firstTextMs, 0.5),
    firstTextP99: percentile(firstTextMs, 0.99),
    eventsPerChunk: events / read / shape.chunks,
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, settleMs));

async function prepared(server: ParleyServer, tongue: Tongue, shape: Shape): Promise<ReadyTurn[]> {
  const ready: ReadyTurn[] = [];
  while (ready.length < turns) ready.push(...(await Promise.all(Array.from({ length: together }, () => tongue.prepare(server, shape)))));
  return ready;
}

async function runOne(turn: ReadyTurn, index: number, shape: Shape): Promise<{ firstTextMs: number; events: number | null }> {
  const isRead = index % readEvery === 0;
  const began = performance.now();
  const { firstAt, kept } = await turn.run(isRead);
  if (firstAt === null) throw new Error('An answer came without text.');
  if (!isRead) return { firstTextMs: firstAt - began, events: null };
  const { text, events } = turn.read(kept);
  // The friend dialect tells no blank behind the last word.
  if (text.trimEnd() !== textOf(shape).trimEnd()) throw new Error(`An answer came with another text: ${text.slice(0, 100)}`);
  return { firstTextMs: firstAt - began, events };
}

function rowsOf(scene: Scene, tongue: Tongue, all: readonly Pair[]): Row[] {
  const pairs = all.filter((pair) => pair.scene === scene.name && pair.tongue === tongue.name);
  const own = (take: (figures: Figures) => number | null): number | null => median(pairs.map((pair) => take(pair.own)));
  const row = (what: string, unit: string, take: (figures: Figures) => number | null, more: { hasAim: boolean; note?: string }): Row => {
    const ratios = pairs.map((pair) => {
      const [one, beside] = [take(pair.own), take(pair.beside)];
      return one === null || beside === null || beside === 0 ? null : one / beside;
    });
    const ratio = median(ratios);
    const notes = [`ratio ${show(ratio)}: ${ratios.map((one) => one?.toFixed(2) ?? '-').join(' ')}`, more.note ?? ''].filter((note) => note !== '');
    return {
      what: `${scene.name}: ${tongue.name}: ${what}`, note: notes.join('; '), parley: own(take), peer: median(pairs.map((pair) => take(pair.beside))), peerName: standard.name, unit,
      aim: more.hasAim ? `>= ${aimRatio} x` : '-', met: more.hasAim && ratio !== null ? ratio >= aimRatio : null,
    };
  };
  const [eventsPerChunk, p99, cpu] = [own((round) => round.eventsPerChunk), own((round) => round.firstTextP99), own((round) => round.cpuMicrosecondsPerChunk)];
  return [
    row('chunks a CPU second', '/s CPU', ({ chunksPerCpuSecond }) => chunksPerCpuSecond, { hasAim: true, note: `${show(cpu)} us a chunk, ${show(eventsPerChunk)} events a chunk` }),
    row('chunks a second', '/s', ({ chunksPerSecond }) => chunksPerSecond, { hasAim: true }),
    row('first text, p50', 'ms', ({ firstTextP50 }) => firstTextP50, { hasAim: false, note: `p99 ${show(p99)} ms` }),
  ];
}
