export type * from './types.ts';
export { keptEntries } from './audit.ts';
export { mostBackups } from './backups.ts';
export { workOf as databaseWorkOf } from './database.ts';
export { mostSeconds as longestDebugSeconds, usualSeconds as usualDebugSeconds } from './debugging.ts';
export { createOperations } from './service.ts';
