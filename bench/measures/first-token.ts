import { load, percentile, type LoadResult, type Pace } from '../load.ts';
import { median, type Measured, type Row } from '../report.ts';
import { startMock, startParley, startPortkey, straight, type Answering } from '../servers.ts';
import { cadence, shortCadence, type Shape } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

interface Scene {
  name: string;
  shape: Shape;
  pace: Pace;
}

/** Seconds that one stream of a shape lasts, so that a rate keeps so many running. */
function lasting(shape: Shape): number {
  return (shape.firstMs + shape.chunks * shape.everyMs) / 1000;
}

function scenes(quick: boolean): Scene[] {
  const seconds = quick ? 4 : 8;
  const spread = (streams: number): Scene => ({ name: `${streams} streams, spread`, shape: cadence, pace: { kind: 'open', perSecond: streams / lasting(cadence), seconds } });
  const burst = (streams: number): Scene => ({ name: `${streams} streams at once`, shape: cadence, pace: { kind: 'at-once', streams, times: quick ? 2 : 4, pauseMs: 100 } });
  return [
    { name: '1 stream', shape: shortCadence, pace: { kind: 'closed', connections: 1, seconds } },
    spread(50),
    burst(50),
    spread(200),
    burst(200),
  ];
}

interface Figures {
  p50: number | null;
  p90: number | null;
  p99: number | null;
  answers: number;
  failures: Record<string, number>;
}

function figuresOf({ firstTextMs, answers, failures }: LoadResult): Figures {
  return { p50: percentile(firstTextMs, 0.5), p90: percentile(firstTextMs, 0.9), p99: percentile(firstTextMs, 0.99), answers, failures };
}

/** Time to the first text, straight to the mock and through each server, in turn; what is added is the difference. */
export async function measureFirstToken({ rounds, quick, peers }: MeasureOptions): Promise<Measured> {
  const mock = await startMock();
  const servers: Answering[] = [straight(mock), await startParley({ mock }), ...(peers ? [await startPortkey(mock)] : [])];
  const results = new Map<string, Map<string, Figures[]>>();
  try {
    for (const server of servers) await load(server.asked(cadence, true), { kind: 'closed', connections: 20, seconds: 3 });
    for (const scene of scenes(quick)) {
      const byServer = new Map<string, Figures[]>(servers.map(({ name }) => [name, []]));
      results.set(scene.name, byServer);
      for (let round = 0; round < rounds; round += 1) {
        for (const server of servers) byServer.get(server.name)!.push(figuresOf(await load(server.asked(scene.shape, true), scene.pace)));
      }
    }
  } finally {
    for (const server of servers) await server.stop();
    mock.stop();
  }
  return { name: 'added time to first token', rows: [...results].flatMap(([scene, figures]) => rowsOf(scene, figures)), details: Object.fromEntries([...results].map(([scene, figures]) => [scene, Object.fromEntries(figures)])) };
}

function rowsOf(scene: string, figures: ReadonlyMap<string, Figures[]>): Row[] {
  const of = (name: string, key: 'p50' | 'p99'): number | null => median((figures.get(name) ?? []).map((round) => round[key]));
  const added = (name: string, key: 'p50' | 'p99'): number | null => {
    const rounds = figures.get(name);
    const base = figures.get('straight')!;
    return rounds ? median(rounds.map((round, index) => (round[key] === null || base[index]![key] === null ? null : round[key]! - base[index]![key]!))) : null;
  };
  const aims: Record<string, number> = scene === '50 streams, spread' ? { p50: 1, p99: 5 } : scene === '1 stream' ? { p50: 1 } : {};
  const failed = Object.entries(Object.assign({}, ...(figures.get('parley') ?? []).map(({ failures }) => failures)) as Record<string, number>);
  return (['p50', 'p99'] as const).map((key) => {
    const ours = added('parley', key);
    const aim = aims[key];
    return {
      what: `${scene}: added, ${key}`,
      note: `straight ${key} ${of('straight', key)?.toFixed(1)} ms${failed.length > 0 ? `; FAILED ${JSON.stringify(failed)}` : ''}`,
      parley: ours,
      peer: added('portkey', key),
      peerName: 'portkey',
      unit: 'ms',
      aim: aim === undefined ? '-' : `<= ${aim}`,
      met: aim === undefined || ours === null ? null : ours <= aim,
    };
  });
}
