import { parseArgs } from 'node:util';
import { runKills, type KillOptions, type KillReport } from './kill.ts';
import { runKillsOfSeveral } from './several.ts';

/*
 * node test/kill/run.ts --rounds 1000 --seed 7
 *
 * Kills the server many times under load and prints one line of JSON. Ends with 1 when anything was lost, doubled or
 * left half done. With --instances 3 there are three servers on the PostgreSQL and Redis that DATABASE_URL_TEST and
 * REDIS_URL_TEST name, and they hang and wake up again as well. The same seed makes the same choices, though not at the same microseconds.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    clients: { type: 'string', default: '8' },
    people: { type: 'string', default: '3' },
    longest: { type: 'string' },
    instances: { type: 'string', default: '1' },
    quiet: { type: 'boolean', default: false },
  },
});

const seed = Number(values.seed);
process.stderr.write(`seed ${seed}\n`);
const instances = Number(values.instances);
const options: KillOptions = {
  seed,
  rounds: Number(values.rounds),
  clients: Number(values.clients),
  people: Number(values.people),
  longestRoundMs: Number(values.longest ?? (instances > 1 ? 3000 : 700)),
  progress(round, ledger) {
    if (values.quiet || round % 25 !== 0) return;
    process.stderr.write(`round ${round}: ${ledger.activity.messages} messages, ${ledger.activity.answers} answers, ${ledger.faults.length} faults\n`);
  },
};

function runSeveral(): Promise<KillReport> {
  const databaseUrl = process.env['DATABASE_URL_TEST'];
  const redisUrl = process.env['REDIS_URL_TEST'];
  if (!databaseUrl || !redisUrl) throw new Error('Several instances need DATABASE_URL_TEST and REDIS_URL_TEST.');
  return runKillsOfSeveral({ ...options, instances, databaseUrl, redisUrl });
}

const report = await (instances > 1 ? runSeveral() : runKills(options));
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exitCode = Object.values(report.faults).some((count) => count > 0) ? 1 : 0;
