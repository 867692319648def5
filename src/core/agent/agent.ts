import { hash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/observability/index.ts';
import { databaseId, type Storage } from '../../base/storage/index.ts';
import type { Accounts, Viewer } from '../accounts/index.ts';
import { chatProfiles, type ChatProfileName, type Conversations } from '../conversations/index.ts';
import type { Caller, ModelInfo, Models } from '../models/index.ts';
import { createHealth } from './health.ts';
import { instancesUp, modelsLoaded } from './models-now.ts';
import { createCoreProbes, storageWorks } from './probes.ts';
import type { Agent, AgentCapabilities, AgentFeature } from './types.ts';

export interface AgentParts {
  storage: Storage;
  accounts: Pick<Accounts, 'owner'>;
  models: Models;
  conversations: Pick<Conversations, 'statistics' | 'callsRunning'>;
  clock: Clock;
  log: Log;
  /** Where the database lies on this machine; null when it lies elsewhere. */
  dataDir: string | null;
}

/** How long a look at the features counts, milliseconds. */
const lookEveryMs = 10_000;

/** Makes the part; a second and a third feature (mesh, chains) are named here when they are there. */
export function createAgent(parts: AgentParts): Agent {
  const { storage, clock, log, models } = parts;
  const startedAt = clock.now();
  const began = clock.monotonic();
  const probes = createCoreProbes(storage, parts.dataDir);
  let id = '';
  let known: readonly AgentFeature[] = [];
  let lookedAt = -Infinity;
  let looking: Promise<void> | null = null;

  const look = async (): Promise<void> => {
    const owner = await parts.accounts.owner();
    known = featuresOf(await offered(models, { userId: owner.id, role: owner.role }));
    lookedAt = clock.monotonic();
  };
  const lookQuietly = (): void => {
    looking ??= look().catch((error: unknown) => log.warn({ err: error }, 'what this server can do could not be looked up')).finally(() => (looking = null));
  };
  const capabilities = async (viewer: Viewer): Promise<AgentCapabilities> => {
    const offer = await offered(models, viewer);
    const ollamaInstances = instancesUp(models);
    return {
      features: featuresOf(offer),
      models: [...new Set(offer.models.filter(isOwn).map(({ model }) => model))],
      profiles: offer.canChat ? (Object.keys(chatProfiles) as ChatProfileName[]) : [],
      ollamaInstances,
      balancesOllama: ollamaInstances > 1,
      chatModels: offer.models.length,
    };
  };
  const health = createHealth(parts, probes, { uptimeSeconds: () => (clock.monotonic() - began) / 1000, offered: (viewer) => offered(models, viewer) });

  return {
    name: 'agent',
    async start() {
      probes.start();
      id = `ultimate-${hash('sha256', await databaseId(storage)).slice(0, 8)}`;
      lookQuietly();
    },
    async stop() {
      probes.stop();
      await looking;
    },
    get id() {
      return id;
    },
    features() {
      if (clock.monotonic() - lookedAt > lookEveryMs) lookQuietly();
      return known;
    },
    capabilities,
    async status(viewer) {
      const [offer, statistics, works] = await Promise.all([offered(models, viewer), parts.conversations.statistics(viewer), storageWorks(storage)]);
      const loaded = models.loaded();
      return {
        startedAt,
        features: featuresOf(offer),
        modelsLoaded: modelsLoaded(models),
        ollamaInstances: instancesUp(models),
        usesGpu: loaded.some(({ gpuBytes }) => gpuBytes > 0),
        chatWorks: works && offer.canChat,
        activeConversations: statistics.active,
      };
    },
    health,
    measure: () => probes.measure(),
  };
}

/** What somebody can ask now. */
export interface Offer {
  models: readonly ModelInfo[];
  /** Whether the default model is there, and is one. */
  canChat: boolean;
}

async function offered(models: Models, caller: Caller): Promise<Offer> {
  const list = await models.list(caller);
  const chats = list.filter(({ kinds, provider }) => kinds.includes('chat') && provider !== 'builtin');
  const canChat = await models.resolve(null, caller).then((target) => !target.isBuiltin, () => false);
  return { models: chats, canChat };
}

function featuresOf({ models, canChat }: Offer): AgentFeature[] {
  return [...(canChat ? (['chat'] as const) : []), ...(models.some(({ provider }) => provider === 'ollama') ? (['ollama'] as const) : [])];
}

/** Its weights are here, or on a server of Ollama. */
function isOwn({ provider, location }: ModelInfo): boolean {
  return location === 'local' || provider === 'ollama';
}
