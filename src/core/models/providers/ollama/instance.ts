import type { Clock } from '../../../../base/clock.ts';
import { createBreaker, type Breaker } from '../../breaker.ts';
import { callJson, parseAddress, replyErrorOf, type Address, type HttpClient, type HttpRequest, type Service } from '../../wire/index.ts';
import { isParleyItself, label, readStatusError } from './errors.ts';
import { LoadedModels } from './memory.ts';
import { listedName } from './names.ts';
import { Pace } from './pace.ts';
import { InstanceRecord } from './record.ts';
import { readDetails, readRunning, readTags, type InstalledModel } from './tags.ts';

/** One running Ollama. */
export interface Instance {
  /** Host and port, as configured, and the path in front of its API where there is one. */
  readonly id: string;
  readonly address: Address;
  readonly service: Service;
  /** A new one when it comes back after it could not be reached. */
  readonly breaker: Breaker;
  /** What it had when it was last asked; null before that. */
  readonly models: ReadonlyMap<string, InstalledModel> | null;
  /** Whether it answered when it was last asked or used. */
  readonly isReachable: boolean;
  /** What answers there is the Ollama port of this or another Parley: it is never used, else answers would go round in circles. */
  readonly isParley: boolean;
  /** Monotonic time at which it was last seen to have other models than before. */
  readonly changedAt: number;
  /** Monotonic time at which the last look at it began. */
  readonly lookedAt: number;
  readonly isLooking: boolean;
  readonly record: InstanceRecord;
  readonly pace: Pace;
  readonly memory: LoadedModels;
  /** Asks what it has, and what is in its memory; who asks meanwhile gets the same answer. @throws {ParleyError} when it does not say */
  look(): Promise<ReadonlyMap<string, InstalledModel>>;
  /** Its own name of a model: the one it lists. */
  nameOf(model: string): string;
  /** Whether it listed this model when it was last asked; null when it was not asked yet. */
  has(model: string): boolean | null;
  request(method: HttpRequest['method'], path: string, signal: AbortSignal, body?: string): HttpRequest;
  /** It could not be reached: it comes last until it answers a look. */
  lost(): void;
}

/** Milliseconds an instance has to say what it has. */
const lookPatienceMs = 1500;
/** Details asked for at the same time. */
const detailsAtOnce = 4;

export interface InstanceParts {
  client: HttpClient;
  clock: Clock;
  /** Called when a model was loaded there. */
  onLoaded(model: string, instanceId: string): void;
}

/** @throws {Error} when the URL cannot be used */
export function createInstance(url: string, { client, clock, onLoaded }: InstanceParts): Instance {
  const address = parseAddress(url);
  const id = address.host + address.path;
  const service: Service = {
    client,
    label: `${label} at ${address.host}`,
    host: address.host,
    readError: (status, body, answer) => readStatusError(status, body, answer.headers, clock.now()),
  };
  const details: Details = new Map();
  const memory = new LoadedModels(clock, (model) => onLoaded(model, id));
  const record = new InstanceRecord(clock);
  const state = { breaker: createBreaker(clock), models: null as ReadonlyMap<string, InstalledModel> | null, isReachable: true, isParley: false, lookedAt: -Infinity, changedAt: -Infinity };
  let looking: Promise<ReadonlyMap<string, InstalledModel>> | null = null;

  const request: Instance['request'] = (method, path, signal, body) => {
    const headers: Record<string, string> = { 'x-parley-provider': 'ollama', ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    return { method, origin: address.origin, path: address.path + path, headers, signal, ...(body === undefined ? {} : { body }) };
  };
  const look = async (): Promise<ReadonlyMap<string, InstalledModel>> => {
    const signal = AbortSignal.timeout(lookPatienceMs);
    state.lookedAt = clock.monotonic();
    let models: InstalledModel[];
    try {
      models = readTags(await callJson(service, request('GET', '/api/tags', signal)));
    } catch (thrown) {
      record.probed(false);
      state.isReachable = false;
      state.isParley = isParleyItself(thrown);
      throw thrown;
    }
    record.probed(true);
    await Promise.all([addDetails({ service, request }, models, details, signal), lookAtMemory({ service, request }, memory, clock, signal)]);
    if (state.models && (state.models.size !== models.length || models.some(({ name }) => !state.models!.has(name)))) state.changedAt = clock.monotonic();
    state.models = new Map(models.map((model) => [model.name, { ...model, ...details.get(model.digest) }]));
    // What it failed at before says nothing of the one that is there now.
    if (!state.isReachable) state.breaker = createBreaker(clock);
    state.isReachable = true;
    state.isParley = false;
    return state.models;
  };
  const nameOf = (model: string): string => (state.models?.has(model) ? model : listedName(model));

  return {
    id, address, service, record, memory, request, nameOf,
    pace: new Pace(clock),
    get breaker() { return state.breaker; },
    get models() { return state.models; },
    get isReachable() { return state.isReachable; },
    get isParley() { return state.isParley; },
    get changedAt() { return state.changedAt; },
    get lookedAt() { return state.lookedAt; },
    get isLooking() { return looking !== null; },
    has: (model) => state.models?.has(nameOf(model)) ?? null,
    look() {
      looking ??= look().finally(() => (looking = null));
      return looking;
    },
    lost() { state.isReachable = false; },
  };
}

/** Details by digest: they never change. */
type Details = Map<string, Pick<InstalledModel, 'contextLength' | 'kinds' | 'details'>>;

async function addDetails({ service, request }: Pick<Instance, 'service' | 'request'>, models: readonly InstalledModel[], details: Details, signal: AbortSignal): Promise<void> {
  const unknown = models.filter((model) => !details.has(model.digest));
  for (let from = 0; from < unknown.length; from += detailsAtOnce) {
    await Promise.all(unknown.slice(from, from + detailsAtOnce).map(async (model) => {
      const body = JSON.stringify({ model: model.name });
      // One model without details must not hide the others: it is asked about again at the next look.
      const shown = await callJson(service, request('POST', '/api/show', signal, body)).catch(() => null);
      if (shown !== null) details.set(model.digest, readDetails(shown, model));
    }));
  }
}

async function lookAtMemory({ service, request }: Pick<Instance, 'service' | 'request'>, memory: LoadedModels, clock: Clock, signal: AbortSignal): Promise<void> {
  const askedAt = clock.monotonic();
  try {
    memory.listed(readRunning(await callJson(service, request('GET', '/api/ps', signal))), askedAt);
  } catch (thrown) {
    // Older versions have no such address; one that is only slow has said it before.
    if (replyErrorOf(thrown).status !== undefined) memory.notListed();
  }
}
