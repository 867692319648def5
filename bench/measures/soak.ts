import { runSoak } from '../../test/soak/soak.ts';
import { verdictsOf } from '../../test/soak/verdict.ts';
import type { Measured, Row } from '../report.ts';
import type { MeasureOptions } from './options.ts';

/** Mixed load for an hour, or as long as is asked: whether anything goes wrong or grows. Nothing is pinned. */
export async function measureSoak({ minutes, quick }: MeasureOptions): Promise<Measured> {
  const seconds = (quick ? 1 : minutes) * 60;
  const report = await runSoak({
    seed: 1,
    warmUpSeconds: Math.min(300, seconds / 5),
    seconds,
    everySeconds: Math.max(5, Math.min(60, seconds / 60)),
    progress: ({ at, heap, files, resident }, ledger) => console.log(`${at} s: heap ${(heap / 1e6).toFixed(1)} MB, resident ${((resident ?? 0) / 1e6).toFixed(0)} MB, ${files} files, ${ledger.activity.answers} answers, ${ledger.faults.length} faults`),
  });
  const { before, after } = report.quiet;
  const row = (what: string, value: number | null, unit: string, note?: string): Row => ({ what, parley: value, peer: null, peerName: '', unit, aim: '-', met: null, ...(note === undefined ? {} : { note }) });
  return {
    name: `soak: ${Math.round(seconds / 60)} minutes of mixed load behind the warm-up`,
    rows: [
      ...verdictsOf(report).map(({ what, holds, figures }): Row => ({ what, parley: null, peer: null, peerName: '', unit: '', aim: 'holds', met: holds, note: figures })),
      row('answers', report.activity.answers, '', JSON.stringify(report.activity.endings)),
      row('other deeds', Object.values(report.deeds).reduce((sum, count) => sum + count, 0), '', JSON.stringify(report.deeds)),
      row('heap and buffers under load, rise an hour', report.lines.memoryMegabytes?.slope ?? null, 'MB/h'),
      row('resident memory, quiet, warm', before.resident === null ? null : before.resident / 1e6, 'MB'),
      row('resident memory, quiet, at the end', after.resident === null ? null : after.resident / 1e6, 'MB'),
    ],
    details: { ...report, faults: report.faults.slice(0, 100) },
  };
}
