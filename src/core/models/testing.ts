import { createMetrics, silentLog } from '../../base/observability/index.ts';
import { startStandIn, type StandIn, type StandInOptions } from '../../../test/stand-in/index.ts';
import { createModels, type ModelSettings } from './registry.ts';
import { createBuiltinProvider } from './providers/builtin/index.ts';
import { createAnthropicProvider } from './providers/anthropic/index.ts';
import { createCohereProvider } from './providers/cohere/index.ts';
import { createGoogleProvider } from './providers/google/index.ts';
import { createOllamaProvider } from './providers/ollama/index.ts';
import { createOpenaiProvider } from './providers/openai/index.ts';
import { createOpenaiCompatibleProvider } from './providers/openai-compatible/index.ts';
import { collect } from './providers/provider-suite.ts';
import type { Caller, Models } from './service.ts';
import type { ModelProvider, ModelRequest, ReplyEvent } from './types.ts';

/** A registry with real providers over stand-ins, for its tests. */
export interface House {
  models: Models;
  openai: StandIn;
  ollama: StandIn;
  /** The server behind the compatible provider `nearby`. */
  nearby: StandIn;
  /** What answers for Anthropic, Google and Cohere alike. */
  makers: StandIn;
  /** Keys that users keep, as `user provider`. */
  userKeys: Map<string, string>;
  /** Moves the clock on; nothing waits for it. */
  pass(milliseconds: number): void;
  /** Asks a model by name and returns all events. */
  ask(name: string | null, caller?: Caller, signal?: AbortSignal): Promise<ReplyEvent[]>;
  close(): Promise<void>;
}

export interface HouseOptions {
  settings?: Partial<ModelSettings>;
  /** Providers to have; default `openai`, `ollama`, `nearby` and `builtin`. */
  have?: ('openai' | 'anthropic' | 'google' | 'cohere' | 'ollama' | 'nearby' | 'builtin')[];
  /** More providers, made for the test. */
  more?: ModelProvider[];
  openai?: StandInOptions;
  ollama?: StandInOptions;
  nearby?: StandInOptions;
  retryPausesMs?: number[];
}

export const owner: Caller = { userId: 'owner', role: 'owner' };
export const guest: Caller = { userId: 'guest', role: 'user' };
export const question: Omit<ModelRequest, 'model'> = { messages: [{ role: 'user', content: 'Hello' }] };

export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const [openai, ollama, nearby, makers] = await Promise.all([startStandIn(options.openai), startStandIn(options.ollama), startStandIn(options.nearby), startStandIn()]);
  const userKeys = new Map<string, string>();
  let time = 1_000_000;
  const clock = { now: () => time, monotonic: () => time };
  const timeoutMs = 300;
  const have: NonNullable<HouseOptions['have']> = options.have ?? ['openai', 'ollama', 'nearby', 'builtin'];
  const all: Record<NonNullable<HouseOptions['have']>[number], () => ModelProvider> = {
    openai: () => createOpenaiProvider({ baseUrl: `${openai.url}/v1`, timeoutMs, clock }),
    anthropic: () => createAnthropicProvider({ baseUrl: `${makers.url}/anthropic`, timeoutMs, clock }),
    google: () => createGoogleProvider({ baseUrl: `${makers.url}/google`, timeoutMs, clock }),
    cohere: () => createCohereProvider({ baseUrl: `${makers.url}/cohere`, timeoutMs, clock }),
    ollama: () => createOllamaProvider({ urls: [ollama.url], timeoutMs, clock }),
    nearby: () => createOpenaiCompatibleProvider({ id: 'nearby', baseUrl: `${nearby.url}/v1`, timeoutMs, clock }),
    builtin: () => createBuiltinProvider({ surroundings: async () => [] }),
  };
  const models = createModels({
    providers: [...have.map((name) => all[name]()), ...(options.more ?? [])],
    providerKey: async (userId, provider) => userKeys.get(`${userId} ${provider}`) ?? null,
    clock,
    log: silentLog(),
    metrics: createMetrics(),
    settings: { shareProviderKeys: false, openaiApiKey: null, compatibleKeys: new Map(), defaultModel: null, fallbackModels: [], ...options.settings },
    retryPausesMs: options.retryPausesMs ?? [1, 2],
  });
  await models.start!();
  return {
    models, openai, ollama, nearby, makers, userKeys,
    pass: (milliseconds) => { time += milliseconds; },
    async ask(name, caller = owner, signal = new AbortController().signal) {
      return (await collect(models.reply(await models.resolve(name, caller), question, caller, signal))).flat();
    },
    async close() {
      await models.stop!();
      await Promise.all([openai.close(), ollama.close(), nearby.close(), makers.close()]);
    },
  };
}

/** Requests for answers that a stand-in received. */
export function chats(standIn: StandIn): number {
  return standIn.requests.filter((request) => request.path.endsWith('/chat/completions') || request.path === '/api/chat').length;
}
