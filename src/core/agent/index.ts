export type * from './types.ts';
export { createAgent, type AgentParts } from './agent.ts';
export { coreBounds } from './probes.ts';
export { componentWeights } from './scores.ts';
