import { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import {
  parseTimeFrame, performanceComponents, timeFrameForm,
  type Alert, type Analytics, type ComponentPerformance, type DetailedPerformance, type Distribution, type PerformanceComponent, type TimeFrame,
} from '../../features/monitoring/index.ts';
import { text, viewerFrom, type DialectScope } from '../shared/index.ts';
import type { UltimateParts } from './parts.ts';
import type { AgentSocket } from './seats.ts';
import { everyVersion } from './versions.ts';

/** A window of time, as the document writes it. */
export const timeFrame = (fallback: string) =>
  text({ max: 20 })
    .default(fallback)
    .transform((value, context): TimeFrame => {
      const frame = parseTimeFrame(value);
      if (frame) return frame;
      context.addIssue({ code: 'custom', message: `must be ${timeFrameForm}` });
      return z.NEVER;
    })
    .meta({ type: 'string', default: fallback, description: timeFrameForm });

const analyticsQuery = z.object({ timeframe: timeFrame('24h'), whose: z.enum(['own', 'all']).default('own').describe('Addition: all shows an administrator what everybody did') });

const components = ['all', ...performanceComponents] as const;
const performanceQuery = z.object({ component: z.enum(components).default('all'), timeframe: timeFrame('1h') });

const count = z.int();
const figure = z.number().nullable();

const inferenceAnalytics = z.object({
  total_inferences: count, successful_inferences: count, failed_inferences: count.describe('Addition'), cancelled_inferences: count.describe('Addition'),
  average_latency_ms: figure, model_usage: z.record(z.string(), count),
  performance_trends: z.object({ latency_trend: z.string(), accuracy_trend: z.string(), throughput_trend: z.string() }),
});

const distributedAnalytics = z.object({
  p2p_inferences: count, consensus_reached: count, average_consensus_time_ms: figure, node_participation: z.object({ local_node: figure, remote_nodes: figure }),
});

const analyticsAnswer = z.object({
  timeframe: z.string(),
  inference_analytics: inferenceAnalytics,
  distributed_analytics: distributedAnalytics,
  conversation_analytics: z.object({
    total_messages: count, conversations_started: count, average_conversation_length: figure, user_satisfaction_estimate: figure, most_used_model: z.string().nullable(),
  }),
});

const distribution = z.object({ mean: figure, p50: figure, p95: figure, p99: figure });
const componentAnswer = z.object({
  requests: count, errors: count, latency_ms: distribution, first_token_ms: distribution.optional(),
  complete: z.boolean().describe('False when the window holds more than is kept: then it is of the newest'),
});

const performanceAnswer = z.object({
  component: z.enum(components),
  timeframe: z.string(),
  samples: count,
  recording_since: z.string().describe('Windows reach back no further: figures are of this process'),
  components: z.partialRecord(z.enum(performanceComponents), componentAnswer),
  process: z.object({
    samples: count,
    cpu_percent: z.object({ mean: figure, max: figure }).describe('100 keeps one processor busy'),
    memory_mb: z.object({ mean: figure, max: figure }),
  }),
});

const alertShape = z.object({
  id: z.string(), time: z.string(), severity: z.enum(['info', 'warning', 'critical']), component: z.string(), condition: z.string(), state: z.enum(['met', 'over']),
  message: z.string(), instance: z.string().nullable(),
});

const alertsAnswer = z.object({ alerts: z.array(alertShape), conditions: z.array(z.string()).describe('Those that are met now') });

/** Figures over windows of time, and what has changed. */
export function registerMonitoring(scope: DialectScope, { monitoring }: UltimateParts): void {
  everyVersion('/api/v4/analytics/ai-performance', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'What models did and what was said in a window of time', querystring: analyticsQuery, response: { 200: analyticsAnswer } } }, async (request) => {
      const { timeframe, whose } = request.query;
      return analyticsShape(timeframe, await monitoring.analytics(viewerFrom(request), timeframe, whose));
    });
  });
  everyVersion('/api/v4/performance/detailed', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'Times of single calls and requests in this process, with true percentiles', querystring: performanceQuery, response: { 200: performanceAnswer } } }, async (request) => {
      const { component, timeframe } = request.query;
      return performanceShape(component, timeframe, monitoring.performance(component === 'all' ? performanceComponents : [component], timeframe));
    });
  });
  everyVersion('/api/v4/health/alerts', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'Addition: the last alerts, newest first', response: { 200: alertsAnswer } } }, async () => {
      const { last, met } = monitoring.alerts();
      return { alerts: last.map(alertOf), conditions: [...met] };
    });
  });
}

