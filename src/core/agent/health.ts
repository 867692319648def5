import type { Storage } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import type { ChatStatistics, Conversations } from '../conversations/index.ts';
import type { Models } from '../models/index.ts';
import { instancesUp, modelsLoaded } from './models-now.ts';
import type { CoreProbes } from './probes.ts';
import { disabled, overall, scored } from './scores.ts';
import type { Agent, AgentHealth, ComponentHealth, ComponentName, Probe } from './types.ts';

const dayMs = 24 * 3_600_000;
/** Share of calls that must end well. */
const leastSuccess = 0.9;
/** Longest mean answer that counts as well, milliseconds. */
const mostAnswerMs = 30_000;

interface HealthParts {
  storage: Storage;
  models: Models;
  conversations: Pick<Conversations, 'statistics' | 'callsRunning'>;
}

interface Around {
  uptimeSeconds(): number;
  offered(viewer: Viewer): Promise<{ canChat: boolean; models: readonly { provider: string }[] }>;
}

/** Looks at everything that is there; what is not built is disabled and has no score. */
export function createHealth(parts: HealthParts, probes: CoreProbes, around: Around): Agent['health'] {
  return async (viewer) => {
    const [core, offer, statistics, calls, answersRunning] = await Promise.all([
      probes.look(), around.offered(viewer), parts.conversations.statistics(viewer), callsOf(parts.storage, viewer), running(parts.storage),
    ]);
    const successRate = calls.all === 0 ? null : calls.well / calls.all;
    const components: Record<ComponentName, ComponentHealth> = {
      core_agent: scored(core, ['storage', 'event_loop']),
      ai_systems: scored(modelProbes(parts.models, offer, successRate), ['model']),
      p2p_network: disabled,
      blockchain: disabled,
      conversation_ai: scored(chatProbes(core, offer.canChat, statistics), ['storage', 'model']),
    };
    return {
      ...overall(components),
      components,
      uptimeSeconds: around.uptimeSeconds(),
      ...memory(),
      modelsLoaded: modelsLoaded(parts.models),
      ollamaInstances: instancesUp(parts.models),
      answersRunning: answersRunning + parts.conversations.callsRunning(),
      successRate,
      activeConversations: statistics.active,
      averageAnswerMs: statistics.averageDurationMs,
      advice: adviceOn(components),
    };
  };
}

/** No model is asked anything for this: the last look at each service and what became of real calls say enough. */
function modelProbes(models: Models, offer: { canChat: boolean; models: readonly { provider: string }[] }, successRate: number | null): Probe[] {
  const providers = [...new Set(offer.models.map(({ provider }) => provider))];
  const open = providers.filter((provider) => models.breaker(provider)?.state === 'OPEN');
  const instances = models.instances().filter(({ hasAnswered }) => hasAnswered);
  return [
    { name: 'model', works: offer.canChat ? 1 : 0 },
    { name: 'breakers', works: open.length === 0 ? 1 : 0 },
    ...(instances.length > 0 ? [{ name: 'ollama', works: instances.filter(({ isReachable }) => isReachable).length / instances.length }] : []),
    ...(successRate === null ? [] : [{ name: 'calls', works: successRate >= leastSuccess ? 1 : 0 }]),
  ];
}

function chatProbes(core: readonly Probe[], canChat: boolean, { averageDurationMs }: ChatStatistics): Probe[] {
  return [
    ...core.filter(({ name }) => name === 'storage'),
    { name: 'model', works: canChat ? 1 : 0 },
    ...(averageDurationMs === null ? [] : [{ name: 'answer_time', works: averageDurationMs <= mostAnswerMs ? 1 : 0 }]),
  ];
}

/** Calls of models for this viewer that ended in the last day; those that somebody stopped say nothing of the models. */
async function callsOf(storage: Storage, viewer: Viewer): Promise<{ all: number; well: number }> {
  const since = (await storage.now()) - dayMs;
  const rows = await storage.read.selectFrom('usage').select(['outcome', (select) => select.fn.countAll<number | string>().as('count')])
    .where('user_id', '=', viewer.userId).where('created_at', '>', since).where('outcome', '<>', 'CANCELLED').groupBy('outcome').execute();
  const count = (only: (outcome: string) => boolean): number => rows.filter(({ outcome }) => only(outcome)).reduce((sum, row) => sum + Number(row.count), 0);
  return { all: count(() => true), well: count((outcome) => outcome === 'DELIVERED') };
}

async function running({ read }: Storage): Promise<number> {
  const { count } = await read.selectFrom('turns').select((select) => select.fn.countAll<number | string>().as('count')).where('state', '=', 'RUNNING').executeTakeFirstOrThrow();
  return Number(count);
}

function memory(): Pick<AgentHealth, 'memoryBytes' | 'memoryInUse'> {
  const { rss, heapUsed, external } = process.memoryUsage();
  return { memoryBytes: rss, memoryInUse: Math.min(1, (heapUsed + external) / rss) };
}

/** One sentence for each probe that does not work. */
const advice: Readonly<Record<string, string>> = {
  'core_agent storage': 'The database does not answer: look at its disk and its log.',
  'core_agent event_loop': 'The server is busy: requests wait for more than 200 ms. Give it a faster processor, or add an instance.',
  'core_agent disk': 'Less than 200 MB are free on the disk of the data folder.',
  'core_agent memory': 'Less than 100 MB of memory are free on this machine.',
  'ai_systems model': 'No language model can be asked: add one in Settings, or see `parley doctor`.',
  'ai_systems breakers': 'A model service has failed several times in a row and is left alone for a minute.',
  'ai_systems ollama': 'A server of Ollama that has answered before does not answer any more.',
  'ai_systems calls': 'More than one call in ten has failed in the last 24 hours.',
  'conversation_ai answer_time': 'Answers take more than 30 s on average: choose a smaller or faster model.',
};

function adviceOn(components: Record<ComponentName, ComponentHealth>): string[] {
  return Object.entries(components).flatMap(([component, { probes }]) =>
    probes.filter(({ works }) => works < 1).flatMap(({ name }) => advice[`${component} ${name}`] ?? []),
  );
}
