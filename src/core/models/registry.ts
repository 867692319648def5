import { Counter, Gauge } from 'prom-client';
import type { Clock } from '../../base/clock.ts';
import { asParleyError, ParleyError } from '../../base/errors.ts';
import type { Log, Metrics } from '../../base/observability/index.ts';
import { askInTurn, openBreaker, pauseBefore, sleep, type Candidate } from './asking.ts';
import { Candidates } from './candidates.ts';
import { createBreaker, type Breaker } from './breaker.ts';
import { createCatalogue, type Catalogue, listPatienceMs, withPatience } from './catalogue.ts';
import { drawPriceOf } from './drawing-prices.ts';
import { createKeys, type Keys, type KeySettings } from './keys.ts';
import { Leaves } from './leaves.ts';
import { Names } from './names.ts';
import { priceOf } from './prices.ts';
import type { Caller, Models, Target } from './service.ts';
import { keepToFormat } from './structured.ts';
import { withoutLangchain } from './providers/langchain/index.ts';
import { countTokens } from './tokens.ts';
import type { CallOptions, DrawRequest, DrawResult, EmbedRequest, EmbedResult, ModelInfo, ModelProvider, ModelRequest, ProviderState, ReplyEvent } from './types.ts';
import { replyErrorOf, toParleyError } from './wire/index.ts';

/** The settings of the registry, as src/config.ts reads them. */
export interface ModelSettings extends KeySettings {
  /** Model for whoever names none; null leaves the choice to the rule in docs/models.md. */
  defaultModel: string | null;
  /** Models to ask, in order, when a service is down. */
  fallbackModels: readonly string[];
  /** Providers whose breaker only counts and never refuses. */
  withoutBreaker?: readonly string[];
}

export interface ModelParts {
  /** In any order; those on this machine are looked at first. Their ids must differ. */
  providers: readonly ModelProvider[];
  /** The key a user keeps with us for a provider, decrypted; null when there is none. */
  providerKey(userId: string, provider: string): Promise<string | null>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  settings: ModelSettings;
  /** Milliseconds before each further try of a call that failed. Default 300 and 1000. */
  retryPausesMs?: readonly number[];
}

/** Milliseconds for which what was found is shown again to people who look at what there is. */
const shownMs = 500;

/**
 * The registry over all providers.
 * @throws {Error} when two providers have the same id
 */
