import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { load } from '../load.ts';
import { benchFolder, projectRoot } from '../processes.ts';
import type { Measured } from '../report.ts';
import { startMock, startParley } from '../servers.ts';
import { cadence, fullSpeed, whole, type Shape } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

/** Where the server's main thread spends its time while it streams: the functions with the most time of their own. */
export async function profileStreaming({ quick }: MeasureOptions): Promise<Measured> {
  const rows: Measured['rows'] = [];
  const details: Record<string, unknown> = {};
  for (const [name, shape, stream] of [['full speed', fullSpeed, true], ['20 ms cadence', cadence, true], ['not streamed', whole, false]] as [string, Shape, boolean][]) {
    const profile = await record(name, shape, stream, quick ? 4 : 10);
    const top = selfTimes(profile).slice(0, 40);
    details[name] = top;
    for (const { place, share } of top.slice(0, 25)) rows.push({ what: `${name}: ${place}`, parley: share * 100, peer: null, peerName: '', unit: '%', aim: '-', met: null });
  }
  return { name: 'profile of the main thread (share of its busy time)', rows, details };
}

async function record(name: string, shape: Shape, stream: boolean, seconds: number): Promise<CpuProfile> {
  const folder = join(benchFolder, 'results', `profile ${name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const mock = await startMock();
  const server = await startParley({ mock, nodeOptions: ['--cpu-prof', `--cpu-prof-dir=${folder}`] });
  await load(server.asked(shape, stream), shape.everyMs > 0 ? { kind: 'open', perSecond: 90, seconds } : { kind: 'closed', connections: 16, seconds });
  await server.stop();
  mock.stop();
  // One file for each thread; the main thread's is the largest.
  const files = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8')).sort((one, other) => other.length - one.length);
  return JSON.parse(files[0]!) as CpuProfile;
}

function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): { place: string; share: number }[] {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const times = new Map<string, number>();
  let total = 0;
  for (const [index, id] of samples.entries()) {
    const { functionName, url, lineNumber } = byId.get(id)!;
    if (functionName === '(idle)' || functionName === '(root)') continue;
    const file = url.replace(`file://${projectRoot}/`, '').replace(/^.*node_modules\//, '');
    const place = `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
    const delta = timeDeltas[index]!;
    times.set(place, (times.get(place) ?? 0) + delta);
    total += delta;
  }
  return [...times].map(([place, time]) => ({ place, share: time / total })).sort((one, other) => other.share - one.share);
}
