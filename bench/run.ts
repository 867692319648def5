import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchFolder, canPin, cores, pinDriver } from './processes.ts';
import { table, type Measured } from './report.ts';
import { limitsInForce } from './servers.ts';
import type { MeasureOptions } from './measures/options.ts';

/*
 * node bench/run.ts all | first-token | cpu | embedded | batch | start | open | streams | instances | sockets | fan-out | dialects | friend | soak | profile
 *   [--rounds 5] [--quick] [--no-peers] [--minutes 60] [--only text]
 *
 * `all` leaves out the soak, which takes an hour, and the profile.
 *
 * Prints a table and one line of JSON for each measure, and writes everything to bench/results.
 */

const measures: Record<string, (options: MeasureOptions) => Promise<Measured>> = {
  'first-token': async (options) => (await import('./measures/first-token.ts')).measureFirstToken(options),
  cpu: async (options) => (await import('./measures/cpu.ts')).measureCpu(options),
  embedded: async (options) => (await import('./measures/embedded.ts')).measureEmbedded(options),
  batch: async (options) => (await import('./measures/batch.ts')).measureBatch(options),
  start: async (options) => (await import('./measures/start.ts')).measureStart(options),
  open: async (options) => (await import('./measures/opening.ts')).measureOpening(options),
  streams: async (options) => (await import('./measures/streams.ts')).measureStreams(options),
  instances: async (options) => (await import('./measures/instances.ts')).measureInstances(options),
  sockets: async (options) => (await import('./measures/sockets.ts')).measureSockets(options),
  friend: async (options) => (await import('./measures/friend.ts')).measureFriend(options),
  'fan-out': async (options) => (await import('./measures/fan-out.ts')).measureFanOut(options),
  dialects: async (options) => (await import('./measures/dialects.ts')).measureDialects(options),
  soak: async (options) => (await import('./measures/soak.ts')).measureSoak(options),
  profile: async (options) => (await import('./measures/profile.ts')).profileStreaming(options),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: true },
    minutes: { type: 'string', default: '60' },
    only: { type: 'string' },
  },
  allowNegative: true,
});

const names = positionals.length === 0 || positionals[0] === 'all' ? Object.keys(measures).filter((name) => name !== 'profile' && name !== 'soak') : positionals;
for (const name of names) {
  if (measures[name] === undefined) throw new Error(`There is no measure ${name}; there are ${Object.keys(measures).join(', ')} and all.`);
}

pinDriver();
const machine = {
  date: new Date().toISOString(),
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores,
  memoryGigabytes: Math.round(totalmem() / 1e9),
  node: process.version,
  pinned: canPin,
  limits: limitsInForce,
};
console.log(JSON.stringify(machine));

const options: MeasureOptions = { rounds: Number(values.rounds), quick: values.quick, peers: values.peers, minutes: Number(values.minutes), only: values.only ?? null };
const done: Measured[] = [];
for (const name of names) {
  const measured = await measures[name]!(options);
  done.push(measured);
  console.log(`\n${measured.name}\n\n${table(measured.rows)}\n`);
  console.log(JSON.stringify({ measure: name, rows: measured.rows }));
}

const folder = join(benchFolder, 'results');
mkdirSync(folder, { recursive: true });
const file = join(folder, `${machine.date.replaceAll(':', '-')}.json`);
writeFileSync(file, JSON.stringify({ machine, options, measures: done }, null, 2));
console.log(`\nWritten to ${file}`);
process.exit(0);
