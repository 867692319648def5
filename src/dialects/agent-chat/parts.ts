import type { Agents } from '../../features/agents/index.ts';
import type { DialectParts } from '../shared/index.ts';

/** What this dialect stands on. */
export interface AgentChatParts extends DialectParts {
  agents: Agents;
}
