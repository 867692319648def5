import type { Clock } from '../../../../base/clock.ts';
import { asParleyError } from '../../../../base/errors.ts';
import type { Permit } from '../../breaker.ts';
import type { CallOptions, EmbedRequest, EmbedResult, ModelInfo, ModelInstance, ModelProvider, ModelRequest, ProviderState, ReplyError, ReplyEvent } from '../../types.ts';
import { callJson, createHttpClient, failedReply, replyErrorOf, saysSomething, streamReply, toParleyError, unreadable, wholePatience } from '../../wire/index.ts';
import { label } from './errors.ts';
import { createInstance, type Instance } from './instance.ts';
import { toChatBody } from './messages.ts';
import { refusal } from './options.ts';
import { createPool, isLoaded, type Pool } from './pool.ts';
import { createChatReplyReader } from './reply.ts';
import { createServers, loadedOn, type OllamaServers } from './servers.ts';
import type { InstalledModel } from './tags.ts';

export interface OllamaOptions {
  /** Base URLs, such as http://127.0.0.1:11434. Nothing but these is ever contacted. */
  urls: readonly string[];
  /** Milliseconds without a byte after which a call fails. The first byte comes only when the model is loaded. */
  timeoutMs: number;
  clock: Clock;
  /** Milliseconds between two looks at an instance. Default ten seconds. */
  lookEveryMs?: number;
}

/** A provider whose servers can be looked at, and be made to fetch models. */
export interface OllamaProvider extends ModelProvider {
  readonly servers: OllamaServers;
}

const howToAdd = 'Install Ollama from ollama.com and run `ollama pull llama3.2`, or set OLLAMA_URLS to where it runs.';

/**
 * One or several instances of Ollama as one provider. An answer goes to the instance that is likely to begin first; when
 * it fails before it said anything, the next one is asked.
 * @throws {Error} for a URL that cannot be used, naming it
 */
export function createOllamaProvider(options: OllamaOptions): OllamaProvider {
  const { clock, timeoutMs } = options;
  const client = createHttpClient(timeoutMs);
  const listeners = new Set<(model: string, instanceId: string) => void>();
  const onLoaded = (model: string, instanceId: string): void => listeners.forEach((listener) => listener(model, instanceId));
  const instances = [...new Map(options.urls.map((url) => createInstance(url, { client, clock, onLoaded })).map((instance) => [instance.id, instance])).values()];
  const pool = createPool(instances, clock, options.lookEveryMs);
  const house: House = { instances, pool, clock, timeoutMs };
  return {
    id: 'ollama',
    kind: 'ollama',
    location: instances.every((instance) => instance.address.isLoopback) ? 'local' : 'remote',
    needsKey: false,
    servers: createServers({ instances, pool, timeoutMs, listeners }),
    start: async () => pool.start(),
    async stop() {
      pool.stop();
      await client.close();
    },
    stream: (request, call) => {
      const refused = refusal(request);
      return refused ? failedReply(refused) : stream(house, request, call);
    },
    models: () => listModels(house),
    changedAt: () => Math.max(...instances.map((instance) => instance.changedAt)),
    embed: (request, call) => embed(house, request, call),
    state: () => stateOf(house),
    instances: () => instances.map(modelInstance),
  };
}

function modelInstance(instance: Instance): ModelInstance {
  const hasAnswered = instance.models !== null;
  return { provider: 'ollama', host: instance.address.host, isReachable: instance.isReachable && hasAnswered, hasAnswered, modelsLoaded: loadedOn(instance)?.length ?? 0 };
}

interface House {
  instances: readonly Instance[];
  pool: Pool;
  clock: Clock;
  timeoutMs: number;
}

async function* stream(house: House, request: ModelRequest, call: CallOptions): AsyncGenerator<ReplyEvent[]> {
  const { instances, pool } = house;
  let failure: ReplyEvent[] = [{ type: 'error', error: nobody(instances) }];
  for (const instance of pool.choose(request.model)) {
    const permit = instance.breaker.admit();
    if (!permit) continue;
    const attempt = new Attempt(house, instance, permit, request);
    try {
      for await (const events of attempt.ask(call.signal)) yield events;
    } finally {
      attempt.close(call.signal);
    }
    if (attempt.hasBegun) return;
    failure = attempt.held.slice(-1);
    if (!isForTheNext(failure)) break;
  }
  yield failure;
}

