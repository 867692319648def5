import { describe, expect, test } from 'vitest';
import { mean, percentile, Samples } from './samples.ts';

/** 1 to `count`, in an order that is none. */
const shuffled = (count: number): number[] => Array.from({ length: count }, (_, at) => ((at * 7919) % count) + 1);

describe('Samples', () => {
  test('give what was recorded behind a time, in order, with what failed', () => {
    const samples = new Samples();
    expect(samples.within(-Infinity)).toEqual({ values: new Float64Array(), failed: 0, isWhole: true });
    for (const [at, value] of shuffled(100).entries()) samples.add(at, value, value > 95);
    const all = samples.within(-1);
    expect([...all.values]).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect([all.failed, all.isWhole]).toEqual([5, true]);
    // The time itself is not behind itself.
    expect(samples.within(89).values).toHaveLength(10);
    expect(samples.within(99).values).toHaveLength(0);
  });

  test('keep the last ones, and say of a window whether they are all of it', () => {
    const samples = new Samples(4);
    for (let at = 1; at <= 4; at += 1) samples.add(at, at * 10);
    expect(samples.within(0)).toMatchObject({ isWhole: true });
    for (let at = 5; at <= 6; at += 1) samples.add(at, at * 10);
    expect([...samples.within(0).values]).toEqual([30, 40, 50, 60]);
    expect([samples.within(0).isWhole, samples.within(1).isWhole, samples.within(2).isWhole]).toEqual([false, false, true]);
  });

  test('cost next to nothing to record', () => {
    const samples = new Samples();
    const before = performance.now();
    for (let at = 0; at < 1_000_000; at += 1) samples.add(at, at);
    // A microsecond each would be twenty times what it takes.
    expect(performance.now() - before).toBeLessThan(1000);
  });
});

describe('Percentiles', () => {
  test('are values that were measured, by their rank', () => {
    const hundred = Float64Array.from({ length: 100 }, (_, at) => at + 1);
    expect([0.5, 0.95, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([50, 95, 99, 100]);
    expect(percentile(hundred, 0.07)).toBe(7);
    // One slow call of twenty is above the 95th percentile, two are not.
    const slow = (count: number): Float64Array => Float64Array.from({ length: 20 }, (_, at) => (at < 20 - count ? 10 : 900));
    expect([percentile(slow(1), 0.95), percentile(slow(2), 0.95), percentile(slow(1), 0.99)]).toEqual([10, 900, 900]);
    expect([0.5, 0.99].map((share) => percentile(Float64Array.of(7), share))).toEqual([7, 7]);
  });

  test('of nothing are none, and neither is a mean', () => {
    expect([percentile(new Float64Array(), 0.95), mean(new Float64Array())]).toEqual([null, null]);
    expect(mean(Float64Array.of(1, 2, 6))).toBe(3);
  });
});
