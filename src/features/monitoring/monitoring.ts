import type { Clock } from '../../base/clock.ts';
import type { Bus } from '../../base/events/index.ts';
import type { Log, Metrics } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Conversations } from '../../core/conversations/index.ts';
import { Alerts } from './alerts.ts';
import { analyse } from './analytics.ts';
import { createConditions, type ConditionParts } from './conditions.ts';
import { performanceOf, ProcessReadings } from './performance.ts';
import { Subscriptions } from './subscriptions.ts';
import type { Analytics, Monitoring, TimeFrame } from './types.ts';

export interface MonitoringParts extends ConditionParts {
  storage: Pick<Storage, 'read' | 'now'>;
  conversations: Pick<Conversations, 'activity'>;
  metrics: Pick<Metrics, 'recordings'>;
  bus: Bus;
  clock: Clock;
  log: Log;
  instanceId: string;
}

/** Milliseconds between two looks at what alerts are about. */
const lookEveryMs = 15_000;
/** How long analytics count as recent, milliseconds. */
const recentMs = 1000;

export function createMonitoring(parts: MonitoringParts): Monitoring {
  const { clock, log } = parts;
  const recordingSince = clock.now();
  const readings = new ProcessReadings(clock);
  const alerts = new Alerts({ ...parts, conditions: createConditions(parts) });
  const subscriptions = new Subscriptions<object>(log);
  let timer: NodeJS.Timeout | undefined;
  return {
    name: 'monitoring',
    async start() {
      readings.start();
      alerts.start();
      timer ??= setInterval(() => void alerts.look(), lookEveryMs).unref();
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      subscriptions.endAll();
      readings.stop();
      await alerts.stop();
    },
    analytics: (viewer, frame, whose = 'own') => analyse(parts, viewer, frame, whose),
    recentAnalytics: shared(clock, (viewer, frame) => analyse(parts, viewer, frame, 'own')),
    performance: (components, frame) => ({ ...performanceOf(parts.metrics.recordings, readings, clock, components, frame), recordingSince }),
    alerts: () => ({ last: alerts.last, met: alerts.met }),
    onAlert: (listener) => alerts.listen(listener),
    look: () => alerts.look(),
    subscriptions,
  };
}

type Analyse = (viewer: Viewer, frame: TimeFrame) => Promise<Analytics>;

/** However many sockets of a user are told, the rows are counted once a second. */
function shared(clock: Pick<Clock, 'monotonic'>, analyse: Analyse): Analyse {
  const known = new Map<string, { at: number; figures: Promise<Analytics> }>();
  return (viewer, frame) => {
    const now = clock.monotonic();
    for (const [key, { at }] of known) if (now - at >= recentMs) known.delete(key);
    const key = `${viewer.userId} ${frame.text}`;
    const found = known.get(key);
    if (found) return found.figures;
    const figures = analyse(viewer, frame);
    known.set(key, { at: now, figures });
    return figures;
  };
}
