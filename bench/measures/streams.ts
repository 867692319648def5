import { load, percentile } from '../load.ts';
import { cpuSeconds, residentMegabytes } from '../processes.ts';
import { median, type Measured, type Row } from '../report.ts';
import { startMock, startParley, startPortkey, straight, type Answering, type Mock } from '../servers.ts';
import { shortSteady, steady, type Shape } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

const streams = 500;
/** Milliseconds between two looks at the memory. */
const lookMs = 100;

interface Figures {
  /** Words (chunks of the model) that reached the clients, by second from the first request to the last answer's end. */
  wordsPerSecond: number;
  firstTextP50: number | null;
  firstTextP90: number | null;
  /** The most memory during the streams, less that before them, in megabytes. Null for the mock. */
  addedMegabytes: number | null;
  cpuMicrosecondsPerWord: number | null;
  answers: number;
  failures: Record<string, number>;
}

/**
 * 500 answers of 50 tokens a second at the same time, all begun in the same millisecond, through one core. Every round
 * has a fresh server, because memory that was taken once is seldom given back.
 */
export async function measureStreams({ rounds, quick, peers }: MeasureOptions): Promise<Measured> {
  const shape = quick ? shortSteady : steady;
  const mock = await startMock();
  const begin: Record<string, () => Promise<Answering>> = {
    straight: async () => straight(mock),
    parley: () => startParley({ mock }),
    ...(peers ? { portkey: () => startPortkey(mock) } : {}),
  };
  const figures = new Map<string, Figures[]>(Object.keys(begin).map((name) => [name, []]));
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, start] of Object.entries(begin)) figures.get(name)!.push(await measureOnce(await start(), mock, shape));
    }
  } finally {
    mock.stop();
  }
  return { name: `${streams} streams of 50 tokens a second on one core`, rows: rowsOf(figures), details: Object.fromEntries(figures) };
}

async function measureOnce(server: Answering, mock: Mock, shape: Shape): Promise<Figures> {
  try {
    const asked = { ...server.asked(shape, true), countWords: true };
    // Warm, as a server is that has run for a minute: compiled, its connections made.
    await load(server.asked(shortSteady, true), { kind: 'at-once', streams: 20, times: 1, pauseMs: 200 });
    const before = server.pid === null ? null : { memory: residentMegabytes(server.pid), cpu: cpuSeconds(server.pid) };
    let most = before?.memory ?? 0;
    const looking = setInterval(() => {
      if (server.pid !== null) most = Math.max(most, residentMegabytes(server.pid));
    }, lookMs);
    const result = await load(asked, { kind: 'at-once', streams, times: 1, pauseMs: 0 });
    clearInterval(looking);
    return {
      wordsPerSecond: result.words / result.seconds,
      firstTextP50: percentile(result.firstTextMs, 0.5),
      firstTextP90: percentile(result.firstTextMs, 0.9),
      addedMegabytes: before === null ? null : most - before.memory,
      cpuMicrosecondsPerWord: before === null ? null : ((cpuSeconds(server.pid!) - before.cpu) / result.words) * 1e6,
      answers: result.answers,
      failures: result.failures,
    };
  } finally {
    await server.stop();
  }
}

function rowsOf(figures: ReadonlyMap<string, Figures[]>): Row[] {
  const of = (name: string, take: (round: Figures) => number | null): number | null => median((figures.get(name) ?? []).map(take));
  const failed = (figures.get('parley') ?? []).flatMap(({ failures }) => Object.entries(failures));
  const row = (what: string, unit: string, take: (round: Figures) => number | null, better: 'more' | 'less' | null, note?: string): Row => {
    const parley = of('parley', take);
    const peer = of('portkey', take);
    const isKnown = better !== null && parley !== null && peer !== null;
    return {
      what, unit, parley, peer, peerName: 'portkey', aim: better === null ? '-' : `${better} than portkey`,
      met: isKnown ? (better === 'more' ? parley > peer : parley < peer) : null,
      ...(note === undefined ? {} : { note }),
    };
  };
  const offered = of('straight', (round) => round.wordsPerSecond);
  return [
    row('chunks delivered', '/s', (round) => round.wordsPerSecond, 'more', `straight ${Math.round(offered ?? 0)}/s${failed.length > 0 ? `; FAILED ${JSON.stringify(failed)}` : ''}`),
    row('time to first token, p50', 'ms', (round) => round.firstTextP50, null, `straight ${of('straight', (round) => round.firstTextP50)?.toFixed(0)} ms`),
    row('time to first token, p90', 'ms', (round) => round.firstTextP90, 'less', `straight ${of('straight', (round) => round.firstTextP90)?.toFixed(0)} ms`),
    row('added memory', 'MB', (round) => round.addedMegabytes, 'less', 'the most during the streams'),
    row('CPU a chunk', 'us CPU', (round) => round.cpuMicrosecondsPerWord, null),
  ];
}
