export type * from './types.ts';
export { createPipelines } from './service.ts';
export { mostBatchItems, mostBatchesOfOne, mostInput, mostStages, mostTokens, usualTokens } from './limits.ts';
