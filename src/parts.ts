import { join } from 'node:path';
import { systemClock, type Clock } from './base/clock.ts';
import type { ParleyError } from './base/errors.ts';
import { createLocalBus, createRedisBus, type Bus } from './base/events/index.ts';
import { newId } from './base/ids.ts';
import { createJobs, type Jobs } from './base/jobs/index.ts';
import { startAll, stopAll, type Part } from './base/lifecycle.ts';
import { createLocalLimiter, createRedisLimiter, type Limiter } from './base/limits/index.ts';
import { machineName } from './base/machine.ts';
import { createLog, createLogs, createMetrics, type Log, type Logs, type Metrics, type Tracer } from './base/observability/index.ts';
import { createRedis, type Redis } from './base/redis/index.ts';
import { withGivenSecrets } from './base/given-secrets.ts';
import { openSecrets, type Secrets } from './base/secrets.ts';
import { databaseId, openStorage, type Storage } from './base/storage/index.ts';
import type { Config } from './config.ts';
import { createAccounts, type Accounts } from './core/accounts/index.ts';
import { createAgent } from './core/agent/index.ts';
import { createBudgets, type Budgets } from './core/budgets/index.ts';
import { createConversations, createTransfers, type Conversations, type Transfers } from './core/conversations/index.ts';
import {
  createAnthropicProvider,
  createBuiltinProvider,
  createCohereProvider,
  createGoogleProvider,
  createLangchainProvider,
  createLlamaProvider,
  createModels,
  createModelStore,
  createOllamaPool,
  createOllamaProvider,
  createOpenaiCompatibleProvider,
  createOpenaiProvider,
  createOutsideService,
  createOwnService,
  type LangchainProvider,
  type ModelProvider,
  type Models,
  type ModelStore,
  type OllamaPool,
  type OllamaProvider,
} from './core/models/index.ts';
import { createLangchain } from './core/langchain/index.ts';
import { createPresence } from './core/presence/index.ts';
import { registerAgentChat } from './dialects/agent-chat/index.ts';
import { registerArketic } from './dialects/arketic/index.ts';
import { registerFriend } from './dialects/friend/index.ts';
import { ollamaFace, registerOllama } from './dialects/ollama/index.ts';
import { registerOpenai } from './dialects/openai/index.ts';
import { registerStudio } from './dialects/studio/index.ts';
import { registerUltimate } from './dialects/ultimate/index.ts';
import { createHttpServer, type DialectParts, type HttpServer } from './dialects/shared/index.ts';
import type { Agents } from './features/agents/index.ts';
import { createChecks, type HandingOver, type Ledger } from './features/ledger/index.ts';
import { createMonitoring, type Monitoring } from './features/monitoring/index.ts';
import { createOperations, type Operations, type Restarter } from './features/operations/index.ts';
import { modulesOf, switchableDialects } from './modules.ts';
import { createPipelines } from './features/pipelines/index.ts';
import { createTracer, observeAgents, observeConversations, observeCore } from './observed.ts';
import { createSessions } from './session-transcripts.ts';
import { createRunningSettings } from './running-settings.ts';
import { version } from './version.ts';

/** Everything below the dialects. */
export interface Core {
  config: Config;
  /** Names this process among the instances that share a database. New at every start. */
  instanceId: string;
  clock: Clock;
  log: Log;
  /** The log of each component, with levels that are changed while the server runs. */
  logs: Logs;
  tracer: Tracer;
  metrics: Metrics;
  bus: Bus;
  limiter: Limiter;
  /** Null for one instance. */
  redis: Redis | null;
  /** What stands between instances, in the order of starting, behind the storage: empty for one instance. */
  shared: readonly Part[];
  storage: Storage;
  secrets: Secrets;
  jobs: Jobs;
  accounts: Accounts;
  providers: readonly ModelProvider[];
  models: Models;
  modelStore: ModelStore;
  ollamaPool: OllamaPool;
  budgets: Budgets;
  transfers: Transfers;
  /** Says where this server answers, once that is known: services of its own call it back there. */
  answersAt(address: () => string): void;
}

/** A whole server, made but not started. */
export interface Parts extends Core {
  conversations: Conversations;
  agents: Agents;
  operations: Operations;
  monitoring: Monitoring;
  ledger: Ledger;
  /** Seals what has ended, and hands it over to other ledgers. */
  handingOver: HandingOver;
  http: HttpServer;
  /** Ollama's own API on its port; null when it is switched off. */
  ollama: HttpServer | null;
  /** Starts everything in order and opens the ports last. When one part fails, the others are stopped again. */
  start(): Promise<void>;
  /** Refuses what is new, lets running answers end (config.drainMs), and stops everything. May be called once. */
  stop(): Promise<void>;
}

/** What tests and commands put in the place of the usual. */
export interface PartOverrides {
  clock?: Clock;
  log?: Log;
  metrics?: Metrics;
  bus?: Bus;
  limiter?: Limiter;
  /** In place of the providers that the settings name. */
  providers?: readonly ModelProvider[];
  /** False for commands that work beside a running server. Default true. */
  exclusive?: boolean;
  /** Folder of the built page. Default `web/dist`. */
  webDir?: string;
  /** Called when another server has taken the place of this one on its database: it writes nothing more and should end. */
  onReplaced?: (error: ParleyError) => void;
  /** How the process is ended so that it is started again. Default: nobody starts it again. */
  restarter?: Restarter;
}

