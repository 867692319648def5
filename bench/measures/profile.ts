import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { load, type Pace } from '../load.ts';
import { benchFolder, projectRoot, threadSeconds } from '../processes.ts';
import type { Measured, Row } from '../report.ts';
import { startMock, startParley } from '../servers.ts';
import { fullSpeed, longCadence, whole, type Shape } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
  /** Microseconds of the monotonic clock. */
  startTime: number;
}

const scenes: { name: string; shape: Shape; stream: boolean; pace(seconds: number): Pace }[] = [
  { name: 'full speed', shape: fullSpeed, stream: true, pace: (seconds) => ({ kind: 'closed', connections: 16, seconds }) },
  { name: '20 ms cadence', shape: longCadence, stream: true, pace: (seconds) => ({ kind: 'open', perSecond: 25, seconds }) },
  { name: 'not streamed', shape: whole, stream: false, pace: (seconds) => ({ kind: 'closed', connections: 8, seconds }) },
];

/** Where the server's main thread spends its time while it streams: alone, and with what it calls. */
export async function profileStreaming({ quick }: MeasureOptions): Promise<Measured> {
  const rows: Row[] = [];
  const details: Record<string, unknown> = {};
  for (const scene of scenes) {
    const { profile, from, to, threads, answers } = await record(scene, quick ? 4 : 10);
    const { self, total, busyMicroseconds } = timesOf(profile, from, to);
    details[scene.name] = { threads, answers, busyMicroseconds, self: self.slice(0, 60), total: total.slice(0, 80) };
    const row = (what: string, value: number, unit: string): Row => ({ what: `${scene.name}: ${what}`, parley: value, peer: null, peerName: '', unit, aim: '-', met: null });
    for (const [thread, seconds] of Object.entries(threads)) rows.push(row(`thread ${thread}`, (seconds / answers) * 1e6, 'us/answer'));
    for (const { place, share } of self.slice(0, 25)) rows.push(row(`alone: ${place}`, share * 100, '%'));
    for (const { place, share } of total.filter((entry) => entry.place.includes(' src/')).slice(0, 35)) rows.push(row(`with calls: ${place}`, share * 100, '%'));
  }
  return { name: 'profile of the main thread (share of its busy time)', rows, details };
}

async function record(scene: (typeof scenes)[number], seconds: number): Promise<{ profile: CpuProfile; from: number; to: number; threads: Record<string, number>; answers: number }> {
  const folder = join(benchFolder, 'results', `profile ${scene.name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const mock = await startMock();
  const server = await startParley({ mock, nodeOptions: ['--cpu-prof', `--cpu-prof-dir=${folder}`] });
  const asked = server.asked(scene.shape, scene.stream);
  // Until the code is compiled and optimised: that is not what is looked for.
  await load(asked, scene.pace(3));
  const before = threadSeconds(server.pid!);
  const from = microseconds();
  const { answers } = await load(asked, scene.pace(seconds));
  const to = microseconds();
  const after = threadSeconds(server.pid!);
  await server.stop();
  mock.stop();
  const threads = Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]).filter(([, value]) => (value as number) > 0)) as Record<string, number>;
  // One file for each thread; the main thread's is the largest.
  const files = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8')).sort((one, other) => other.length - one.length);
  return { profile: JSON.parse(files[0]!) as CpuProfile, from, to, threads, answers };
}

function microseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

interface Share {
  place: string;
  share: number;
}

function timesOf({ nodes, samples, timeDeltas, startTime }: CpuProfile, from: number, to: number): { self: Share[]; total: Share[]; busyMicroseconds: number } {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const parents = new Map(nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id] as const)));
  const self = new Map<string, number>();
  const total = new Map<string, number>();
  const add = (to: Map<string, number>, place: string, time: number): void => void to.set(place, (to.get(place) ?? 0) + time);
  let busy = 0;
  let now = startTime;
  for (const [index, id] of samples.entries()) {
    const delta = timeDeltas[index]!;
    now += delta;
    const place = places.get(id)!;
    if (now < from || now > to || place === '(idle)' || place === '(root)') continue;
    busy += delta;
    add(self, place, delta);
    const above = new Set<string>();
    for (let node: number | undefined = id; node !== undefined; node = parents.get(node)) above.add(places.get(node)!);
    for (const one of above) add(total, one, delta);
  }
  const sorted = (times: Map<string, number>): Share[] => [...times].map(([place, time]) => ({ place, share: time / busy })).sort((one, other) => other.share - one.share);
  return { self: sorted(self), total: sorted(total), busyMicroseconds: busy };
}

function placeOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const file = url.replace(`file://${projectRoot}/`, '').replace(/^.*node_modules\//, '');
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
}
