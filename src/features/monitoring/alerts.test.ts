import { describe, expect, test, vi } from 'vitest';
import { createBusNetwork } from '../../base/events/testing.ts';
import { newId } from '../../base/ids.ts';
import { createTestMonitoring, type TestMonitoring } from './testing.ts';
import type { Alert } from './types.ts';

async function watched(parts: Parameters<typeof createTestMonitoring>[0] = {}): Promise<TestMonitoring & { heard: Alert[]; look(times?: number): Promise<string[]> }> {
  const made = createTestMonitoring(parts);
  const heard: Alert[] = [];
  await made.monitoring.start?.();
  made.monitoring.onAlert((alert) => heard.push(alert));
  return {
    ...made, heard,
    /** What is told by this many looks. */
    async look(times = 1) {
      const before = heard.length;
      for (let count = 0; count < times; count += 1) await made.monitoring.look();
      return heard.slice(before).map(({ condition, state }) => `${condition} ${state}`);
    },
  };
}

describe('Alerts', () => {
  test('are told once for each change, however often one looks', async () => {
    const { monitoring, around, clock, heard, look } = await watched();
    expect(await look(5)).toEqual([]);
    around.breaker = 'OPEN';
    expect(await look(5)).toEqual(['breaker openai met']);
    expect(heard[0]).toEqual({
      id: expect.any(String), time: clock.at, severity: 'warning', component: 'ai_systems', condition: 'breaker openai', state: 'met', instance: expect.any(String),
      message: 'Models: openai has failed 5 times in a row and is left alone for 60 s.',
    });
    expect(monitoring.alerts().met).toEqual(['breaker openai']);
    // A trial decides; until then nothing has changed.
    around.breaker = 'HALF_OPEN';
    expect(await look(5)).toEqual([]);
    around.breaker = 'CLOSED';
    expect(await look(5)).toEqual(['breaker openai over']);
    expect([heard[1]!.severity, monitoring.alerts().met]).toEqual(['info', []]);
    await monitoring.stop?.();
  });

  test('name the figure that met the condition', async () => {
    const { monitoring, around, heard, look } = await watched();
    around.measures = { ...around.measures, freeDiskBytes: 150e6, freeMemoryBytes: 50e6, delayMs: 431.4 };
    expect(await look()).toEqual(['event_loop met', 'disk met', 'memory met']);
    expect(heard.map(({ message, severity }) => [message, severity])).toEqual([
      ['Server: requests wait 431 ms for the event loop; 200 ms are the bound.', 'warning'],
      ['Disk: 150 MB are free for the data folder; 200 MB are the bound.', 'critical'],
      ['Memory: 50 MB are free on the machine; 100 MB are the bound.', 'warning'],
    ]);
    await monitoring.stop?.();
  });

  test('of what goes up and down around its bound come once, and are over after three looks', async () => {
    const { monitoring, around, look } = await watched();
    const free = async (bytes: number, times = 1): Promise<string[]> => {
      around.measures = { ...around.measures, freeDiskBytes: bytes };
      return look(times);
    };
    expect(await free(199e6)).toEqual(['disk met']);
    for (let count = 0; count < 5; count += 1) expect([await free(201e6, 2), await free(199e6)]).toEqual([[], []]);
    expect(await free(201e6, 3)).toEqual(['disk over']);
    await monitoring.stop?.();
  });

  test('of the database come when it did not answer twice', async () => {
    const { monitoring, around, look } = await watched();
    const works = (storageWorks: boolean): void => void (around.measures = { ...around.measures, storageWorks });
    works(false);
    expect(await look()).toEqual([]);
    works(true);
    expect(await look()).toEqual([]);
    works(false);
    expect(await look(2)).toEqual(['storage met']);
    works(true);
    expect(await look()).toEqual(['storage over']);
    await monitoring.stop?.();
  });

  test('are about what has worked before', async () => {
    const { monitoring, around, look } = await watched();
    around.hasModel = false;
    around.ollama = { isReachable: false, hasAnswered: false };
    expect(await look(3)).toEqual([]);
    around.hasModel = true;
    around.ollama = { isReachable: true, hasAnswered: true };
    expect(await look(3)).toEqual([]);
    around.hasModel = false;
    around.ollama = { isReachable: false, hasAnswered: true };
    expect((await look(3)).sort()).toEqual(['instance ollama box:11434 met', 'model met']);
    around.hasModel = true;
    around.ollama.isReachable = true;
    expect((await look(3)).sort()).toEqual(['instance ollama box:11434 over', 'model over']);
    await monitoring.stop?.();
  });

  test('are kept for those who come later: the last hundred, newest first', async () => {
    const { monitoring, around, heard, look } = await watched();
    for (let count = 0; count < 60; count += 1) {
      around.breaker = 'OPEN';
      await look();
      around.breaker = 'CLOSED';
      await look();
    }
    const { last } = monitoring.alerts();
    expect([heard.length, last.length]).toEqual([120, 100]);
    expect(last).toEqual(heard.slice(20).reverse());
    await monitoring.stop?.();
  });

  test('reach each listener once, on several instances too', async () => {
    const network = createBusNetwork();
    network.trouble.copies = 3;
    const [one, two] = [await watched({ bus: network.join(), instanceId: newId() }), await watched({ bus: network.join(), instanceId: newId() })];
    const lookBoth = async (): Promise<void> => {
      await one.look();
      await two.look();
    };
    // Only one of them sees its disk; both see that Ollama is gone.
    one.around.measures = { ...one.around.measures, freeDiskBytes: 1 };
    for (const { around } of [one, two]) around.ollama.isReachable = false;
    for (let count = 0; count < 3; count += 1) await lookBoth();
    network.gap();
    await expect.poll(() => two.heard.length, { interval: 5 }).toBe(2);
    for (const { heard } of [one, two]) expect(heard.map(({ condition }) => condition).sort()).toEqual(['disk', 'instance ollama box:11434']);
    const disk = [one, two].map(({ heard }) => heard.find(({ condition }) => condition === 'disk'));
    expect(disk[0]).toEqual(disk[1]);
    expect(two.monitoring.alerts().met).not.toContain('disk');
    // It came over the bus three times, and everything sent before this has come.
    one.around.measures = { ...one.around.measures, freeDiskBytes: 9e9 };
    for (let count = 0; count < 3; count += 1) await lookBoth();
    await expect.poll(() => two.heard.at(-1)?.state, { interval: 5 }).toBe('over');
    expect([one.heard.length, two.heard.length]).toEqual([3, 3]);
    expect(network.published.filter(({ topic }) => topic === 'alerts')).toHaveLength(2);
    await one.monitoring.stop?.();
    await two.monitoring.stop?.();
  });

  test('come by themselves, from one timer that ends with the server', async () => {
    vi.useFakeTimers();
    try {
      const { monitoring, around, heard } = await watched();
      around.breaker = 'OPEN';
      await vi.advanceTimersByTimeAsync(15_000);
      expect(heard).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(150_000);
      expect(heard).toHaveLength(1);
      monitoring.subscriptions.begin({}, 'ann', 1000, async () => undefined);
      await monitoring.stop?.();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
