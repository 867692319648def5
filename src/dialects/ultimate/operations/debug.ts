import { z } from 'zod';
import { isoTime } from '../../../base/clock.ts';
import { components, logLevels, type Trace } from '../../../base/observability/index.ts';
import { longestDebugSeconds, usualDebugSeconds, type DebugState } from '../../../features/operations/index.ts';
import { text, viewerFrom, wholeNumber, type DialectScope } from '../../shared/index.ts';
import type { UltimateParts } from '../parts.ts';

const component = z.enum(components);
const level = z.enum(['verbose', 'off', ...logLevels]);

const debugRequest = z.object({
  debug_level: level.describe('verbose: everything; off: as usual again'),
  components: z.array(component).min(1).max(50).optional().describe('Default: all'),
  log_performance: z.boolean().optional().describe('A line for each step of these components, with the time it took'),
  trace_requests: z.boolean().optional().describe('Keeps what is done for each request, to be read at /api/v4/debug/traces'),
  duration_seconds: z.int().min(1).max(longestDebugSeconds).optional().describe(`Addition: after this it is as usual again; default ${usualDebugSeconds}`),
});

const debugSettings = z.object({
  debug_level: level, components: z.array(component), log_performance: z.boolean(), trace_requests: z.boolean(),
  ends_at: z.string().nullable(), levels: z.record(component, z.enum(logLevels)).describe('At which each log runs, read from it'),
});
const debugAnswer = z.object({ success: z.literal(true), settings: debugSettings, previous: debugSettings });

const outcome = z.string().nullable().describe('ok, or the code of the error; null while it goes on');
const milliseconds = z.number();
const traceHead = z.object({
  id: z.string(), parent_span_id: z.string().nullable(), request_id: z.string().nullable(), component, name: z.string(), started_at: z.string(),
  duration_ms: milliseconds.nullable(), outcome, status: z.int().nullable(), span_count: z.int(),
});
const traceAnswer = traceHead.extend({
  dropped_spans: z.int(),
  spans: z.array(z.object({ component, name: z.string(), within: z.int().nullable().describe('Place of the span within which it happened'), start_ms: milliseconds, duration_ms: milliseconds.nullable(), outcome })),
});

/** What is logged and traced. */
export function registerDebug(scope: DialectScope, { operations }: UltimateParts): void {
  scope.post('/api/v4/config/debug', { schema: { summary: 'Logs more (or less) of named components, and traces requests, for a while, on all instances', body: debugRequest, response: { 200: debugAnswer } } }, async (request) => {
    const { debug_level, components: named, log_performance, trace_requests, duration_seconds } = request.body;
    const { now, before } = await operations.configureDebug(viewerFrom(request), {
      level: debug_level,
      ...(named ? { components: named } : {}),
      ...(log_performance === undefined ? {} : { logPerformance: log_performance }),
      ...(trace_requests === undefined ? {} : { traceRequests: trace_requests }),
      ...(duration_seconds === undefined ? {} : { durationSeconds: duration_seconds }),
    });
    return { success: true as const, settings: debugShape(now), previous: debugShape(before) };
  });
  scope.get('/api/v4/config/debug', { schema: { summary: 'Addition: what is logged and traced now', response: { 200: z.object({ success: z.literal(true), settings: debugSettings }) } } }, async (request) =>
    ({ success: true as const, settings: debugShape(operations.debug(viewerFrom(request))) }));
  const listQuery = z.object({ limit: wholeNumber({ min: 1, max: 500, fallback: 50 }), component: component.optional() });
  scope.get(
    '/api/v4/debug/traces',
    { schema: { summary: 'Addition: requests that were traced on this instance, newest first', querystring: listQuery, response: { 200: z.object({ success: z.literal(true), instance: z.string(), traces: z.array(traceHead) }) } } },
    async (request) => {
      const { limit, component: named } = request.query;
      return { success: true as const, instance: operations.instanceId, traces: operations.traces(viewerFrom(request), limit, named).map(headShape) };
    },
  );
  scope.get(
    '/api/v4/debug/traces/:trace_id',
    { schema: { summary: 'Addition: what was done for one request', description: 'By the id of its trace, or of the request.', params: z.object({ trace_id: text({ min: 1, max: 64 }) }), response: { 200: z.object({ success: z.literal(true), instance: z.string(), trace: traceAnswer }) } } },
    async (request) => {
      const trace = operations.trace(viewerFrom(request), request.params.trace_id);
      const spans = trace.spans.map((span) => ({ component: span.component, name: span.name, within: span.within, start_ms: span.startMs, duration_ms: span.durationMs, outcome: span.outcome }));
      return { success: true as const, instance: operations.instanceId, trace: { ...headShape(trace), dropped_spans: trace.droppedSpans, spans } };
    },
  );
}

function debugShape(state: DebugState): z.output<typeof debugSettings> {
  return {
    debug_level: state.level, components: [...state.components], log_performance: state.logPerformance, trace_requests: state.traceRequests,
    ends_at: state.until === null ? null : isoTime(state.until), levels: { ...state.levels },
  };
}

function headShape(trace: Trace): z.output<typeof traceHead> {
  return {
    id: trace.id, parent_span_id: trace.parentId, request_id: trace.requestId, component: trace.component, name: trace.name, started_at: isoTime(trace.startedAt),
    duration_ms: trace.durationMs, outcome: trace.outcome, status: trace.status, span_count: trace.spans.length,
  };
}