/** One instance asked for one answer. */
class Attempt {
  hasBegun = false;
  /** What came before anything was said: until then another instance may still take over. */
  readonly held: ReplyEvent[] = [];
  readonly #house: House;
  readonly #instance: Instance;
  readonly #permit: Permit;
  readonly #request: ModelRequest;
  readonly #began: number;
  readonly #wasLoaded: boolean | null;
  readonly #end: ReturnType<Instance['record']['begin']>;

  constructor(house: House, instance: Instance, permit: Permit, request: ModelRequest) {
    this.#house = house;
    this.#instance = instance;
    this.#permit = permit;
    this.#request = request;
    this.#began = house.clock.monotonic();
    this.#wasLoaded = isLoaded(instance, request.model);
    this.#end = instance.record.begin('answer');
  }

  /** The events of the answer, from the first that says something. */
  async* ask(signal: AbortSignal): AsyncGenerator<ReplyEvent[]> {
    const instance = this.#instance;
    const request = this.#request;
    const body = toChatBody(request, contextLengthOf(instance, request.model));
    const post = { ...instance.request('POST', '/api/chat', signal, body), ...(request.whole ? { timeoutMs: this.#house.timeoutMs * wholePatience } : {}) };
    for await (const events of streamReply({ service: instance.service, request: post, createReader: createChatReplyReader })) {
      this.#settle(events.at(-1)!);
      if (this.hasBegun) {
        yield events;
        continue;
      }
      this.held.push(...events);
      if (!saysSomething(events)) continue;
      this.#spoke();
      yield this.held;
    }
  }

  /** Whatever has not ended by now was left. */
  close(signal: AbortSignal): void {
    // Who waited and left has learnt something: it takes longer than that.
    if (!this.hasBegun && signal.aborted && !this.#request.whole) this.#instance.pace.longerThan(this.#elapsed(), this.#wasLoaded);
    this.#end('refused');
    this.#permit.release();
  }

  #spoke(): void {
    // A whole answer says nothing of how soon it began.
    if (!this.#request.whole) this.#instance.pace.measured(this.#elapsed(), this.#wasLoaded);
    this.hasBegun = true;
    this.#instance.memory.spoke(this.#instance.nameOf(this.#request.model));
  }

  #elapsed(): number {
    return this.#house.clock.monotonic() - this.#began;
  }

  #settle(event: ReplyEvent): void {
    settle(this.#permit, event, this.#instance, this.#house.pool);
    if (event.type === 'finish') this.#end('well');
    if (event.type === 'error') this.#end(event.error.serviceFault ? 'failed' : 'refused');
  }
}

async function embed({ instances, pool }: House, request: EmbedRequest, call: CallOptions): Promise<EmbedResult> {
  let failure: unknown = toParleyError(nobody(instances));
  for (const instance of pool.choose(request.model)) {
    const permit = instance.breaker.admit();
    if (!permit) continue;
    const end = instance.record.begin('embedding');
    try {
      const body = JSON.stringify({ model: request.model, input: request.texts, dimensions: request.dimensions });
      const result = readVectors(await callJson(instance.service, instance.request('POST', '/api/embed', call.signal, body)), request.texts.length);
      permit.success();
      end('well');
      instance.memory.spoke(instance.nameOf(request.model));
      return result;
    } catch (thrown) {
      failure = thrown;
      const error: ReplyEvent = { type: 'error', error: replyErrorOf(thrown) };
      settle(permit, error, instance, pool);
      end(error.error.serviceFault ? 'failed' : 'refused');
      if (!isForTheNext([error])) break;
    } finally {
      permit.release();
    }
  }
  throw failure;
}

async function listModels({ instances, pool }: House): Promise<ModelInfo[]> {
  await pool.look();
  const able = instances.filter((instance) => instance.isReachable && instance.models);
  if (able.length === 0) throw toParleyError(nobody(instances));
  return merge(able);
}

async function stateOf(house: House): Promise<ProviderState> {
  if (house.instances.length === 0) return { state: 'absent', detail: 'Ollama is switched off by OLLAMA_URLS=off.', howToAdd };
  try {
    const found = await listModels(house);
    const hosts = house.instances.filter((instance) => instance.isReachable).map((instance) => instance.address.host).join(', ');
    if (found.length === 0) return { state: 'absent', detail: `${label} runs at ${hosts}, but has no model yet.`, howToAdd: 'Run `ollama pull llama3.2`, or any other model.' };
    return { state: 'ready', detail: `${label} at ${hosts} offers ${found.length === 1 ? 'one model' : `${found.length} models`}.`, howToAdd: '' };
  } catch (thrown) {
    return { state: 'absent', detail: asParleyError(thrown).message, howToAdd };
  }
}

/** Whether another instance may do better: at faults of this one, and where this one lacks the model. */
function isForTheNext(failure: ReplyEvent[]): boolean {
  const last = failure.at(-1);
  return last?.type === 'error' && (last.error.serviceFault || last.error.code === 'model_not_found');
}

function settle(permit: Permit, event: ReplyEvent, instance: Instance, pool: Pool): void {
  if (event.type === 'finish') permit.success();
  if (event.type !== 'error') return permit.alive();
  if (!event.error.serviceFault) return permit.release();
  permit.fault();
  // It said nothing at all.
  if (event.error.status !== undefined) return;
  if (event.error.code === 'provider_unavailable') instance.lost();
  pool.suspect(instance);
}

function contextLengthOf(instance: Instance, model: string): number | null {
  return instance.models?.get(instance.nameOf(model))?.contextLength ?? null;
}

function nobody(instances: readonly Instance[]): ReplyError {
  const hosts = instances.map((instance) => instance.address.host).join(', ');
  if (instances.length > 0 && instances.every((instance) => instance.isParley)) {
    return { code: 'provider_unavailable', message: `At ${hosts} answers Parley itself (OLLAMA_API_PORT), which is not asked as Ollama.`, serviceFault: true };
  }
  const retryAfterMs = Math.ceil(Math.min(...instances.filter(({ isParley }) => !isParley).map(({ breaker }) => breaker.retryAfterMs())));
  if (retryAfterMs > 0 && instances.some(({ isReachable }) => isReachable)) {
    const message = `${label} at ${hosts} has failed several times in a row and is left alone for ${Math.ceil(retryAfterMs / 1000)} more seconds.`;
    return { code: 'provider_unavailable', message, retryAfterMs, serviceFault: true };
  }
  return { code: 'provider_unavailable', message: hosts === '' ? 'Ollama is switched off.' : `${label} cannot be reached at ${hosts}. Is it running?`, serviceFault: true };
}

/** Every model once. It is local only where every instance that has it is: the answer may come from any of them. */
function merge(instances: readonly Instance[]): ModelInfo[] {
  const merged = new Map<string, ModelInfo>();
  for (const instance of instances) {
    for (const model of instance.models!.values()) {
      const info = toInfo(model, instance);
      const known = merged.get(model.name);
      if (!known) merged.set(model.name, info);
      else if (info.location === 'remote') merged.set(model.name, { ...known, location: 'remote' });
    }
  }
  return [...merged.values()].filter((model) => model.kinds.length > 0);
}

function toInfo(model: InstalledModel, instance: Instance): ModelInfo {
  return {
    id: `ollama/${model.name}`,
    provider: 'ollama',
    model: model.name,
    label: model.name.replace(/:latest$/, ''),
    kinds: model.kinds,
    location: instance.address.isLoopback && !model.isCloud ? 'local' : 'remote',
    contextLength: model.contextLength,
    sizeBytes: model.sizeBytes,
    createdAt: model.modifiedAt,
    details: model.details,
  };
}

/** @throws {ParleyError} `provider_error` when there is not one vector for each text */
function readVectors(answer: unknown, texts: number): EmbedResult {
  const { embeddings, prompt_eval_count: tokens } = answer as { embeddings?: unknown; prompt_eval_count?: unknown };
  const vectors = Array.isArray(embeddings) ? embeddings.map((vector) => (isVector(vector) ? Float32Array.from(vector) : null)) : [];
  if (vectors.length !== texts || vectors.includes(null)) throw toParleyError(unreadable({ label }));
  return { vectors: vectors as Float32Array[], tokensIn: typeof tokens === 'number' ? tokens : null };
}

function isVector(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((number) => typeof number === 'number');
}