export function createModels(parts: ModelParts): Models {
  const { clock, log, settings } = parts;
  const providers = [...parts.providers].sort((one, other) => Number(other.location === 'local') - Number(one.location === 'local'));
  const byId = new Map(providers.map((provider) => [provider.id, provider]));
  if (byId.size < providers.length) throw new Error(`Two model providers have the same name: ${providers.map((provider) => provider.id).join(', ')}.`);
  const breakers = new Map(providers.map((provider) => [provider.id, createBreaker(clock, !settings.withoutBreaker?.includes(provider.id))]));
  const keys = createKeys(settings, parts.providerKey);
  const catalogue = createCatalogue(clock, log);
  // LangChain offers nothing of its own: its models are those of the others, by another way.
  const offering = providers.filter((provider) => provider.kind !== 'langchain');
  const names = new Names({ providers: offering, keys, catalogue, defaultModel: settings.defaultModel, hasLangchain: offering.length < providers.length });
  const leaves = new Leaves(byId, breakers, (provider) => onFault(provider));
  const candidates = new Candidates({ byId, breakers, keys, names, fallbackModels: settings.fallbackModels, log });
  const onFault = countFaults(parts.metrics, breakers);
  const asking = { log, retryPausesMs: parts.retryPausesMs ?? [300, 1000], onFault };

  const describe = async (provider: ModelProvider, caller: Caller): Promise<ProviderReport> => {
    const apiKey = await keys.find(provider, caller);
    const needsKey = keys.isNeeded(provider);
    const [state, listing] = await Promise.all([stateOf(provider, apiKey), offering.includes(provider) && (apiKey !== null || !needsKey) ? catalogue.renew(provider, apiKey, shownMs) : null]);
    const { id, kind, location } = provider;
    return { id, kind, location, needsKey, breaker: breakers.get(id)!.state(), models: listing?.models ?? [], ...state };
  };

  return {
    name: 'models',
    start: () => startProviders(providers, log),
    stop: async () => { await Promise.allSettled(providers.map((provider) => provider.stop?.())); },
    list: (caller) => listModels(offering, keys, catalogue, caller),
    resolve: (name, caller) => names.resolve(name, caller),
    reply(target, request, caller, signal) {
      const ask = (): AsyncGenerator<ReplyEvent[]> => askInTurn(asking, target.id, candidates.inTurn(target, caller, leaves.take(target)), request, signal);
      return request.responseFormat ? keepToFormat(request.responseFormat, request, ask, signal) : ask();
    },
    ready: (target) => leaves.ready(target),
    dismiss: (target) => leaves.take(target)?.release(),
    openBatch: async (target, requests, caller, signal) => openBatch(target, await candidates.of(target, caller), requests, signal),
    async embed(target, texts, caller, signal, dimensions) {
      const candidate = await candidates.of(target, caller);
      return embedBy(candidate, asking, { model: candidate.model, texts, ...(dimensions === undefined ? {} : { dimensions }) }, signal);
    },
    async draw(target, request, caller, signal) {
      const candidate = await candidates.of(target, caller);
      return drawBy(candidate, asking, { ...request, model: candidate.model }, signal);
    },
    drawCost: (target, request) => drawPriceOf(target.id, request),
    async countTokens(target, text) {
      const own = await byId.get(target.provider)?.countTokens?.(target.model, text);
      if (own !== null && own !== undefined) return { tokens: own, exact: true };
      return { tokens: (await countTokens(text)).tokens, exact: false };
    },
    cost(target, tokensIn, tokensOut, tokensCached) {
      const id = withoutLangchain(target.id);
      const provider = byId.get(id.slice(0, id.indexOf('/')));
      if (provider && isFree(provider, id)) return 0;
      return typeof tokensIn === 'number' && typeof tokensOut === 'number' ? priceOf(id, tokensIn, tokensOut, tokensCached ?? 0, clock.now()) : null;
    },
    async mayAsk(id, caller) {
      const provider = byId.get(id);
      return provider !== undefined && (!keys.isNeeded(provider) || (await keys.find(provider, caller)) !== null);
    },
    breaker: (provider) => breakers.get(provider)?.state() ?? null,
    hasProvider: (id) => byId.has(id),
    loaded: () => providers.flatMap((provider) => provider.loaded?.() ?? []).sort((one, other) => other.lastUsedAt - one.lastUsedAt),
    instances: () => providers.flatMap((provider) => provider.instances?.() ?? []),
    providers: (caller) => Promise.all(providers.map((provider) => describe(provider, caller))),
  };
}

/** What the caller can use now. */
async function listModels(offering: readonly ModelProvider[], keys: Keys, catalogue: Catalogue, caller: Caller): Promise<ModelInfo[]> {
  const lists = await Promise.all(offering.map(async (provider) => {
    const apiKey = await keys.find(provider, caller);
    if (apiKey === null && keys.isNeeded(provider)) return [];
    // Reading a folder costs next to nothing, and whoever has just put a file into it looks for it here.
    const listing = provider.kind === 'llama' ? await catalogue.renew(provider, apiKey, shownMs) : await catalogue.get(provider, apiKey);
    return listing.models;
  }));
  return lists.flat();
}

type ProviderReport = Awaited<ReturnType<Models['providers']>>[number];

/**
 * Models that run on this machine cost nothing. Ollama's cloud models run elsewhere; what a compatible server here costs
 * is known to its owner alone.
 */
function isFree(provider: ModelProvider, id: string): boolean {
  return ['llama', 'ollama', 'builtin'].includes(provider.kind) && provider.location === 'local' && !/[:-]cloud$/.test(id);
}

/** Starts all providers at the same time. One that cannot start says so in its state; the others are not held up. */
async function startProviders(providers: readonly ModelProvider[], log: Log): Promise<void> {
  await Promise.all(providers.map(async (provider) => {
    try {
      await provider.start?.();
    } catch (thrown) {
      log.error({ err: thrown, provider: provider.id }, 'a model provider could not start');
    }
  }));
}

