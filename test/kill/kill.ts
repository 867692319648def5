import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { actArketic, type Person } from './actors.ts';
import { call } from './http-client.ts';
import { Ledger, type Activity, type Fault, type FaultKind } from './ledger.ts';
import { actOpenai } from './openai-actor.ts';
import { createRandom, type Random } from './random.ts';
import { checkAfterStart, checkAtEnd } from './rows.ts';
import { spawnServer, type ServerProcess } from './server-process.ts';
import { sqliteTables, type Tables } from './tables.ts';
import { modelId, providerName, startUpstream, type Upstream } from './upstream.ts';
import { World } from './world.ts';

export interface KillOptions {
  seed: number;
  /** Times the server is killed or stopped. */
  rounds: number;
  /** Clients at work; every fourth speaks the OpenAI dialect. */
  clients: number;
  /** Accounts they share. */
  people: number;
  /** Longest time between a start and its kill, milliseconds. */
  longestRoundMs: number;
  /** Called behind each round. */
  progress?: (round: number, ledger: Ledger) => void;
}

export interface KillReport extends Activity {
  seed: number;
  rounds: number;
  seconds: number;
  /** Requests the model service got. */
  modelCalls: number;
  /** Counts of every kind; all must be zero. */
  faults: Record<FaultKind, number>;
  /** The first of them, in words. */
  samples: Fault[];
}

/** Milliseconds that everything has to come to its end when the killing is over. */
const settleMs = 30_000;
/** Milliseconds a server may take to start or to end. */
const startMs = 20_000;
const samplesShown = 20;

/**
 * Kills the real server under load, over and over, at moments that a seed chooses, while clients go on as real ones
 * would: they come back, send again what was not acknowledged, and read on where they were. Then holds everything they
 * were ever told against what is there.
 */
export async function runKills(options: KillOptions): Promise<KillReport> {
  const began = performance.now();
  const random = createRandom(options.seed);
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-kill-'));
  const upstream = await startUpstream(random.fork());
  const ledger = new Ledger();
  const run: Run = { options, random, dataDir, upstream, ledger, world: new World(ledger), server: null, over: false };
  try {
    await play(run);
    for (const fault of upstream.faults) ledger.fault('wrong order', fault);
    await look(dataDir, (tables) => checkAtEnd(tables, ledger, upstream));
  } finally {
    run.over = true;
    const server = run.server;
    run.server = null;
    server?.kill('SIGKILL');
    await server?.exited;
    await upstream.close();
    await rm(dataDir, { recursive: true, force: true });
  }
  return report(options, began, ledger, upstream);
}

/** What came of a run. */
export function report(options: Pick<KillOptions, 'seed' | 'rounds'>, began: number, ledger: Ledger, upstream: Upstream): KillReport {
  return {
    seed: options.seed,
    rounds: options.rounds,
    seconds: Math.round((performance.now() - began) / 100) / 10,
    ...ledger.activity,
    modelCalls: upstream.answers.size,
    faults: ledger.counts(),
    samples: ledger.faults.slice(0, samplesShown),
  };
}

async function look(dataDir: string, check: (tables: Tables) => Promise<void>): Promise<void> {
  const tables = sqliteTables(dataDir);
  try {
    await check(tables);
  } finally {
    await tables.close();
  }
}

interface Run {
  options: KillOptions;
  random: Random;
  dataDir: string;
  upstream: Upstream;
  ledger: Ledger;
  world: World;
  server: ServerProcess | null;
  /** Set when the run has ended, however it ended. */
  over: boolean;
}

async function play(run: Run): Promise<void> {
  const { options, random, ledger, world } = run;
  const people = await signUp(options.people, await start(run));
  await underLoad({ options, random, ledger, world, people }, () => killOften(run));
  await stop(run, 'SIGTERM');
}

