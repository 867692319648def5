import type { Clock } from '../clock.ts';

/** Milliseconds between two readings of the processor time. */
const readEveryMs = 2000;

/** What this process takes of the machine, all its threads included; processes it started are not. */
export interface ProcessUsage {
  /** Bytes in memory (resident set). */
  memoryBytes(): number;
  /** Percent of one processor over the last two to four seconds (less after the start): 100 keeps one busy, more keep several. */
  processorPercent(): number;
  stop(): void;
}

interface Reading {
  at: number;
  /** Microseconds of processor time since the process started. */
  used: number;
}

/** Begins to read; `stop` ends that. */
export function createProcessUsage({ monotonic }: Pick<Clock, 'monotonic'>): ProcessUsage {
  const read = (): Reading => {
    const { user, system } = process.cpuUsage();
    return { at: monotonic(), used: user + system };
  };
  let [before, last] = [read(), read()];
  const timer = setInterval(() => {
    [before, last] = [last, read()];
  }, readEveryMs).unref();
  return {
    memoryBytes: () => process.memoryUsage.rss(),
    processorPercent() {
      const now = read();
      const passedMs = now.at - before.at;
      return passedMs <= 0 ? 0 : (100 * (now.used - before.used)) / (passedMs * 1000);
    },
    stop: () => clearInterval(timer),
  };
}
