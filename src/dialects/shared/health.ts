import { isoTime, type Clock } from '../../base/clock.ts';
import type { Redis } from '../../base/redis/index.ts';
import type { Storage } from '../../base/storage/index.ts';

/** Milliseconds for which one look at the database is believed: /health stays cheap however often it is asked. */
const believedMs = 2000;

/** Milliseconds after which a database that does not answer counts as out. */
const patienceMs = 1000;

export interface Health {
  status: 'healthy' | 'degraded';
  timestamp: string;
  version: string;
  /** Seconds since the start, by a clock that never jumps. */
  uptime_seconds: number;
  database: 'up' | 'down';
  /** `off` where one instance runs without Redis. While it is down everything works but for what docs/several-instances.md names. */
  redis: 'up' | 'down' | 'off';
}

interface HealthParts {
  storage: Pick<Storage, 'check'>;
  redis?: Pick<Redis, 'check'> | null;
  clock: Clock;
  version: string;
}

/** Reports whether the server, its database and its Redis work. Many callers at once cause one look at the database; Redis is watched anyway. */
export function createHealth(parts: HealthParts): () => Promise<Health> {
  const startedAt = parts.clock.monotonic();
  let looked: { at: number; works: Promise<boolean> } | undefined;
  return async () => {
    const now = parts.clock.monotonic();
    if (!looked || now - looked.at >= believedMs) looked = { at: now, works: databaseWorks(parts.storage) };
    const database = (await looked.works) ? 'up' : 'down';
    const redis = !parts.redis ? 'off' : parts.redis.check().ok ? 'up' : 'down';
    return {
      status: database === 'down' || redis === 'down' ? 'degraded' : 'healthy',
      timestamp: isoTime(parts.clock.now()),
      version: parts.version,
      uptime_seconds: Math.round((now - startedAt) / 10) / 100,
      database,
      redis,
    };
  };
}

/** Whether the database answers a query now; no answer within a second counts as none. */
export async function databaseWorks(storage: Pick<Storage, 'check'>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ ok: false }>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false }), patienceMs);
  });
  try {
    return (await Promise.race([storage.check(), late])).ok;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
