export { createLog, silentLog, type Log } from './log.ts';
export { createMetrics, type Metrics } from './metrics.ts';