/**
 * Makes the parts below the dialects, each with the few things it needs. Opens nothing but the secrets.
 * @throws {SecretsError} when the secrets in the data folder cannot be used
 */
export function createCore(config: Config, overrides: PartOverrides = {}): Core {
  const instanceId = newId();
  const clock = overrides.clock ?? systemClock;
  const log = overrides.log ?? createLog(config.logLevel);
  const logs = createLogs(log);
  const tracer = createTracer(clock, logs);
  const metrics = overrides.metrics ?? createMetrics();
  const { databaseUrl, dataDir, fullSync, modelsDir, redisUrl } = config;
  const storage = openStorage({
    databaseUrl, dataDir, fullSync, clock, log: logs.of('storage'), tracer, metrics, exclusive: overrides.exclusive ?? true, instances: redisUrl === null ? 'one' : 'many',
    ...(overrides.onReplaced ? { onReplaced: overrides.onReplaced } : {}),
  });
  const between = betweenInstances({ redisUrl, storage, instanceId, clock, log: logs.of('bus'), metrics });
  const { redis, shared } = between;
  const bus = overrides.bus ?? between.bus;
  const limiter = overrides.limiter ?? between.limiter;
  const secrets = withGivenSecrets(openSecrets(dataDir, config.secretsFile), config);
  const jobs = createJobs({ storage, clock, log: logs.of('jobs'), metrics, instanceId });
  const accounts = createAccounts({ storage, secrets, limiter, bus, clock, log: logs.of('accounts'), metrics, settings: config });
  // The built-in responder tells whoever asks how to add a model: by what is true for somebody without keys.
  const nobody = { userId: '', role: 'user' as const };
  let ownAddress = (): string => '';
  const providers = overrides.providers ?? [...createProviders(config, clock, logs.of('ai'), { accounts, address: () => ownAddress() }), createBuiltinProvider({ surroundings: () => models.providers(nobody) })];
  const models = createModels({ providers, providerKey: (userId, provider) => accounts.providerKey(userId, provider), clock, log: logs.of('ai'), metrics, settings: { ...config, withoutBreaker: config.langchain.circuitBreaker ? [] : ['langchain'] } });
  const machine = redis ? machineName(dataDir) : null;
  const modelStore = createModelStore({ folder: modelsDir, jobs, log: logs.of('ai'), clock, machine });
  const ollamaPool = createOllamaPool({ servers: providers.find(isOllama)?.servers ?? null, jobs, bus, clock, machine });
  const transfers = createTransfers({ storage, jobs, clock, log: logs.of('chat'), machine, folder: join(dataDir, 'imports'), maxBytes: Math.min(config.importMaxBytes, config.maxContentLength) });
  const budgets = createBudgets({ storage, models, bus, clock, log: logs.of('accounts'), metrics, instanceId, settings: config.budgets });
  observeCore(tracer, { storage, accounts, jobs, models });
  return { config, instanceId, clock, log, logs, tracer, metrics, bus, limiter, redis, shared, storage, secrets, jobs, accounts, providers, models, modelStore, ollamaPool, budgets, transfers, answersAt: (address) => void (ownAddress = address) };
}

/** The bus and the limiter: those of one process, or over Redis for several instances. */
function betweenInstances({ redisUrl, storage, ...parts }: Pick<Core, 'storage' | 'instanceId' | 'clock' | 'log' | 'metrics'> & { redisUrl: string | null }): Pick<Core, 'bus' | 'limiter' | 'redis' | 'shared'> {
  const { clock, log } = parts;
  if (redisUrl === null) {
    const bus = createLocalBus((error) => log.error({ err: error }, 'a subscriber of the bus failed'));
    return { bus, limiter: createLocalLimiter(clock), redis: null, shared: [] };
  }
  const redis = createRedis({ ...parts, url: redisUrl, databaseId: () => databaseId(storage) });
  const bus = createRedisBus({ ...parts, redis });
  return { bus, limiter: createRedisLimiter({ ...parts, redis }), redis, shared: [redis, bus] };
}

/** The providers that the settings name. @throws {Error} for an address or a name that cannot be used, naming it */
function createProviders(config: Config, clock: Clock, log: Log, own: { accounts: Accounts; address(): string }): ModelProvider[] {
  const timeoutMs = config.modelTimeoutMs;
  const providers = [createLlamaProvider({ folder: config.modelsDir, settings: config.llama, dataFolder: config.dataDir, log, clock })];
  if (config.ollamaUrls.length > 0) providers.push(createOllamaProvider({ urls: config.ollamaUrls, timeoutMs, clock }));
  for (const [id, baseUrl] of config.compatibleServers) providers.push(createOpenaiCompatibleProvider({ id, baseUrl, timeoutMs, clock }));
  const openai = createOpenaiProvider({ baseUrl: config.openaiBaseUrl, timeoutMs, clock });
  providers.push(openai);
  providers.push(createAnthropicProvider({ baseUrl: config.anthropicBaseUrl, timeoutMs, clock }));
  providers.push(createGoogleProvider({ baseUrl: config.googleBaseUrl, timeoutMs, clock }));
  providers.push(createCohereProvider({ baseUrl: config.cohereBaseUrl, timeoutMs, clock }));
  if (config.langchain.service !== 'off') providers.push(langchainProvider(config, openai, clock, log, own));
  return providers;
}

