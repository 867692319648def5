import { setTimeout as delay } from 'node:timers/promises';
import { createDatabase, type FreshDatabase } from '../instances/database.ts';
import { openInstances, type Instance, type Instances } from '../instances/instances.ts';
import { startProxy, type Proxy } from '../instances/proxy.ts';
import { report, signUp, underLoad, type KillOptions, type KillReport } from './kill.ts';
import { Ledger } from './ledger.ts';
import { createRandom, type Random } from './random.ts';
import { checkAtEnd, checkShape } from './rows.ts';
import { postgresTables, type Tables } from './tables.ts';
import { World } from './world.ts';

export interface SeveralOptions extends KillOptions {
  /** Servers at work; at least one of them is left alone at any time. */
  instances: number;
  databaseUrl: string;
  redisUrl: string;
}

/** Longest time for which a server hangs, milliseconds: its leases run out after 6 s. */
const longestPauseMs = 9000;
/** Longest time until the proxy finds a server that hangs dead and breaks its connections, milliseconds. */
const noticeMs = 1500;

/**
 * The same with several servers on PostgreSQL and Redis behind a proxy that sends every connection to another one: they
 * are killed, ended, and made to hang and woken again, each at any time, while clients go on elsewhere.
 */
export async function runKillsOfSeveral(options: SeveralOptions): Promise<KillReport> {
  const began = performance.now();
  const random = createRandom(options.seed);
  const database = await createDatabase(options.databaseUrl);
  const instances = await openInstances({ databaseUrl: database.url, redisUrl: options.redisUrl, count: options.instances, words: { fewest: 5, most: 60 } });
  const ledger = new Ledger();
  const run: Run = { options, random, database, instances, ledger, away: new Set(), hanging: [] };
  const proxy = await startProxy(() => instances.all.filter((instance) => !run.away.has(instance)).map((instance) => instance.address));
  try {
    await play(run, proxy);
    for (const fault of instances.upstream.faults) ledger.fault('wrong order', fault);
    await look(database, (tables) => checkAtEnd(tables, ledger, instances.upstream));
  } finally {
    await Promise.all(run.hanging);
    await proxy.close();
    await instances.close();
    await database.close();
  }
  return report(options, began, ledger, instances.upstream);
}

interface Run {
  options: SeveralOptions;
  random: Random;
  database: FreshDatabase;
  instances: Instances;
  ledger: Ledger;
  /** Servers that the proxy does not send anyone to: killed, ending or hanging. */
  away: Set<Instance>;
  /** Resolve when servers that hang have been woken. */
  hanging: Promise<void>[];
}

async function play(run: Run, proxy: Proxy): Promise<void> {
  const { options, random, ledger, instances } = run;
  const first = instances.all[0]!;
  const people = await signUp(options.people, first.address, /Set-up code\s+(\S+)/.exec(first.process.output())?.[1]);
  const world = new World(ledger);
  world.setUp(proxy.address);
  for (const instance of instances.all) watch(run, instance);
  await underLoad({ options, random, ledger, world, people }, async () => {
    for (let round = 1; round <= options.rounds; round += 1) {
      ledger.round = round;
      await delay(random.next() * options.longestRoundMs);
      await trouble(run, proxy);
      await look(run.database, (tables) => checkShape(tables, ledger));
      options.progress?.(round, ledger);
    }
    await Promise.all(run.hanging);
  });
  await Promise.all(instances.all.map((instance) => endInOrder(run, instance)));
}

/** Something happens to one of those that are there; with only one left, nothing does. */
async function trouble(run: Run, proxy: Proxy): Promise<void> {
  const { random, instances, away, ledger } = run;
  const there = instances.all.filter((instance) => !away.has(instance));
  if (there.length < 2) return;
  const victim = random.pick(there);
  const kind = random.next();
  if (kind < 0.3) {
    away.add(victim);
    ledger.activity.pauses += 1;
    run.hanging.push(hang(run, victim, proxy));
    return;
  }
  if (kind < 0.9) {
    away.add(victim);
    ledger.activity.kills += 1;
    await victim.kill();
  } else {
    ledger.activity.terminations += 1;
    away.add(victim);
    await endInOrder(run, victim);
  }
  instances.all.splice(instances.all.indexOf(victim), 1);
  away.delete(victim);
  watch(run, await instances.start());
}

/** Stops a server in the middle of what it does; it wakes up later, perhaps past its leases, and goes on. */
async function hang(run: Run, instance: Instance, proxy: Proxy): Promise<void> {
  const { random, away } = run;
  const length = random.next() * longestPauseMs;
  instance.pause();
  const noticed = random.next() * noticeMs;
  await delay(Math.min(length, noticed));
  proxy.cut(instance.address);
  await delay(Math.max(0, length - noticed));
  instance.resume();
  away.delete(instance);
}

async function endInOrder(run: Run, instance: Instance): Promise<void> {
  run.away.add(instance);
  await instance.end();
  const { code, signal } = await instance.process.exited;
  if (code !== 0) run.ledger.fault('server ended', `with ${code ?? signal} after SIGTERM:\n${instance.process.output()}`);
}

function watch(run: Run, instance: Instance): void {
  void instance.process.exited.then(({ code, signal }) => {
    if (!run.away.has(instance) && run.instances.all.includes(instance)) run.ledger.fault('server ended', `by itself, with ${code ?? signal}:\n${instance.process.output()}`);
  });
}

async function look(database: FreshDatabase, check: (tables: Tables) => Promise<void>): Promise<void> {
  const tables = await postgresTables(database.url);
  try {
    await check(tables);
  } finally {
    await tables.close();
  }
}
