import { expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { createProcessUsage } from './process-usage.ts';

test('sees memory that is taken, and the processor at work', () => {
  const usage = createProcessUsage(systemClock);
  try {
    const before = usage.memoryBytes();
    const kept = Buffer.alloc(300_000_000, 1);
    expect(usage.memoryBytes() - before).toBeGreaterThan(200_000_000);
    const until = performance.now() + 300;
    while (performance.now() < until) kept[1] = (kept[1]! + 1) % 256;
    const percent = usage.processorPercent();
    expect(percent).toBeGreaterThan(10);
    expect(percent).toBeLessThan(6400);
  } finally {
    usage.stop();
  }
});

test('has no figure but zero for no time at all', () => {
  const usage = createProcessUsage({ monotonic: () => 5 });
  expect(usage.processorPercent()).toBe(0);
  usage.stop();
});
