import { ParleyError } from '../../base/errors.ts';
import { components, isComponent, logLevels, type Component, type LogLevel } from '../../base/observability/index.ts';
import type { DebugState, DebugWish, OperationsNeeds } from './types.ts';

export const usualSeconds = 900;
export const mostSeconds = 86_400;

/** How it is kept in the database. */
export interface KeptDebug {
  level: Exclude<DebugWish['level'], 'off'>;
  components: Component[];
  logPerformance: boolean;
  traceRequests: boolean;
  /** By the database's clock, milliseconds. */
  until: number;
}

/** The logs and the tracer, by what is kept. */
export interface Debugging {
  state(): DebugState;
  /** What to keep for this wish; null to keep nothing. @throws {ParleyError} `invalid_request` */
  wanted(wish: DebugWish): Promise<KeptDebug | null>;
  /** Sets logs and tracer by what is kept, and when they fall back. */
  use(kept: unknown): Promise<void>;
  /** The level of what has none of its own. */
  setBase(level: LogLevel): void;
  stop(): void;
}

export function createDebugging({ storage, logs, tracer, log }: Pick<OperationsNeeds, 'storage' | 'logs' | 'tracer' | 'log'>): Debugging {
  let current: KeptDebug | null = null;
  let base = logs.base;
  let ending: NodeJS.Timeout | undefined;

  const set = (): void => {
    const level = current && levelOf(current.level);
    logs.setLevels(base, new Map(level === null ? [] : current!.components.map((component) => [component, level])));
    tracer.watch({ traces: new Set(current?.traceRequests ? current.components : []), performance: new Set(current?.logPerformance ? current.components : []) });
  };
  return {
    state: () => ({
      level: current?.level ?? 'off',
      components: current?.components ?? [],
      logPerformance: current?.logPerformance ?? false,
      traceRequests: current?.traceRequests ?? false,
      until: current?.until ?? null,
      levels: Object.fromEntries(components.map((component) => [component, logs.level(component)])) as Record<Component, LogLevel>,
    }),
    async wanted(wish) {
      if (wish.level === 'off') return null;
      const seconds = wish.durationSeconds ?? usualSeconds;
      if (seconds < 1 || seconds > mostSeconds) throw new ParleyError('invalid_request', { message: `The duration must be from 1 to ${mostSeconds} seconds.` });
      const chosen = wish.components ?? components;
      return {
        level: wish.level, components: components.filter((component) => chosen.includes(component)), logPerformance: wish.logPerformance ?? false,
        traceRequests: wish.traceRequests ?? false, until: (await storage.now()) + seconds * 1000,
      };
    },
    async use(kept) {
      clearTimeout(ending);
      const leftMs = isKept(kept) ? kept.until - (await storage.now()) : 0;
      const was = current;
      current = isKept(kept) && leftMs > 0 ? kept : null;
      set();
      if (current) {
        ending = setTimeout(() => {
          current = null;
          set();
          log.info('debugging has ended by itself');
        }, leftMs).unref();
      }
      if (JSON.stringify(was) !== JSON.stringify(current)) log.info({ level: current?.level ?? 'off', components: current?.components ?? [] }, 'what is logged was changed');
    },
    setBase(level) {
      base = level;
      set();
    },
    stop() {
      clearTimeout(ending);
      current = null;
      set();
    },
  };
}

function levelOf(level: KeptDebug['level']): LogLevel {
  return level === 'verbose' ? 'trace' : level;
}

function isKept(value: unknown): value is KeptDebug {
  if (typeof value !== 'object' || value === null) return false;
  const { level, components: names, until } = value as Partial<KeptDebug>;
  return (level === 'verbose' || logLevels.includes(level as LogLevel)) && Array.isArray(names) && names.every(isComponent) && typeof until === 'number';
}
