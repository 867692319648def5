import type { Part } from '../../base/lifecycle.ts';
import type { DrawRequest, DrawResult, EmbedResult, LoadedModelInfo, ModelBatch, ModelInfo, ModelInstance, ModelRequest, ProviderState, ReplyEvent } from './types.ts';

/** For whom a model is called: decides whose provider keys are used. */
export interface Caller {
  userId: string;
  role: 'owner' | 'admin' | 'user';
}

/** Which model will be asked. Made by `resolve`, from a name out of a request or a conversation. */
export interface Target {
  /** `provider/model`: what the answer names. */
  id: string;
  provider: string;
  model: string;
  contextLength: number | null;
  /** Whether it sees pictures; null, or undefined, when not known: then they are sent, and its service has the last word. */
  seesPictures?: boolean | null;
  /** `builtin` answers only in `/v1`, arketic and the page; other dialects answer 503 `no_model` instead. */
  isBuiltin: boolean;
  /** No fallback model is asked in its place. Default false. */
  isExclusive?: boolean;
  /** The batch that requests to this target belong to, as `openBatch` gave it. */
  batch?: ModelBatch;
}

/**
 * Everything the rest of Parley knows of models: one registry over all providers, with keys, routing, breakers,
 * retries and prices. Implemented by `createModels` in ./registry.ts.
 */
export interface Models extends Part {
  /** Models this caller can use now. Providers that do not answer in time are left out (see `providers`). */
  list(caller: Caller): Promise<ModelInfo[]>;
  /**
   * The target for a name: `provider/model`, or a bare name as the documents use them (`gpt-4o`, `llama2`), by the
   * rule in docs/models.md, never silently something else; null means the default model.
   * @throws {ParleyError} `model_not_found` (its message lists what there is), `no_api_key`, `no_model`.
   */
  resolve(name: string | null, caller: Caller): Promise<Target>;
  /**
   * Asks the target. Service faults are tried again with growing pauses only while nothing was yielded; the breaker of
   * the provider counts a call that failed for good. When the service of the target is down, the configured fallback
   * models are asked. A `model` event, if any, comes before everything else and names the model that spoke as
   * `provider/model`; there is none when the target itself spoke. Ends with `finish` or `error`, never throws.
   * With `responseFormat` the text is held against it, see keepToFormat in ./structured.ts.
   */
  reply(target: Target, request: Omit<ModelRequest, 'model'>, caller: Caller, signal: AbortSignal): AsyncIterable<ReplyEvent[]>;
  /**
   * Takes leave of the target's breaker for one reply, and makes sure that its service is there. The target that is returned
   * carries the leave: it is for one `reply`, or `dismiss` when that is not made. A service that is not there counts as a
   * call that failed. @throws {ParleyError} `provider_unavailable`, at once while the breaker is open
   */
  ready(target: Target): Promise<Target>;
  /** Gives back the leave of a target that was made ready and is not asked. */
  dismiss(target: Target): void;
  /**
   * Opens places in which requests to the target are evaluated together. What is returned is the target for these requests, for
   * `reply`, and the batch, which the caller closes when all of them have ended. Null where the target's provider cannot do that,
   * or has no room for it now. @throws {ParleyError} as `ModelProvider.openBatch`
   */
  openBatch(target: Target, requests: readonly Omit<ModelRequest, 'model'>[], caller: Caller, signal: AbortSignal): Promise<{ target: Target; batch: ModelBatch } | null>;
  /** @throws {ParleyError} what went wrong, as ReplyError.code. */
  embed(target: Target, texts: string[], caller: Caller, signal: AbortSignal, dimensions?: number): Promise<EmbedResult>;
  /**
   * Draws pictures: exactly as many as asked, or it throws. No other model is asked in place of the target.
   * @throws {ParleyError} what went wrong, as ReplyError.code; `unsupported_value` for a model that does not draw
   */
  draw(target: Target, request: Omit<DrawRequest, 'model'>, caller: Caller, signal: AbortSignal): Promise<DrawResult>;
  /**
   * Micro-dollars for pictures, by the dated price table; null when the price is not known.
   * @param target the model that drew
   */
  drawCost(target: Pick<Target, 'id'>, request: Pick<DrawRequest, 'count' | 'size' | 'quality'>): number | null;
  /**
   * Tokens of a text for the target: by its own tokenizer, else an estimate by another one (see docs/models.md).
   * `exact` says which.
   */
  countTokens(target: Target, text: string): Promise<{ tokens: number; exact: boolean }>;
  /**
   * Micro-dollars for a call, by the dated price table; null when the price or the tokens are not known; 0 for models on
   * this machine, whatever the tokens.
   * @param target the model that spoke: after a `model` event its `id`, not that of the target that was asked
   */
  cost(target: Pick<Target, 'id'>, tokensIn: number | null | undefined, tokensOut: number | null | undefined, tokensCached?: number): number | null;
  /** Whether there is such a provider, and the caller has the key that it needs. */
  mayAsk(provider: string, caller: Caller): Promise<boolean>;
  /** The breaker of a provider now; null for a provider that is none. */
  breaker(provider: string): BreakerState | null;
  /** Whether there is a provider of this id, whether it can be used or not. */
  hasProvider(id: string): boolean;
  /** The models that this process holds in memory now, the last used first. */
  loaded(): LoadedModelInfo[];
  /** The servers of providers that have several (Ollama). */
  instances(): ModelInstance[];
  /** Every provider with its state, its breaker and what it offers: the set-up page, `doctor`, /health. */
  providers(caller: Caller): Promise<(ProviderState & { id: string; kind: string; location: string; needsKey: boolean; breaker: BreakerState; models: ModelInfo[] })[]>;
}

/** State of a circuit breaker: CLOSED lets calls through, OPEN refuses, HALF_OPEN lets one trial through. */
export interface BreakerState {
  state: 'CLOSED' | 'OPEN' | 'HALF_OPEN';
  /** Consecutive service faults. */
  failures: number;
  threshold: number;
  /** Milliseconds the breaker stays open before the trial. */
  openMs: number;
  /** Milliseconds since the epoch; null when there was none. */
  lastFailureAt: number | null;
}
