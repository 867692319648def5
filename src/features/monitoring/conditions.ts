import { coreBounds, type Agent } from '../../core/agent/index.ts';
import type { Models } from '../../core/models/index.ts';
import type { Alert, Severity } from './types.ts';

/** One thing that is watched, as it is now. */
export interface Condition {
  /** Stays the same for as long as it is watched. */
  name: string;
  component: Alert['component'];
  severity: Exclude<Severity, 'info'>;
  isMet: boolean;
  /** Said when it is newly met, and when it is over. */
  met: string;
  over: string;
  /** Whether every instance sees the same of it. */
  isShared: boolean;
  /** Looks in a row that must find it met, and not met, before that counts. */
  looks: { met: number; over: number };
}

export interface ConditionParts {
  agent: Pick<Agent, 'measure' | 'features'>;
  models: Pick<Models, 'breaker' | 'instances'>;
  /** Ids of the providers that have a breaker. */
  providers: readonly string[];
}

/** What changes at once counts at once. */
const atOnce = { met: 1, over: 1 };
/** What goes up and down around its bound is over only after a while. */
const settled = { met: 1, over: 3 };

/** Looks at everything that alerts are about. What has never worked is not watched: it may not be there at all. */
export function createConditions({ agent, models, providers }: ConditionParts): () => Promise<Condition[]> {
  let hadModel = false;
  return async () => {
    const hasModel = agent.features().includes('chat');
    hadModel ||= hasModel;
    return [
      ...(await coreConditions(agent)),
      ...(hadModel ? [{ name: 'model', component: 'ai_systems' as const, severity: 'critical' as const, isMet: !hasModel, isShared: true, looks: { met: 2, over: 1 }, met: 'Models: no language model can be asked any more.', over: 'Models: a language model can be asked again.' }] : []),
      ...providers.flatMap((provider) => breakerCondition(models, provider) ?? []),
      ...models.instances().filter(({ hasAnswered }) => hasAnswered).map(({ provider, host, isReachable }): Condition => ({
        name: `instance ${provider} ${host}`, component: 'ai_systems', severity: 'warning', isMet: !isReachable, isShared: true, looks: atOnce,
        met: `Models: ${provider} at ${host} does not answer any more.`, over: `Models: ${provider} at ${host} answers again.`,
      })),
    ];
  };
}

async function coreConditions(agent: Pick<Agent, 'measure'>): Promise<Condition[]> {
  const { storageWorks, delayMs, freeDiskBytes, freeMemoryBytes } = await agent.measure();
  const { mostDelayMs, leastDiskBytes, leastMemoryBytes } = coreBounds;
  const core = { component: 'core_agent' as const, isShared: false, looks: settled };
  return [
    // Twice: a server that is busy for a second sees no answer either.
    { ...core, name: 'storage', severity: 'critical', isShared: true, looks: { met: 2, over: 1 }, isMet: !storageWorks, met: 'Database: it does not answer within a second.', over: 'Database: it answers again.' },
    { ...core, name: 'event_loop', severity: 'warning', isMet: delayMs >= mostDelayMs, met: `Server: requests wait ${Math.round(delayMs)} ms for the event loop; ${mostDelayMs} ms are the bound.`, over: `Server: requests wait ${Math.round(delayMs)} ms for the event loop again.` },
    ...(freeDiskBytes === null ? [] : [{ ...core, name: 'disk', severity: 'critical' as const, isMet: freeDiskBytes < leastDiskBytes, met: `Disk: ${megabytes(freeDiskBytes)} are free for the data folder; ${megabytes(leastDiskBytes)} are the bound.`, over: `Disk: ${megabytes(freeDiskBytes)} are free for the data folder again.` }]),
    { ...core, name: 'memory', severity: 'warning', isMet: freeMemoryBytes < leastMemoryBytes, met: `Memory: ${megabytes(freeMemoryBytes)} are free on the machine; ${megabytes(leastMemoryBytes)} are the bound.`, over: `Memory: ${megabytes(freeMemoryBytes)} are free on the machine again.` },
  ];
}

/** Each process has its own breakers. A trial closes one or opens it again: until then it counts as open. */
function breakerCondition(models: Pick<Models, 'breaker'>, provider: string): Condition | null {
  const state = models.breaker(provider);
  if (!state) return null;
  return {
    name: `breaker ${provider}`, component: 'ai_systems', severity: 'warning', isMet: state.state !== 'CLOSED', isShared: false, looks: atOnce,
    met: `Models: ${provider} has failed ${state.failures} times in a row and is left alone for ${Math.round(state.openMs / 1000)} s.`, over: `Models: ${provider} answers again.`,
  };
}

/** By millions of bytes, as the document counts. */
function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