async function stateOf(provider: ModelProvider, apiKey: string | null): Promise<ProviderState> {
  const patience = listPatienceMs[provider.location];
  try {
    return await withPatience(patience, (signal) => provider.state({ apiKey, signal }));
  } catch (thrown) {
    return { state: 'error', detail: asParleyError(thrown).message, howToAdd: '' };
  }
}

type Caring = { retryPausesMs: readonly number[]; onFault(provider: string): void };

/** Opens places for a batch with the provider of its target, where that has any. */
async function openBatch(target: Target, { provider, model, apiKey, userId }: Candidate, requests: readonly Omit<ModelRequest, 'model'>[], signal: AbortSignal): Promise<Awaited<ReturnType<Models['openBatch']>>> {
  const batch = (await provider.openBatch?.(requests.map((request) => ({ ...request, model })), { signal, apiKey, userId })) ?? null;
  return batch && { target: { ...target, batch }, batch };
}

/** Embeds by this model and no other: the vectors of another one would not compare. */
async function embedBy(candidate: Candidate, asking: Caring, request: EmbedRequest, signal: AbortSignal): Promise<EmbedResult> {
  const { provider, apiKey, userId } = candidate;
  if (!provider.embed) throw new ParleyError('unsupported_value', { message: `${candidate.id} makes no embeddings.`, parameter: 'model' });
  return withCare(candidate, asking, (again) => again(() => provider.embed!(request, { signal, apiKey, userId }), signal));
}

/** Draws by this model and no other: nobody asked for the pictures of another one. What was drawn already is not drawn, and paid, again. */
async function drawBy(candidate: Candidate, asking: Caring, request: DrawRequest, signal: AbortSignal): Promise<DrawResult> {
  const { provider, apiKey, userId } = candidate;
  if (!provider.draw) throw new ParleyError('unsupported_value', { message: `${candidate.id} draws no pictures.`, parameter: 'model' });
  return withCare(candidate, asking, (again) => provider.draw!(request, { signal, apiKey, userId, again }));
}

type Again = NonNullable<CallOptions['again']>;

/**
 * Calls with the same care as a reply: breaker and further tries.
 * @param call gets what tries a step of it again
 */
async function withCare<Result>(candidate: Candidate, asking: Caring, call: (again: Again) => Promise<Result>): Promise<Result> {
  const { provider, breaker } = candidate;
  const permit = breaker.admit();
  if (!permit) throw toParleyError(openBreaker(candidate));
  const pausesMs = permit.isTrial ? [] : asking.retryPausesMs;
  try {
    const result = await call((step, signal) => tryAgain(step, signal, pausesMs));
    permit.success();
    return result;
  } catch (thrown) {
    if (replyErrorOf(thrown).serviceFault) {
      permit.fault();
      asking.onFault(provider.id);
    }
    throw thrown;
  } finally {
    permit.release();
  }
}

async function tryAgain<Result>(step: () => Promise<Result>, signal: AbortSignal, pausesMs: readonly number[]): Promise<Result> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await step();
    } catch (thrown) {
      const pause = pauseBefore(replyErrorOf(thrown), pausesMs[attempt]);
      if (pause === null || !(await sleep(pause, signal))) throw thrown;
    }
  }
}

/** Figures for /metrics: faults by provider, and which breakers are open. */
function countFaults(metrics: Metrics, breakers: ReadonlyMap<string, Breaker>): (provider: string) => void {
  const registers = [metrics.registry];
  const faults = new Counter({ name: 'parley_model_faults_total', help: 'Calls that failed by a fault of the model service', labelNames: ['provider'], registers });
  new Gauge({
    name: 'parley_model_breaker_open',
    help: '1 while calls to the model service are refused',
    labelNames: ['provider'],
    registers,
    collect() {
      for (const [provider, breaker] of breakers) this.set({ provider }, breaker.state().state === 'OPEN' ? 1 : 0);
    },
  });
  return (provider) => faults.inc({ provider });
}
