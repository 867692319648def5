import type { Part } from '../../base/lifecycle.ts';
import type { Viewer } from '../accounts/index.ts';
import type { ChatProfileName } from '../conversations/index.ts';

/** Parts of this server that can be there or not, by the names under which the outside knows them. */
export type AgentFeature = 'chat' | 'p2p' | 'ollama' | 'blockchain';

/** What this server can do for somebody now. Nothing is listed that would not work. */
export interface AgentCapabilities {
  features: readonly AgentFeature[];
  /** Models whose weights are on this machine or on a server of Ollama that answers, by their own names. */
  models: readonly string[];
  /** Chat profiles whose model can be asked. */
  profiles: readonly ChatProfileName[];
  /** Servers of Ollama that answer. */
  ollamaInstances: number;
  /** At least two servers of Ollama answer. */
  balancesOllama: boolean;
  /** Language models that can be asked, wherever they run. */
  chatModels: number;
}

/** How this server is. Counts of what it does not have are 0. */
export interface AgentStatus {
  /** Milliseconds since the epoch. */
  startedAt: number;
  features: readonly AgentFeature[];
  /** Models in the memory of this process and of servers of Ollama. */
  modelsLoaded: number;
  ollamaInstances: number;
  /** Whether a loaded model uses a GPU. */
  usesGpu: boolean;
  /** The database works and a model can be asked. */
  chatWorks: boolean;
  /** The viewer's own conversations with a message in the last 30 minutes. */
  activeConversations: number;
}

export type ComponentName = 'core_agent' | 'ai_systems' | 'p2p_network' | 'blockchain' | 'conversation_ai';

export type ComponentState = 'healthy' | 'degraded' | 'unhealthy' | 'disabled';

/** One look at one thing. */
export interface Probe {
  name: string;
  /** 0 to 1: most things work or do not; of several, the share that does. */
  works: number;
}

/** What the server itself stands on, measured now. */
export interface CoreMeasures {
  /** Whether the database writes and reads. */
  storageWorks: boolean;
  /** What 99 of 100 waits for the event loop stayed below, over the last minute at most; milliseconds. */
  delayMs: number;
  /** On the disk of the data folder; null when the database is not on a disk of this machine. */
  freeDiskBytes: number | null;
  freeMemoryBytes: number;
}

export interface ComponentHealth {
  state: ComponentState;
  /** 100 times the mean of its probes; null when it is disabled. */
  score: number | null;
  probes: readonly Probe[];
}

export interface AgentHealth {
  overall: 'excellent' | 'good' | 'degraded' | 'critical';
  /** 0 to 100: the mean of the components that are not disabled, by their weights. */
  score: number;
  components: Record<ComponentName, ComponentHealth>;
  /** Seconds. */
  uptimeSeconds: number;
  /** Bytes of this process, resident. */
  memoryBytes: number;
  /** Share of them that is in use (heap, and what is held outside of it). */
  memoryInUse: number;
  modelsLoaded: number;
  ollamaInstances: number;
  /** Answers that are being made now: those that are kept on all instances, others in this process. */
  answersRunning: number;
  /** Of the viewer's calls of models that ended in the last 24 hours, those that ended well; null when there were none. */
  successRate: number | null;
  activeConversations: number;
  /** Milliseconds; null when nothing was answered yet. */
  averageAnswerMs: number | null;
  advice: readonly string[];
}

/** What this server is to the outside: its name, what it can do, how it is. */
export interface Agent extends Part {
  /** A name that stays with the database: the same after a restart, and on all instances. Known once the part has started. */
  readonly id: string;
  /** Parts that work, as last looked at: at most ten seconds ago while anybody asks. */
  features(): readonly AgentFeature[];
  capabilities(viewer: Viewer): Promise<AgentCapabilities>;
  status(viewer: Viewer): Promise<AgentStatus>;
  health(viewer: Viewer): Promise<AgentHealth>;
  /** Of this process and its machine. */
  measure(): Promise<CoreMeasures>;
}
