import type { AgentHealth, ComponentHealth, ComponentName, Probe } from './types.ts';

/** How much each component counts in the score of the whole; docs/ultimate.md prints the same table. */
export const componentWeights: Record<ComponentName, number> = { core_agent: 0.35, ai_systems: 0.25, conversation_ai: 0.2, p2p_network: 0.1, blockchain: 0.1 };

/** Least scores of the words for the whole, best first. */
const words = [['excellent', 90], ['good', 75], ['degraded', 50]] as const;

/** Least scores at which a component is healthy, and at which it is still degraded. */
const healthyFrom = 90;
const degradedFrom = 50;

export const disabled: ComponentHealth = { state: 'disabled', score: null, probes: [] };

/** @param vital names of probes without which the component is unhealthy whatever the others say */
export function scored(probes: readonly Probe[], vital: readonly string[] = []): ComponentHealth {
  const score = rounded((100 * probes.reduce((sum, { works }) => sum + works, 0)) / probes.length);
  const lacks = probes.some(({ name, works }) => vital.includes(name) && works === 0);
  return { state: lacks || score < degradedFrom ? 'unhealthy' : score < healthyFrom ? 'degraded' : 'healthy', score, probes };
}

/** Never better than degraded while the core is not healthy. */
export function overall(components: Record<ComponentName, ComponentHealth>): Pick<AgentHealth, 'overall' | 'score'> {
  let [sum, weights] = [0, 0];
  for (const [name, weight] of Object.entries(componentWeights)) {
    const { score } = components[name as ComponentName];
    if (score === null) continue;
    sum += score * weight;
    weights += weight;
  }
  const score = weights === 0 ? 0 : rounded(sum / weights);
  const word = words.find(([, least]) => score >= least)?.[0] ?? 'critical';
  const isWell = word === 'excellent' || word === 'good';
  return { score, overall: isWell && components.core_agent.state !== 'healthy' ? 'degraded' : word };
}

function rounded(score: number): number {
  return Math.round(score * 10) / 10;
}
