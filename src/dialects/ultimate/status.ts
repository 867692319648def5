import { z } from 'zod';
import type { AgentCapabilities, AgentHealth, AgentStatus } from '../../core/agent/index.ts';
import { viewerFrom, type DialectScope } from '../shared/index.ts';
import { agentVersion } from './errors.ts';
import type { UltimateParts } from './parts.ts';
import { seconds } from './shapes.ts';
import { everyVersion } from './versions.ts';

const flag = z.boolean();
const count = z.int();

const enhancedFeatures = z.object({ real_time_chat: flag, context_memory: flag, voice_support: flag, file_analysis: flag, multi_model_pipeline: flag, p2p_coordination: flag });

const capabilitiesAnswer = z.object({
  agent_id: z.string(), name: z.string(), version: z.string(), agent_type: z.string(),
  capabilities: z.array(z.string()), ai_models: z.array(z.string()), chat_models: z.array(z.string()), p2p_capabilities: z.array(z.string()),
  ollama_features: z.array(z.string()), task_types: z.array(z.string()), enhanced_features: enhancedFeatures,
});

const statusAnswer = z.object({
  agent_id: z.string(), running: flag, registered: flag, current_tasks: count,
  stats: z.object({ tasks_completed: count, tasks_failed: count, total_earnings: z.number(), start_time: count, conversations_active: count, p2p_nodes_connected: count }),
  ai_status: z.object({
    models_loaded: count, gpu_available: flag, training_engine_active: flag, active_training_sessions: count, conversation_manager_active: flag,
    ollama_instances: count, distributed_inference_enabled: flag,
  }),
  blockchain_status: z.object({ wallet_initialized: flag, smart_contracts_enabled: flag, connected_networks: count, transaction_pool_size: count }),
  p2p_status: z.object({ network_enabled: flag, connected_peers: count, known_nodes: count, distributed_models: count, consensus_active: flag, enabled: flag }),
  modular_architecture: flag, advanced_features: flag, api_version: z.string(),
});

const score = z.number().nullable();
const component = { status: z.string(), score };

const healthAnswer = z.object({
  overall_health: z.string(),
  health_score: z.number(),
  components: z.object({
    core_agent: z.object({ ...component, uptime_hours: z.number(), memory_usage_mb: z.number() }),
    ai_systems: z.object({ ...component, models_loaded: count, active_inferences: count, ollama_instances: count, inference_success_rate: score }),
    p2p_network: z.object({ ...component, connected_peers: count, network_latency_ms: score, consensus_success_rate: score }),
    blockchain: z.object({ ...component, transaction_success_rate: score, smart_contract_executions: count, network_sync_status: z.string() }),
    conversation_ai: z.object({ ...component, active_conversations: count, average_response_time: score, context_memory_efficiency: score }),
  }),
  performance_metrics: z.object({ cpu_efficiency: score, memory_efficiency: score, network_efficiency: score, task_completion_rate: score }),
  recommendations: z.array(z.string()),
});

/** What this server can do, and how it is. */
export function registerStatus(scope: DialectScope, parts: UltimateParts): void {
  const { agent } = parts;
  everyVersion('/api/v4/stats/enhanced', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'How the server is, in short', response: { 200: statusAnswer } } }, async (request) => statusShape(agent.id, await agent.status(viewerFrom(request))));
  });
  everyVersion('/api/v4/capabilities', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'What the server can do for the caller now', response: { 200: capabilitiesAnswer } } }, async (request) => capabilitiesShape(agent.id, await agent.capabilities(viewerFrom(request))));
  });
  everyVersion('/api/v4/health/comprehensive', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'How each part of the server is, with scores and advice', response: { 200: healthAnswer } } }, async (request) => healthShape(await agent.health(viewerFrom(request))));
  });
}

