export type * from './types.ts';
export { createAgents } from './service.ts';
export { defaultSettings as defaultAgentSettings, longestMessage, mostInBatch, mostRunTurns } from './limits.ts';
export { accountId, checksumOf } from './account-ids.ts';
export { flagsOf, type ResponseFlags } from './classifier/classify.ts';
