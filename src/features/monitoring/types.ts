import type { Part } from '../../base/lifecycle.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { ConversationActivity } from '../../core/conversations/index.ts';
import type { Subscriptions } from './subscriptions.ts';

/** A window of time that ends now. */
export interface TimeFrame {
  /** As it was asked for: `90m`, `24h`, `7d`. */
  text: string;
  /** Milliseconds. */
  ms: number;
}

/** Whose figures: the viewer's own, or everybody's, which administrators may see. */
export type Whose = 'own' | 'all';

/** Where the mean time of calls goes: the second half of the window against the first. */
export type LatencyTrend = 'improving' | 'stable' | 'degrading' | 'unknown';
/** Where the number of calls goes. */
export type ThroughputTrend = 'increasing' | 'stable' | 'decreasing' | 'unknown';

/** Calls of models that ended in a window of time. */
export interface InferenceFigures {
  total: number;
  /** Those that ended well. */
  successful: number;
  /** Those that the model or its service failed, and those that broke off with the server. */
  failed: number;
  /** Those that somebody stopped. */
  cancelled: number;
  /** Mean milliseconds of the successful ones; null when there are none. */
  averageMs: number | null;
  /** By the model that served them, as `provider/model`; they add up to `total`. */
  byModel: Record<string, number>;
  latencyTrend: LatencyTrend;
  throughputTrend: ThroughputTrend;
}

/** What was asked and said in a window of time. */
export interface Analytics {
  inferences: InferenceFigures;
  conversations: ConversationActivity;
}

/** What can be asked for one by one. Those that are not built have no samples. */
export const performanceComponents = ['ai', 'chat', 'http', 'p2p', 'blockchain'] as const;
export type PerformanceComponent = (typeof performanceComponents)[number];

/** Milliseconds; all null when nothing was recorded. */
export interface Distribution {
  mean: number | null;
  /** Values that were measured, by their rank. */
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

/** What one component did in a window of time, in this process. */
export interface ComponentPerformance {
  requests: number;
  errors: number;
  latencyMs: Distribution;
  /** To the first token; only of models. */
  firstTokenMs?: Distribution;
  /** False when so much was recorded that the window reaches back behind the oldest sample kept. */
  isWhole: boolean;
}

export interface DetailedPerformance {
  components: Partial<Record<PerformanceComponent, ComponentPerformance>>;
  /** Of all components. */
  samples: number;
  process: {
    /** Readings in the window. */
    samples: number;
    /** Percent of one processor, between two readings; null without any. */
    processorPercent: { mean: number | null; max: number | null };
    /** Resident bytes. */
    memoryBytes: { mean: number | null; max: number | null };
  };
  /** When this process began to record, milliseconds since the epoch: windows reach back no further. */
  recordingSince: number;
}

export type Severity = 'info' | 'warning' | 'critical';

/** A change of something that is watched: told once, when it changes. */
export interface Alert {
  id: string;
  /** Milliseconds since the epoch. */
  time: number;
  severity: Severity;
  /** The component of the health report that it belongs to. */
  component: 'core_agent' | 'ai_systems';
  /** Which condition: `disk`, `breaker openai`, ... */
  condition: string;
  /** Whether the condition is met from now on, or is over. */
  state: 'met' | 'over';
  /** For a person: the condition, and the figure that met it. */
  message: string;
  /** The instance it is about; null for what all instances share. */
  instance: string | null;
}

/** What the server measures of itself while it works, and what it tells of it. */
export interface Monitoring extends Part {
  /** @throws {ParleyError} `forbidden` for everybody's figures, unless the viewer is an administrator */
  analytics(viewer: Viewer, frame: TimeFrame, whose?: Whose): Promise<Analytics>;
  /** The same from at most a second ago: for those who ask again and again. */
  recentAnalytics(viewer: Viewer, frame: TimeFrame): Promise<Analytics>;
  /** Of this process alone, whoever asked. */
  performance(components: readonly PerformanceComponent[], frame: TimeFrame): DetailedPerformance;
  /** The last alerts that were told here, newest first, and the conditions that are met now on this instance. */
  alerts(): { last: readonly Alert[]; met: readonly string[] };
  /** Calls `listener` for every alert; the returned function ends that. */
  onAlert(listener: (alert: Alert) => void): () => void;
  /** Looks at everything that is watched; by itself it does so every 15 seconds. */
  look(): Promise<void>;
  /** Who is told figures again and again. */
  readonly subscriptions: Subscriptions<object>;
}
