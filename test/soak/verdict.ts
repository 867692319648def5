import { memoryOf, type Line } from './samples.ts';
import type { SoakReport } from './soak.ts';

/** One thing that must hold, and the figures behind it. */
export interface Verdict {
  what: string;
  holds: boolean;
  figures: string;
}

/** Share of the heap by which it may rise over the whole run, by the line through it, and still count as flat. */
const flatShare = 0.1;
/** Bytes by which it may rise in any case: a short run sees caches that are not full yet. */
const flatBytes = 10e6;
/** Handles that may come and go: connections that are kept for a while. */
const someHandles = 12;

/** What is to be thought of a run: nothing went wrong, and neither heap nor handles grew. */
export function verdictsOf({ faults, quiet, turnsLeft, samples, lines }: SoakReport): Verdict[] {
  const { before, after } = quiet;
  const hours = samples.length < 2 ? 0 : (samples.at(-1)!.at - samples[0]!.at) / 3600;
  const heapRise = lines.memoryMegabytes === null ? 0 : lines.memoryMegabytes.slope * hours * 1e6;
  const heapMiddle = (lines.memoryMegabytes?.middle ?? 0) * 1e6;
  const count = (resources: Record<string, number>): number => Object.values(resources).reduce((sum, value) => sum + value, 0);
  return [
    { what: 'nothing went wrong', holds: faults.length === 0, figures: `${faults.length} faults` },
    { what: 'no answer is left under way', holds: turnsLeft === 0, figures: `${turnsLeft} turns` },
    { what: 'heap and buffers are flat under load', holds: heapRise <= Math.max(flatBytes, heapMiddle * flatShare), figures: `${showLine(lines.memoryMegabytes, 'MB')}, over the run ${(heapRise / 1e6).toFixed(1)} MB` },
    { what: 'heap and buffers are as small at the end as behind the warm-up', holds: memoryOf(after) - memoryOf(before) <= Math.max(flatBytes, memoryOf(before) * flatShare), figures: `${(memoryOf(before) / 1e6).toFixed(1)} MB, then ${(memoryOf(after) / 1e6).toFixed(1)} MB` },
    { what: 'open files are as few', holds: (after.files ?? 0) <= (before.files ?? 0) + someHandles, figures: `${before.files ?? '?'}, then ${after.files ?? '?'}; under load ${showLine(lines.files, 'files')}` },
    { what: 'handles are as few', holds: count(after.resources) <= count(before.resources) + someHandles, figures: `${JSON.stringify(before.resources)}, then ${JSON.stringify(after.resources)}` },
  ];
}

function showLine(line: Line | null, unit: string): string {
  return line === null ? 'too few looks for a line' : `${line.middle.toFixed(1)} ${unit}, rising by ${line.slope.toFixed(2)} ${unit} an hour (fit ${line.fit.toFixed(2)})`;
}