/** The features of capabilities and of the event `connected`: from one place, so that they agree. */
export function enhancedFeaturesOf({ features, chatModels }: Pick<AgentCapabilities, 'features' | 'chatModels'>): z.output<typeof enhancedFeatures> {
  const chats = features.includes('chat');
  // Voice, files and peers are not built yet.
  return { real_time_chat: chats, context_memory: true, voice_support: false, file_analysis: false, multi_model_pipeline: chats && chatModels > 1, p2p_coordination: false };
}

function capabilitiesShape(id: string, found: AgentCapabilities): z.output<typeof capabilitiesAnswer> {
  const hasOllama = found.features.includes('ollama');
  return {
    agent_id: id,
    name: id.replace(/^ultimate-/, 'ultimate-agent-'),
    version: `${agentVersion}-enhanced`,
    agent_type: 'ultimate',
    capabilities: [...(found.models.length > 0 || found.profiles.length > 0 ? ['ai'] : []), 'security', ...(found.features.includes('chat') ? ['conversational_ai'] : [])],
    ai_models: [...found.models],
    chat_models: [...found.profiles],
    p2p_capabilities: [],
    ollama_features: hasOllama ? ['streaming_inference', ...(found.balancesOllama ? ['multi_instance', 'load_balancing'] : []), 'health_monitoring', 'model_lifecycle'] : [],
    task_types: [],
    enhanced_features: enhancedFeaturesOf(found),
  };
}

/** Tasks, training, chains and peers are not built yet: there are none of them, and nothing of them works. */
function statusShape(id: string, found: AgentStatus): z.output<typeof statusAnswer> {
  return {
    agent_id: id,
    running: true,
    registered: false,
    current_tasks: 0,
    stats: { tasks_completed: 0, tasks_failed: 0, total_earnings: 0, start_time: Math.floor(found.startedAt / 1000), conversations_active: found.activeConversations, p2p_nodes_connected: 0 },
    ai_status: {
      models_loaded: found.modelsLoaded, gpu_available: found.usesGpu, training_engine_active: false, active_training_sessions: 0,
      conversation_manager_active: found.chatWorks, ollama_instances: found.ollamaInstances, distributed_inference_enabled: false,
    },
    blockchain_status: { wallet_initialized: false, smart_contracts_enabled: false, connected_networks: 0, transaction_pool_size: 0 },
    p2p_status: { network_enabled: false, connected_peers: 0, known_nodes: 0, distributed_models: 0, consensus_active: false, enabled: false },
    modular_architecture: false,
    advanced_features: found.features.length > 0,
    api_version: '4.1',
  };
}

export function healthShape(found: AgentHealth): z.output<typeof healthAnswer> {
  const { components: c } = found;
  const head = ({ state, score: points }: AgentHealth['components']['core_agent']) => ({ status: state, score: points });
  return {
    overall_health: found.overall,
    health_score: found.score,
    components: {
      core_agent: { ...head(c.core_agent), uptime_hours: rounded(found.uptimeSeconds / 3600, 4), memory_usage_mb: rounded(found.memoryBytes / 1_048_576, 1) },
      ai_systems: { ...head(c.ai_systems), models_loaded: found.modelsLoaded, active_inferences: found.answersRunning, ollama_instances: found.ollamaInstances, inference_success_rate: roundedOrNull(found.successRate) },
      p2p_network: { ...head(c.p2p_network), connected_peers: 0, network_latency_ms: null, consensus_success_rate: null },
      blockchain: { ...head(c.blockchain), transaction_success_rate: null, smart_contract_executions: 0, network_sync_status: 'disconnected' },
      // How much of a history fits into prompts is not recorded over time yet.
      conversation_ai: { ...head(c.conversation_ai), active_conversations: found.activeConversations, average_response_time: seconds(found.averageAnswerMs), context_memory_efficiency: null },
    },
    // What the processor, the network and tasks are used for is not recorded yet.
    performance_metrics: { cpu_efficiency: null, memory_efficiency: rounded(found.memoryInUse, 3), network_efficiency: null, task_completion_rate: null },
    recommendations: [...found.advice],
  };
}

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

function roundedOrNull(value: number | null): number | null {
  return value === null ? null : rounded(value, 4);
}
