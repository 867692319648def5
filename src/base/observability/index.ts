export { components, logLevels, type Component, type LogLevel } from './components.ts';
export { createLogs, type Logs } from './logs.ts';
export { createLog, silentLog, type Log } from './log.ts';
export { createMetrics, type Metrics } from './metrics.ts';
export { createProcessUsage, type ProcessUsage } from './process-usage.ts';
export { RecentCount } from './recent-count.ts';
export { createRecordings, mean, percentile, Samples, type Recordings, type SampleWindow } from './samples.ts';
export type { Span, Trace } from './trace.ts';
export { isComponent, keptTraces, mostSpans, Tracer, watchMethods, type OpenTrace, type Watching } from './tracer.ts';