/** Lets clients work while `trouble` goes on, and then come to their end. */
export async function underLoad(run: Pick<Run, 'random' | 'ledger' | 'world'> & { options: Pick<KillOptions, 'clients'>; people: readonly Person[] }, trouble: () => Promise<void>): Promise<void> {
  const { options, random, ledger, world, people } = run;
  const actors = Array.from({ length: options.clients }, (_, index) => {
    const act = index % 4 === 3 ? actOpenai : actArketic;
    return act(world, people[index % people.length]!, random.fork());
  });
  // A client that breaks ends the run with its error, not with a hang.
  const broken = Promise.all(actors);
  await Promise.race([broken, trouble()]);
  world.finishing = true;
  const settled = await Promise.race([broken.then(() => true), delay(settleMs, false, { ref: false })]);
  if (!settled) ledger.fault('stuck turn', `clients still waited ${settleMs / 1000} s after the last start`);
}

async function killOften(run: Run): Promise<void> {
  const { options, random, ledger } = run;
  for (let round = 1; round <= options.rounds && !run.over; round += 1) {
    ledger.round = round;
    await delay(random.next() * options.longestRoundMs);
    await stop(run, random.chance(0.06) ? 'SIGTERM' : 'SIGKILL');
    if (random.chance(0.12)) await killWhileStarting(run);
    await start(run);
    options.progress?.(round, ledger);
  }
}

/** Starts the server, looks at its tables, and lets the clients in. */
async function start(run: Run): Promise<string> {
  const { ledger, world, dataDir } = run;
  const server = spawn(run);
  run.server = server;
  const timeout = delay(startMs, null, { ref: false });
  const address = await Promise.race([server.ready, timeout]);
  if (address === null) throw new Error(`The server did not start:\n${server.output()}`);
  await look(dataDir, (tables) => checkAfterStart(tables, ledger));
  void server.exited.then(({ code, signal }) => {
    if (run.server === server) ledger.fault('server ended', `by itself, with ${code ?? signal}:\n${server.output()}`);
  });
  world.setUp(address);
  return address;
}

function spawn(run: Run): ServerProcess {
  return spawnServer({
    dataDir: run.dataDir,
    environment: { COMPATIBLE_SERVERS: `${providerName}=${run.upstream.url}`, DEFAULT_MODEL: modelId },
  });
}

async function stop(run: Run, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const { ledger, world } = run;
  const server = run.server!;
  run.server = null;
  if (signal === 'SIGKILL') {
    ledger.activity.kills += 1;
    world.setDown();
  } else ledger.activity.terminations += 1;
  server.kill(signal);
  const ended = await Promise.race([server.exited, delay(startMs, null, { ref: false })]);
  world.setDown();
  if (ended === null) {
    ledger.fault('server ended', `not within ${startMs / 1000} s of ${signal}`);
    server.kill('SIGKILL');
    await server.exited;
  } else if (signal === 'SIGTERM' && ended.code !== 0) ledger.fault('server ended', `with ${ended.code ?? ended.signal} after SIGTERM:\n${server.output()}`);
}

/** Kills it in the middle of its start, while it puts in order what the last kill left. */
async function killWhileStarting(run: Run): Promise<void> {
  const server = spawn(run);
  await Promise.race([server.ready, delay(run.random.next() * 900)]);
  server.kill('SIGKILL');
  await server.exited;
  run.ledger.activity.kills += 1;
  run.ledger.activity.killsWhileStarting += 1;
}

/** @param code what the first one must give, where the server asks for it */
export async function signUp(count: number, address: string, code?: string): Promise<Person[]> {
  const people: Person[] = [];
  for (let index = 0; index < count; index += 1) {
    const body = { username: `person${index}`, password: `password of ${index}`, email: `person${index}@example.org`, name: `Person ${index}`, ...(index === 0 && code !== undefined ? { code } : {}) };
    const answer = await call({ method: 'POST', url: `${address}/api/auth/register`, body });
    if (answer.status !== 201) throw new Error(`Nobody can register: ${answer.status} ${JSON.stringify(answer.body)}`);
    people.push({ token: (answer.body as { access_token: string }).access_token });
  }
  return people;
}
