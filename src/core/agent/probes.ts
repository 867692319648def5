import { monitorEventLoopDelay } from 'node:perf_hooks';
import { statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import type { Storage } from '../../base/storage/index.ts';
import type { CoreMeasures, Probe } from './types.ts';

/** What the measures of the core must keep to, to count as well. */
export const coreBounds = {
  /** Longest delay of the event loop, at its 99th percentile over the window. */
  mostDelayMs: 200,
  /** Least free space on the disk. */
  leastDiskBytes: 200e6,
  /** Least free memory of the machine. */
  leastMemoryBytes: 100e6,
} as const;
/** How long delays are gathered, milliseconds. */
const windowMs = 60_000;
/** Milliseconds the database has to answer. */
const storagePatienceMs = 1000;

/** Looks at what the server itself stands on. */
export interface CoreProbes {
  start(): void;
  look(): Promise<Probe[]>;
  measure(): Promise<CoreMeasures>;
  stop(): void;
}

/** @param folder on the disk that must not be full; null when the database is not on a disk of this machine */
export function createCoreProbes(storage: Pick<Storage, 'check'>, folder: string | null): CoreProbes {
  const delays = monitorEventLoopDelay({ resolution: 20 });
  let timer: NodeJS.Timeout | undefined;
  const measure = async (): Promise<CoreMeasures> => {
    const p99 = delays.percentile(99) / 1e6;
    return {
      storageWorks: await storageWorks(storage),
      delayMs: Number.isFinite(p99) ? p99 : 0,
      freeDiskBytes: folder === null ? null : await freeBytes(folder),
      freeMemoryBytes: freemem(),
    };
  };
  return {
    measure,
    start() {
      delays.enable();
      timer ??= setInterval(() => delays.reset(), windowMs).unref();
    },
    async look() {
      const found = await measure();
      return [
        { name: 'storage', works: found.storageWorks ? 1 : 0 },
        { name: 'event_loop', works: found.delayMs < coreBounds.mostDelayMs ? 1 : 0 },
        { name: 'disk', works: found.freeDiskBytes === null || found.freeDiskBytes >= coreBounds.leastDiskBytes ? 1 : 0 },
        { name: 'memory', works: found.freeMemoryBytes >= coreBounds.leastMemoryBytes ? 1 : 0 },
      ];
    },
    stop() {
      clearInterval(timer);
      delays.disable();
    },
  };
}

/** Whether the database writes and reads now; no answer in time counts as none. */
export async function storageWorks(storage: Pick<Storage, 'check'>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ ok: false }>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false }), storagePatienceMs);
  });
  try {
    return (await Promise.race([storage.check(), late])).ok;
  } catch {
    // Why it does not work stands in the log of who needed it.
    return false;
  } finally {
    clearTimeout(timer);
  }
}

async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    // A folder that cannot be looked at is no place to write.
    return 0;
  }
}
