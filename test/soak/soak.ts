import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { actArketic, type Person } from '../kill/actors.ts';
import { call } from '../kill/http-client.ts';
import { signUp } from '../kill/kill.ts';
import { Ledger, type Activity, type Fault } from '../kill/ledger.ts';
import { actOpenai } from '../kill/openai-actor.ts';
import { createRandom, type Random } from '../kill/random.ts';
import { checkAtEnd } from '../kill/rows.ts';
import { spawnServer, type ServerProcess } from '../kill/server-process.ts';
import { sqliteTables } from '../kill/tables.ts';
import { modelId, providerName, startUpstream, type Upstream } from '../kill/upstream.ts';
import { World } from '../kill/world.ts';
import { askShaky, askWhole, idleOnSockets, readPages, type Deeds } from './actors.ts';
import { lineThrough, memoryOf, takeSample, type Line, type Sample } from './samples.ts';
import { shakyName, startShakyService, type ShakyService } from './shaky-service.ts';

export interface SoakOptions {
  seed: number;
  /** Seconds of load before the first quiet look: everything that grows once has grown then. */
  warmUpSeconds: number;
  /** Seconds of load behind it. */
  seconds: number;
  /** Seconds between two looks under load; null for none. */
  everySeconds: number | null;
  /** Called behind each look. */
  progress?: (sample: Sample, ledger: Ledger) => void;
}

export interface SoakReport {
  seed: number;
  activity: Activity;
  deeds: Deeds;
  modelCalls: number;
  /** What went wrong; must be empty. */
  faults: Fault[];
  /** What the server held when nothing ran any more: behind the warm-up, and at the end. */
  quiet: { before: Sample; after: Sample };
  /** Answers still under way when everybody had gone. */
  turnsLeft: number;
  /** Looks under load. */
  samples: Sample[];
  /** Lines through them; x is hours. */
  lines: { memoryMegabytes: Line | null; files: Line | null };
}

/** Clients that are at work at the same time, by what they do. */
const crowd = { arketic: 4, openai: 2, readers: 2, whole: 2, shaky: 2, idle: 2 };
const people = 3;
/** Milliseconds for everybody to come to an end, and for the server to notice that they left. */
const settleMs = 60_000;
const startMs = 20_000;
/** Milliseconds of quiet before a quiet look: heartbeats of sockets and small timers have ended then. */
const quietMs = 3000;

const probe = fileURLToPath(new URL('./probe.ts', import.meta.url));

/**
 * Puts mixed load on the real server for as long as is asked, and looks whether it holds more and more: kept and unkept
 * answers, streamed or whole, sockets, page-like reading, a model service that fails in every way, and clients that
 * leave in the middle. What they were told is held against what is there, as the kill driver does.
 */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const random = createRandom(options.seed);
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-soak-'));
  const [upstream, shaky] = await Promise.all([startUpstream(random.fork()), startShakyService()]);
  const ledger = new Ledger();
  const server = spawnSoaked(dataDir, upstream, shaky);
  try {
    const address = await Promise.race([server.ready, delay(startMs, null, { ref: false })]);
    if (address === null) throw new Error(`The server did not start:\n${server.output()}`);
    const run: Run = {
      options, random, dataDir, ledger, server, address, began: performance.now(), deeds: { pages: 0, unkept: 0, troubled: 0, answeredAllTheSame: 0, idleSockets: 0, dropped: 0 },
      people: await signUp(people, address), samples: [],
    };
    return await play(run, upstream);
  } finally {
    server.kill('SIGKILL');
    await server.exited;
    await Promise.all([upstream.close(), shaky.close()]);
    await rm(dataDir, { recursive: true, force: true });
  }
}

interface Run {
  options: SoakOptions;
  random: Random;
  dataDir: string;
  ledger: Ledger;
  server: ServerProcess;
  address: string;
  began: number;
  deeds: Deeds;
  people: Person[];
  samples: Sample[];
}

function spawnSoaked(dataDir: string, upstream: Upstream, shaky: ShakyService): ServerProcess {
  return spawnServer({
    dataDir,
    environment: {
      COMPATIBLE_SERVERS: `${providerName}=${upstream.url},${shakyName}=${shaky.url}`,
      DEFAULT_MODEL: modelId,
      LOG_LEVEL: 'fatal',
      NODE_OPTIONS: `--expose-gc --import ${probe}`,
      SOAK_PROBE: join(dataDir, 'probe.json'),
    },
  });
}

