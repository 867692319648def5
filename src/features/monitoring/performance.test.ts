import { expect, test } from 'vitest';
import { createTestMonitoring } from './testing.ts';
import { performanceComponents, type TimeFrame } from './types.ts';

const hour: TimeFrame = { text: '1h', ms: 3_600_000 };
const none = { mean: null, p50: null, p95: null, p99: null };

test('percentiles are of what was recorded in the window, and a delay that comes shows in them', () => {
  const { monitoring, clock, metrics } = createTestMonitoring();
  expect(monitoring.performance(['ai'], hour)).toMatchObject({ samples: 0, components: { ai: { requests: 0, errors: 0, latencyMs: none, firstTokenMs: none, isWhole: true } }, recordingSince: clock.at });
  for (let call = 0; call < 94; call += 1) metrics.recordings.ai.add(clock.at, 10 + call / 100);
  expect(monitoring.performance(['ai'], hour).components.ai!.latencyMs.p95).toBeLessThan(11);
  for (let call = 0; call < 6; call += 1) metrics.recordings.ai.add(clock.at, 900, true);
  expect(monitoring.performance(['ai'], hour).components.ai).toMatchObject({ requests: 100, errors: 6, latencyMs: { p50: 10.49, p95: 900, p99: 900 } });
  // An hour later it is no part of the window any more; of two hours it is.
  clock.at += hour.ms;
  metrics.recordings.ai.add(clock.at, 5);
  expect(monitoring.performance(['ai'], hour).components.ai).toMatchObject({ requests: 1, errors: 0, latencyMs: { mean: 5, p50: 5, p95: 5, p99: 5 } });
  expect(monitoring.performance(['ai'], { text: '2h', ms: 2 * hour.ms }).components.ai).toMatchObject({ requests: 101, errors: 6 });
});

test('each component has its own, and only those asked for are given', () => {
  const { monitoring, clock, metrics } = createTestMonitoring();
  metrics.recordings.ai.add(clock.at, 1);
  metrics.recordings.firstToken.add(clock.at, 0.5);
  metrics.recordings.chat.add(clock.at, 2);
  metrics.recordings.chat.add(clock.at, 4);
  metrics.recordings.http.add(clock.at, 3, true);
  const all = monitoring.performance(performanceComponents, hour);
  expect(all).toMatchObject({
    samples: 4,
    components: { ai: { requests: 1, latencyMs: { mean: 1 }, firstTokenMs: { mean: 0.5 } }, chat: { requests: 2, latencyMs: { mean: 3, p50: 2, p99: 4 } }, http: { requests: 1, errors: 1 }, p2p: { requests: 0, latencyMs: none }, blockchain: { requests: 0, latencyMs: none } },
  });
  const one = monitoring.performance(['chat'], hour);
  expect([Object.keys(one.components), one.samples]).toEqual([['chat'], 2]);
});

test('what the process takes is read over time, and is none before the first reading', () => {
  const { monitoring, clock } = createTestMonitoring();
  expect(monitoring.performance([], hour).process).toEqual({ samples: 0, processorPercent: { mean: null, max: null }, memoryBytes: { mean: null, max: null } });
  clock.at += 10_000;
  const before = process.memoryUsage.rss();
  const { samples, processorPercent, memoryBytes } = monitoring.performance([], hour).process;
  expect(samples).toBe(1);
  expect(memoryBytes.max! / before).toBeGreaterThan(0.5);
  expect(memoryBytes.max! / before).toBeLessThan(2);
  expect(processorPercent.mean).toBeGreaterThanOrEqual(0);
});
