import type { Clock } from '../../base/clock.ts';
import { createLocalBus } from '../../base/events/index.ts';
import { newId } from '../../base/ids.ts';
import { createMetrics, silentLog } from '../../base/observability/index.ts';
import type { CoreMeasures } from '../../core/agent/index.ts';
import { createMonitoring, type MonitoringParts } from './monitoring.ts';
import type { Monitoring } from './types.ts';

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  at = Date.UTC(2024, 5, 1, 12);

  now(): number {
    return this.at;
  }

  monotonic(): number {
    return this.at;
  }
}

/** What the server stands on, as the test says. */
export interface Surroundings {
  measures: CoreMeasures;
  hasModel: boolean;
  breaker: 'CLOSED' | 'OPEN' | 'HALF_OPEN';
  ollama: { isReachable: boolean; hasAnswered: boolean };
}

export interface TestMonitoring {
  monitoring: Monitoring;
  clock: TestClock;
  metrics: ReturnType<typeof createMetrics>;
  around: Surroundings;
}

/** Monitoring of a server that is well; started by the test where that matters. */
export function createTestMonitoring(parts: Partial<MonitoringParts> = {}): TestMonitoring {
  const clock = new TestClock();
  const metrics = createMetrics();
  const around: Surroundings = {
    measures: { storageWorks: true, delayMs: 20, freeDiskBytes: 9e9, freeMemoryBytes: 4e9 }, hasModel: true, breaker: 'CLOSED', ollama: { isReachable: true, hasAnswered: true },
  };
  const nothing: never[] = [];
  const monitoring = createMonitoring({
    storage: { now: async () => clock.at, get read(): never { throw new Error('this test has no database'); } },
    conversations: { activity: async () => ({ messages: 0, started: 0, conversations: 0, averageLength: null, answersByProfile: {} }) },
    metrics, clock, log: silentLog(), instanceId: newId(), bus: createLocalBus((error) => { throw error; }),
    agent: { measure: async () => around.measures, features: () => (around.hasModel ? ['chat'] : nothing) },
    models: {
      breaker: () => ({ state: around.breaker, failures: 5, threshold: 5, openMs: 60_000, lastFailureAt: null }),
      instances: () => [{ provider: 'ollama', host: 'box:11434', ...around.ollama } as ReturnType<MonitoringParts['models']['instances']>[number]],
    },
    providers: ['openai'],
    ...parts,
  });
  return { monitoring, clock, metrics, around };
}
