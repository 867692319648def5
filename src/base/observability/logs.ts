import { components, type Component, type LogLevel } from './components.ts';
import type { Log } from './log.ts';

/** One log for each component, with levels that are changed while the server runs. */
export interface Logs {
  /** The log of a component; its lines carry the component's name. The same one at every call. */
  of(component: Component): Log;
  /** The same at `info`, whatever its level: for lines that were asked for by name. */
  always(component: Component): Log;
  /** The level of all components that have none of their own. */
  readonly base: LogLevel;
  /** The level at which a component's log runs now, read from it. */
  level(component: Component): LogLevel;
  /** @param own levels of single components; all others get `base` */
  setLevels(base: LogLevel, own: ReadonlyMap<Component, LogLevel>): void;
  /** Whether any component writes lines of `debug`. */
  readonly hasDebug: boolean;
}

/**
 * Makes the logs of all components of one. A line below a log's level costs one call of an empty function: pino puts that in
 * the place of the method when the level is set.
 */
export function createLogs(root: Log): Logs {
  const logs = new Map(components.map((component) => [component, root.child({ component })]));
  const always = new Map(components.map((component) => [component, root.child({ component }, { level: 'info' })]));
  let base = root.level as LogLevel;
  let hasDebug = root.isLevelEnabled('debug');
  return {
    of: (component) => logs.get(component)!,
    always: (component) => always.get(component)!,
    get base() {
      return base;
    },
    get hasDebug() {
      return hasDebug;
    },
    level: (component) => logs.get(component)!.level as LogLevel,
    setLevels(level, own) {
      base = level;
      root.level = level;
      for (const [component, log] of logs) log.level = own.get(component) ?? level;
      hasDebug = [...logs.values()].some((log) => log.isLevelEnabled('debug'));
    },
  };
}
