import type { Clock } from '../../base/clock.ts';
import { mean, percentile, Samples, type Recordings, type SampleWindow } from '../../base/observability/index.ts';
import type { ComponentPerformance, DetailedPerformance, Distribution, PerformanceComponent, TimeFrame } from './types.ts';

/** Milliseconds between two readings of the process: 8192 of them reach back a good day. */
const readEveryMs = 10_000;
/** A reading is at least this much behind the one before it: over less, the share of the processor says nothing. */
const leastMs = 1000;

/** Readings of what this process takes of the machine. */
export class ProcessReadings {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly processor = new Samples();
  private readonly memory = new Samples();
  private timer: NodeJS.Timeout | undefined;
  private last: { at: number; used: number };

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
    this.last = { at: clock.monotonic(), used: usedMicroseconds() };
  }

  start(): void {
    this.timer ??= setInterval(() => this.read(), readEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** What was read behind this time, the present included. */
  within(since: number): DetailedPerformance['process'] {
    this.read();
    const [processor, memory] = [this.processor.within(since).values, this.memory.within(since).values];
    return { samples: memory.length, processorPercent: { mean: mean(processor), max: percentile(processor, 1) }, memoryBytes: { mean: mean(memory), max: percentile(memory, 1) } };
  }

  private read(): void {
    const at = this.clock.monotonic();
    const passedMs = at - this.last.at;
    if (passedMs < leastMs) return;
    const used = usedMicroseconds();
    this.processor.add(at, (100 * (used - this.last.used)) / (passedMs * 1000));
    this.memory.add(at, process.memoryUsage.rss());
    this.last = { at, used };
  }
}

/** Processor time of all threads since the process began. */
function usedMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Reads what was recorded behind a time. */
export function performanceOf(recordings: Recordings, readings: ProcessReadings, clock: Pick<Clock, 'monotonic'>, components: readonly PerformanceComponent[], frame: TimeFrame): Omit<DetailedPerformance, 'recordingSince'> {
  const since = clock.monotonic() - frame.ms;
  const found = Object.fromEntries(components.map((name): [PerformanceComponent, ComponentPerformance] => [name, componentOf(recordings, name, since)]));
  return { components: found, samples: Object.values(found).reduce((sum, { requests }) => sum + requests, 0), process: readings.within(since) };
}

/** Of peers and chains nothing is recorded: they are not built. */
const nothing: SampleWindow = { values: new Float64Array(), failed: 0, isWhole: true };

function componentOf(recordings: Recordings, name: PerformanceComponent, since: number): ComponentPerformance {
  const window = name === 'p2p' || name === 'blockchain' ? nothing : recordings[name].within(since);
  return {
    requests: window.values.length,
    errors: window.failed,
    latencyMs: distributionOf(window),
    ...(name === 'ai' ? { firstTokenMs: distributionOf(recordings.firstToken.within(since)) } : {}),
    isWhole: window.isWhole,
  };
}

function distributionOf({ values }: SampleWindow): Distribution {
  return { mean: mean(values), p50: percentile(values, 0.5), p95: percentile(values, 0.95), p99: percentile(values, 0.99) };
}
