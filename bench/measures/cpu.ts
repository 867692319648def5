import { load, type Pace } from '../load.ts';
import { cpuSeconds } from '../processes.ts';
import { median, type Measured, type Row } from '../report.ts';
import { startMock, startParley, startPortkey, type Answering, type Mock } from '../servers.ts';
import { cadence, fullSpeed, longCadence, whole, type Shape } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

interface Scene {
  name: string;
  shape: Shape;
  stream: boolean;
  pace: Pace;
}

function scenes(quick: boolean): Scene[] {
  const seconds = quick ? 3 : 6;
  return [
    { name: 'full speed', shape: fullSpeed, stream: true, pace: { kind: 'closed', connections: 32, seconds } },
    { name: '20 ms cadence, 200 chunks an answer', shape: longCadence, stream: true, pace: { kind: 'open', perSecond: 25, seconds } },
    { name: '20 ms cadence, 50 chunks an answer', shape: cadence, stream: true, pace: { kind: 'open', perSecond: 90, seconds } },
    { name: 'not streamed', shape: whole, stream: false, pace: { kind: 'closed', connections: 8, seconds } },
  ];
}

interface Figures {
  cpuSeconds: number;
  seconds: number;
  answers: number;
  chunksUpstream: number;
  eventsDelivered: number;
  failures: Record<string, number>;
}

/** CPU of the server process for each streamed chunk and each whole answer. The other processes run on another core. */
export async function measureCpu({ rounds, quick, peers }: MeasureOptions): Promise<Measured> {
  const mock = await startMock();
  const servers: Answering[] = [await startParley({ mock }), ...(peers ? [await startPortkey(mock)] : [])];
  const results = new Map<string, Map<string, Figures[]>>();
  try {
    for (const scene of scenes(quick)) {
      const byServer = new Map<string, Figures[]>(servers.map(({ name }) => [name, []]));
      results.set(scene.name, byServer);
      for (const server of servers) await load(server.asked(scene.shape, scene.stream), { kind: 'closed', connections: 8, seconds: 2 });
      for (let round = 0; round < rounds; round += 1) {
        for (const server of servers) byServer.get(server.name)!.push(await measureOnce(server, mock, scene));
      }
    }
  } finally {
    for (const server of servers) await server.stop();
    mock.stop();
  }
  return { name: 'CPU of the server', rows: [...results].flatMap(([scene, figures]) => rowsOf(scene, figures)), details: Object.fromEntries([...results].map(([scene, figures]) => [scene, Object.fromEntries(figures)])) };
}

async function measureOnce(server: Answering, mock: Mock, scene: Scene): Promise<Figures> {
  const sentBefore = await mock.sent();
  const cpuBefore = cpuSeconds(server.pid!);
  const { seconds, answers, events, failures } = await load(server.asked(scene.shape, scene.stream), scene.pace);
  const cpu = cpuSeconds(server.pid!) - cpuBefore;
  const sent = await mock.sent();
  return { cpuSeconds: cpu, seconds, answers, chunksUpstream: sent.chunks - sentBefore.chunks, eventsDelivered: events, failures };
}

const micro = 1e6;

function rowsOf(scene: string, figures: ReadonlyMap<string, Figures[]>): Row[] {
  const of = (name: string, per: (round: Figures) => number): number | null => median((figures.get(name) ?? []).map((round) => (round.cpuSeconds / per(round)) * micro));
  const row = (what: string, per: (round: Figures) => number, hasAim: boolean): Row => {
    const parley = of('parley', per);
    const peer = of('portkey', per);
    return { what: `${scene}: ${what}`, parley, peer, peerName: 'portkey', unit: 'us CPU', aim: hasAim ? 'below portkey' : '-', met: hasAim && parley !== null && peer !== null ? parley < peer : null };
  };
  const failed = (figures.get('parley') ?? []).flatMap(({ failures }) => Object.entries(failures));
  const note = failed.length > 0 ? `FAILED ${JSON.stringify(failed)}` : undefined;
  if (scene === 'not streamed') return [{ ...row('a request', (round) => round.answers, true), note }];
  return [
    { ...row('a chunk of the model', (round) => round.chunksUpstream, true), note },
    row('an event delivered', (round) => round.eventsDelivered, false),
    row('a whole stream', (round) => round.answers, false),
  ];
}