export const subscribeMetrics = z.preprocess(
  (value) => value ?? {},
  z.object({ interval_seconds: z.number().positive().default(5), include_distributed: z.boolean().default(false), timeframe: timeFrame('24h') }),
);

/**
 * Tells a socket its figures from now on, until it goes or subscribes again.
 * @returns what is kept to
 */
export function subscribe({ monitoring, clock }: UltimateParts, socket: AgentSocket, asked: z.output<typeof subscribeMetrics>): Record<string, unknown> {
  const { timeframe, include_distributed: distributed } = asked;
  const every = monitoring.subscriptions.begin(socket, socket.viewer.userId, asked.interval_seconds * 1000, async (isCurrent) => {
    const shape = analyticsShape(timeframe, await monitoring.recentAnalytics(socket.viewer, timeframe));
    // Figures go stale: who cannot take them now gets the next ones.
    if (!isCurrent() || !socket.isOpen || socket.isSlow) return;
    const { inference_analytics, distributed_analytics } = shape;
    socket.emit('ai_metrics', { time: isoTime(clock.now()), timeframe: timeframe.text, inference_analytics, ...(distributed ? { distributed_analytics } : {}) });
  });
  // It may have gone while its event waited: nobody would end this.
  if (!socket.isOpen) monitoring.subscriptions.end(socket);
  return { subscribed: true, interval_seconds: every / 1000, include_distributed: distributed, timeframe: timeframe.text };
}

export function alertOf(alert: Alert): z.output<typeof alertShape> {
  return { ...alert, time: isoTime(alert.time) };
}

function analyticsShape({ text: timeframe }: TimeFrame, { inferences, conversations }: Analytics): z.output<typeof analyticsAnswer> {
  return {
    timeframe,
    inference_analytics: {
      total_inferences: inferences.total, successful_inferences: inferences.successful, failed_inferences: inferences.failed, cancelled_inferences: inferences.cancelled,
      average_latency_ms: rounded(inferences.averageMs),
      model_usage: inferences.byModel,
      // No set of questions with known answers is put to the models.
      performance_trends: { latency_trend: inferences.latencyTrend, accuracy_trend: 'unknown', throughput_trend: inferences.throughputTrend },
    },
    // Peers are not built: there are none, and they have answered nothing.
    distributed_analytics: { p2p_inferences: 0, consensus_reached: 0, average_consensus_time_ms: null, node_participation: { local_node: null, remote_nodes: null } },
    conversation_analytics: {
      total_messages: conversations.messages,
      conversations_started: conversations.started,
      average_conversation_length: rounded(conversations.averageLength),
      // Nobody can rate an answer.
      user_satisfaction_estimate: null,
      most_used_model: mostOf(conversations.answersByProfile),
    },
  };
}

/** The name with the greatest count; of equal ones the first by the alphabet. Null when there is none. */
function mostOf(counts: Record<string, number>): string | null {
  const [first] = Object.entries(counts).sort(([one, oneCount], [other, otherCount]) => otherCount - oneCount || (one < other ? -1 : 1));
  return first?.[0] ?? null;
}

function performanceShape(component: (typeof components)[number], { text: timeframe }: TimeFrame, found: DetailedPerformance): z.output<typeof performanceAnswer> {
  const { processorPercent, memoryBytes } = found.process;
  const entries = Object.entries(found.components) as [PerformanceComponent, ComponentPerformance][];
  return {
    component,
    timeframe,
    samples: found.samples,
    recording_since: isoTime(found.recordingSince),
    components: Object.fromEntries(entries.map(([name, { requests, errors, latencyMs, firstTokenMs, isWhole }]) =>
      [name, { requests, errors, latency_ms: distributionShape(latencyMs), ...(firstTokenMs ? { first_token_ms: distributionShape(firstTokenMs) } : {}), complete: isWhole }])),
    process: {
      samples: found.process.samples,
      cpu_percent: { mean: rounded(processorPercent.mean), max: rounded(processorPercent.max) },
      memory_mb: { mean: rounded(megabytes(memoryBytes.mean)), max: rounded(megabytes(memoryBytes.max)) },
    },
  };
}

function distributionShape({ mean, p50, p95, p99 }: Distribution): z.output<typeof distribution> {
  return { mean: rounded(mean), p50: rounded(p50), p95: rounded(p95), p99: rounded(p99) };
}

/** As memory_usage_mb in the health report. */
function megabytes(bytes: number | null): number | null {
  return bytes === null ? null : bytes / 1_048_576;
}

function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100;
}
