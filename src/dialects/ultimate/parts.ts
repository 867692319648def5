import type { Agent } from '../../core/agent/index.ts';
import type { OllamaPool } from '../../core/models/index.ts';
import type { Monitoring } from '../../features/monitoring/index.ts';
import type { Operations } from '../../features/operations/index.ts';
import type { Pipelines } from '../../features/pipelines/index.ts';
import type { DialectParts } from '../shared/index.ts';

export interface UltimateParts extends DialectParts {
  agent: Agent;
  ollama: OllamaPool;
  monitoring: Monitoring;
  operations: Operations;
  pipelines: Pipelines;
}
