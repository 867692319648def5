import { describe, expect, it } from 'vitest';
import { lineThrough, memoryOf } from './samples.ts';
import { runSoak } from './soak.ts';

/** Handles and files that may come and go: connections to the model service that are kept for a while. */
const someHandles = 12;
/** Bytes of heap and buffers that may lie between two quiet moments: caches that are not full yet. */
const someMemory = 12e6;

describe('A server under mixed load', () => {
  it('makes no mistake, and holds no more at its end than behind its beginning', async ({ annotate }) => {
    const seed = Number(process.env['SOAK_SEED'] ?? Date.now() % 1_000_000);
    const report = await runSoak({ seed, warmUpSeconds: 8, seconds: 20, everySeconds: null });
    await annotate(JSON.stringify({ ...report, faults: report.faults.slice(0, 20) }));
    expect({ seed, faults: report.faults.slice(0, 20) }).toEqual({ seed, faults: [] });
    // No mistake in something, not in nothing.
    expect(Math.min(...Object.values(report.deeds))).toBeGreaterThan(0);
    expect(report.activity.answers).toBeGreaterThan(20);
    expect(report.activity.endings['CANCELLED']).toBeGreaterThan(0);

    const { before, after } = report.quiet;
    expect(report.turnsLeft).toBe(0);
    if (before.files !== null) expect(after.files).toBeLessThanOrEqual(before.files + someHandles);
    for (const [kind, count] of Object.entries(after.resources)) expect(count, `handles of the kind ${kind}`).toBeLessThanOrEqual((before.resources[kind] ?? 0) + someHandles);
    expect(memoryOf(after) - memoryOf(before)).toBeLessThan(someMemory);
  }, 150_000);
});

describe('A line through samples', () => {
  it('has the rise of what rises, and none of what stays', () => {
    const rising = lineThrough([1, 2, 3, 4].map((x) => ({ x, y: 10 + 2 * x })));
    expect(rising).toEqual({ slope: 2, middle: 15, fit: 1 });
    expect(lineThrough([5, 5, 5].map((y, x) => ({ x, y })))).toEqual({ slope: 0, middle: 5, fit: 1 });
    expect(lineThrough([{ x: 0, y: 0 }, { x: 1, y: 3 }, { x: 2, y: 0 }])).toEqual({ slope: 0, middle: 1, fit: 0 });
  });

  it('needs three points at different places', () => {
    expect(lineThrough([{ x: 0, y: 0 }, { x: 1, y: 1 }])).toBeNull();
    expect(lineThrough([1, 2, 3].map((y) => ({ x: 1, y })))).toBeNull();
  });
});
