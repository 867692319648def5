import type { Clock } from '../../base/clock.ts';
import { isGap, type Bus, type BusMessage } from '../../base/events/index.ts';
import { newId } from '../../base/ids.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Condition } from './conditions.ts';
import type { Alert } from './types.ts';

/** Alerts that are kept for those who come later. */
const mostKept = 100;
/** Where instances tell each other what only one of them sees. */
const topic = 'alerts';

interface AlertParts {
  conditions(): Promise<Condition[]>;
  bus: Bus;
  clock: Clock;
  log: Log;
  instanceId: string;
}

/** How one condition stood at the last look. */
interface Standing {
  isMet: boolean;
  /** Looks in a row that have found the contrary. */
  against: number;
}

/**
 * Tells when a condition is newly met, and when it is over: once for each change, however often it is looked at. What every
 * instance sees by itself each tells its own listeners; what only one sees reaches those of the others over the bus.
 */
export class Alerts {
  private readonly parts: AlertParts;
  private readonly standings = new Map<string, Standing>();
  private readonly listeners = new Set<(alert: Alert) => void>();
  private readonly kept: Alert[] = [];
  private unsubscribe: (() => void) | null = null;
  private looking: Promise<void> | null = null;

  constructor(parts: AlertParts) {
    this.parts = parts;
  }

  start(): void {
    this.unsubscribe ??= this.parts.bus.subscribe(topic, (message) => this.receive(message));
  }

  async stop(): Promise<void> {
    this.unsubscribe?.();
    this.unsubscribe = null;
    this.listeners.clear();
    await this.looking;
  }

  /** Newest first. */
  get last(): readonly Alert[] {
    return this.kept;
  }

  /** Names of the conditions that are met now. */
  get met(): readonly string[] {
    return [...this.standings].flatMap(([name, { isMet }]) => (isMet ? [name] : []));
  }

  listen(listener: (alert: Alert) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** One look at a time: whoever asks meanwhile waits for the same. */
  look(): Promise<void> {
    this.looking ??= this.compare()
      .catch((error: unknown) => this.parts.log.error({ err: error }, 'what alerts are about could not be looked at'))
      .finally(() => (this.looking = null));
    return this.looking;
  }

  private async compare(): Promise<void> {
    for (const condition of await this.parts.conditions()) {
      const standing = this.standings.get(condition.name) ?? { isMet: false, against: 0 };
      this.standings.set(condition.name, standing);
      standing.against = condition.isMet === standing.isMet ? 0 : standing.against + 1;
      if (standing.against < condition.looks[condition.isMet ? 'met' : 'over'] || standing.against === 0) continue;
      standing.isMet = condition.isMet;
      standing.against = 0;
      this.raise(condition);
    }
  }

  private raise({ name, component, severity, isMet, met, over, isShared }: Condition): void {
    const { bus, clock, instanceId } = this.parts;
    const alert: Alert = {
      id: newId(), time: clock.now(), severity: isMet ? severity : 'info', component, condition: name, state: isMet ? 'met' : 'over', message: isMet ? met : over,
      instance: isShared ? null : instanceId,
    };
    if (isShared) this.tell(alert);
    else bus.publish(topic, { type: 'alert', alert });
  }

  private receive(message: BusMessage): void {
    // What was missed meanwhile is in the lists of the other instances.
    if (isGap(message) || message.type !== 'alert') return;
    this.tell(message['alert'] as Alert);
  }

  private tell(alert: Alert): void {
    // The bus may repeat.
    if (this.kept.some(({ id }) => id === alert.id)) return;
    this.kept.unshift(alert);
    this.kept.splice(mostKept);
    this.parts.log.warn({ condition: alert.condition, state: alert.state, instance: alert.instance }, alert.message);
    for (const listener of this.listeners) listener(alert);
  }
}
