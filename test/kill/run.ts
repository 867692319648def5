import { parseArgs } from 'node:util';
import { runKills } from './kill.ts';

/*
 * node test/kill/run.ts --rounds 1000 --seed 7
 *
 * Kills the server many times under load and prints one line of JSON. Ends with 1 when anything was lost, doubled or
 * left half done. The same seed makes the same choices, though not at the same microseconds.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    clients: { type: 'string', default: '8' },
    people: { type: 'string', default: '3' },
    longest: { type: 'string', default: '700' },
    quiet: { type: 'boolean', default: false },
  },
});

const seed = Number(values.seed);
process.stderr.write(`seed ${seed}\n`);
const report = await runKills({
  seed,
  rounds: Number(values.rounds),
  clients: Number(values.clients),
  people: Number(values.people),
  longestRoundMs: Number(values.longest),
  progress(round, ledger) {
    if (values.quiet || round % 25 !== 0) return;
    process.stderr.write(`round ${round}: ${ledger.activity.messages} messages, ${ledger.activity.answers} answers, ${ledger.faults.length} faults\n`);
  },
});
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exitCode = Object.values(report.faults).some((count) => count > 0) ? 1 : 0;