/** LangChain: a service that the settings name, or one of our own, which calls back for what is not OpenAI's. */
function langchainProvider(config: Config, openai: ModelProvider, clock: Clock, log: Log, { accounts, address }: { accounts: Accounts; address(): string }): LangchainProvider {
  const { service, secret, idleMs, streaming } = config.langchain;
  return createLangchainProvider({
    service: service === '' ? createOwnService({ clock, log, idleMs, environment: config.childEnvironment }) : createOutsideService(service, secret),
    openai, openaiBaseUrl: config.openaiBaseUrl, timeoutMs: config.modelTimeoutMs, streaming, clock,
    // A service on another machine reaches this one as people do.
    callBack: { baseUrl: () => `${(service === '' ? null : config.publicUrl) ?? address()}/v1`, credential: (userId) => accounts.internalCredential(userId) },
  });
}

/**
 * Makes a whole server.
 * @throws {SecretsError} when the secrets in the data folder cannot be used
 */
export function createParts(config: Config, overrides: PartOverrides = {}): Parts {
  const core = createCore(config, overrides);
  const { accounts, budgets, jobs, models, shared, storage, transfers, logs, tracer } = core;
  const conversations = createConversations({ ...core, log: logs.of('chat'), settings: config });
  observeConversations(tracer, conversations);
  const { agents, ledger, handingOver, transcripts } = createSessions({ ...core, log: logs.of('agents'), ledgerLog: logs.of('blockchain'), conversations, settings: config });
  observeAgents(tracer, agents);
  const presence = createPresence({ ...core, several: core.redis !== null });
  const langchain = createLangchain({ ...core, conversations, provider: core.providers.find(isLangchain) ?? null, features: config.langchain, isWatched: (id) => presence.isWatched(id) });
  const agent = createAgent({ ...core, log: logs.of('ai'), conversations, dataDir: config.databaseUrl === null ? config.dataDir : null });
  const monitoring = createMonitoring({ ...core, conversations, agent, providers: core.providers.map(({ id }) => id) });
  const operations = createOperations({
    ...core, log: logs.of('operations'), dataDir: config.databaseUrl === null ? config.dataDir : null,
    settings: createRunningSettings(config), modules: (viewer) => modulesOf(core, viewer), dialects: switchableDialects(config), restarter: overrides.restarter ?? null,
  });
  const pipelines = createPipelines({ ...core, log: logs.of('ai'), conversations });
  const dialectParts = { ...core, conversations, presence, langchain, settings: config, version, log: logs.of('http'), switches: operations.switches, ...(overrides.webDir === undefined ? {} : { webDir: overrides.webDir }) };
  const http = createHttpServer(dialectParts);
  registerOpenai(http.app, dialectParts);
  registerArketic(http.app, dialectParts);
  registerFriend(http.app, dialectParts);
  registerStudio(http.app, dialectParts);
  registerUltimate(http.app, { ...dialectParts, pipelines, operations, monitoring, agent, ollama: core.ollamaPool });
  registerAgentChat(http.app, { ...dialectParts, agents, transcripts, ledger, checks: createChecks() });
  const ollama = createOllamaServer(dialectParts);
  core.answersAt(() => urlOf(http.addresses()[0]!));
  // Stopping goes the other way round: the ports close, answers end while their readers are still there, then the sockets close.
  const faces = ollama ? [http, ollama] : [http];
  const order = [storage, ...shared, operations, accounts, budgets, models, transfers, ledger, handingOver, jobs, pipelines, presence, agent, monitoring, ...faces.map((face) => face.transport), conversations, ...faces.map((face) => face.listener)];
  return { ...core, conversations, agents, operations, monitoring, ledger, handingOver, http, ollama, start: () => startAll(order), stop: () => stopAll(order) };
}

function isOllama(provider: ModelProvider): provider is OllamaProvider {
  return provider.kind === 'ollama' && 'servers' in provider;
}

function isLangchain(provider: ModelProvider): provider is LangchainProvider {
  return provider.kind === 'langchain';
}

/** How a process on this machine reaches an address that is listened at. */
function urlOf({ host, port }: { host: string; port: number }): string {
  const own = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${own.includes(':') ? `[${own}]` : own}:${port}`;
}

/** The second app, where a port is set for it: Ollama's own API, and /v1, which Ollama's clients expect beside it. */
export function createOllamaServer(parts: DialectParts): HttpServer | null {
  const port = parts.settings.ollamaApiPort;
  if (port === null) return null;
  const server = createHttpServer(parts, ollamaFace(port));
  registerOllama(server.app, parts);
  registerOpenai(server.app, parts);
  return server;
}