async function play(run: Run, upstream: Upstream): Promise<SoakReport> {
  const { options, ledger, samples } = run;
  await load(run, options.warmUpSeconds, null);
  const before = await lookQuietly(run);
  await load(run, options.seconds, options.everySeconds);
  const after = await lookQuietly(run);
  const turnsLeft = await turnsUnderWay(run);
  for (const fault of upstream.faults) ledger.fault('wrong order', fault);
  run.server.kill('SIGTERM');
  const { code, signal } = await run.server.exited;
  if (code !== 0) ledger.fault('server ended', `with ${code ?? signal} after SIGTERM:\n${run.server.output()}`);
  const tables = sqliteTables(run.dataDir);
  await checkAtEnd(tables, ledger, upstream);
  await tables.close();
  const line = (take: (sample: Sample) => number | null): Line | null => lineThrough(samples.flatMap((sample) => (take(sample) === null ? [] : [{ x: sample.at / 3600, y: take(sample)! }])));
  return {
    seed: options.seed, activity: ledger.activity, deeds: run.deeds, modelCalls: upstream.answers.size, faults: ledger.faults, quiet: { before, after }, turnsLeft, samples,
    lines: { memoryMegabytes: line((sample) => memoryOf(sample) / 1e6), files: line(({ files }) => files) },
  };
}

/** Lets the crowd in for so many seconds, and waits until the last has left. */
async function load(run: Run, seconds: number, everySeconds: number | null): Promise<void> {
  const { random, ledger, deeds } = run;
  const world = new World(ledger);
  world.setUp(run.address);
  const person = (index: number): Person => run.people[index % run.people.length]!;
  const some = (count: number, act: (who: Person) => Promise<void>): Promise<void>[] => Array.from({ length: count }, (_, index) => act(person(index)));
  const actors = Promise.all([
    ...some(crowd.arketic, (who) => actArketic(world, who, random.fork())),
    ...some(crowd.openai, (who) => actOpenai(world, who, random.fork())),
    ...some(crowd.readers, (who) => readPages(world, who, random.fork(), deeds)),
    ...some(crowd.whole, (who) => askWhole(world, who, random.fork(), deeds)),
    ...some(crowd.shaky, (who) => askShaky(world, who, random.fork(), deeds)),
    ...some(crowd.idle, (who) => idleOnSockets(world, who, random.fork(), deeds)),
  ]);
  const ended = run.server.exited.then(() => Promise.reject(new Error(`The server ended by itself:\n${run.server.output()}`)));
  ended.catch(() => undefined); // Told by whoever races against it.
  await Promise.race([actors, ended, watch(run, seconds, everySeconds)]);
  world.finishing = true;
  const settled = await Promise.race([actors.then(() => true), ended, delay(settleMs, false, { ref: false })]);
  if (!settled) ledger.fault('stuck turn', `clients still waited ${settleMs / 1000} s after the end of the load`);
}

async function watch(run: Run, seconds: number, everySeconds: number | null): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await delay(Math.min((everySeconds ?? seconds) * 1000, Math.max(0, end - performance.now())));
    if (everySeconds === null) continue;
    const sample = await look(run);
    run.samples.push(sample);
    run.options.progress?.(sample, run.ledger);
  }
}

const look = (run: Run): Promise<Sample> => takeSample(run.server.pid, join(run.dataDir, 'probe.json'), run.began);

/** A look when nothing runs any more. */
async function lookQuietly(run: Run): Promise<Sample> {
  const deadline = performance.now() + settleMs;
  while ((await turnsUnderWay(run)) > 0 && performance.now() < deadline) await delay(100);
  await delay(quietMs);
  // One request, so that what is looked at when requests come (idle connections, expired entries) was looked at.
  await call({ method: 'GET', url: `${run.address}/health` });
  return await look(run);
}

async function turnsUnderWay(run: Run): Promise<number> {
  const tables = sqliteTables(run.dataDir);
  const rows = await tables.all('select count(*) as count from turns');
  await tables.close();
  return Number(rows[0]!['count']);
}
