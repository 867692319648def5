import { parseArgs } from 'node:util';
import { runSoak, type SoakReport } from './soak.ts';
import { verdictsOf } from './verdict.ts';

/*
 * node test/soak/run.ts --minutes 5
 *
 * Mixed load for so many minutes behind a warm-up, one line for each look, and at the end one line of JSON and what is
 * to be thought of it. Ends with 1 when anything went wrong or grew.
 */

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    every: { type: 'string' },
  },
});

const seconds = Number(values.minutes) * 60;
const seed = Number(values.seed);
process.stderr.write(`seed ${seed}\n`);
const report: SoakReport = await runSoak({
  seed,
  warmUpSeconds: Math.min(120, seconds / 5),
  seconds,
  everySeconds: Number(values.every ?? Math.max(5, Math.min(60, seconds / 30))),
  progress({ at, heap, files, resident }, ledger) {
    const memory = resident === null ? '' : `, resident ${(resident / 1e6).toFixed(0)} MB`;
    process.stderr.write(`${at} s: heap ${(heap / 1e6).toFixed(1)} MB${memory}, ${files ?? '?'} files, ${ledger.activity.answers} answers, ${ledger.faults.length} faults\n`);
  },
});
const verdicts = verdictsOf(report);
process.stdout.write(`${JSON.stringify({ ...report, faults: report.faults.slice(0, 20), verdicts })}\n`);
for (const { what, holds, figures } of verdicts) process.stderr.write(`${holds ? 'yes' : 'NO '}  ${what}: ${figures}\n`);
process.exitCode = verdicts.every(({ holds }) => holds) ? 0 : 1;
