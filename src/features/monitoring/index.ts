export type * from './types.ts';
export { performanceComponents } from './types.ts';
export { parseTimeFrame, timeFrameForm } from './time-frame.ts';
export { createMonitoring, type MonitoringParts } from './monitoring.ts';
