import { ParleyError } from '../../../../base/errors.ts';
import type { Instance } from './instance.ts';
import { manage, type ModelAction } from './managing.ts';
import type { Pool } from './pool.ts';
import { pullTo, type PullProgress } from './pulling.ts';

/** One instance of Ollama, as it is now. Counts are since the start. */
export interface OllamaInstance {
  /** Host and port, as configured. */
  id: string;
  /** `healthy`: it answered the newest look, and few of its last requests failed. `unreachable`: it did not answer. */
  state: 'healthy' | 'degraded' | 'unreachable';
  /** Whether it runs on this machine. */
  isLocal: boolean;
  /** Share of the last 20 looks that it answered in time; null before the first. */
  healthScore: number | null;
  /** Requests it is working on now. */
  running: number;
  total: number;
  succeeded: number;
  failed: number;
  /** Mean of finished answers and vectors; null before the first. */
  meanMs: number | null;
  /** Models it listed at the newest look; none when it did not answer. */
  models: readonly string[];
  /** Those of them in its memory; null when it does not say. */
  loaded: readonly string[] | null;
  /** Milliseconds since the epoch of the newest look; null before the first. */
  probedAt: number | null;
}

/** The servers of the provider, for whoever looks after them. */
export interface OllamaServers {
  /** How they are: nothing older than a second. */
  instances(): Promise<OllamaInstance[]>;
  /** Their ids. */
  readonly ids: readonly string[];
  /** As pullTo in ./pulling.ts. @throws {ParleyError} `not_found` for an instance that is none, also what pullTo throws */
  pull(instanceId: string, model: string, signal: AbortSignal): AsyncGenerator<PullProgress>;
  /** As manage in ./managing.ts. @throws {ParleyError} `not_found` for an instance that is none, also what manage throws */
  manage(instanceId: string, action: ModelAction, model: string, signal: AbortSignal): Promise<void>;
  /** Calls `listener` once each time a model is loaded on an instance; the returned function ends that. */
  onLoaded(listener: (model: string, instanceId: string) => void): () => void;
}

/** Milliseconds within which what was seen is shown again. */
const shownMs = 1000;

export interface ServersParts {
  instances: readonly Instance[];
  pool: Pool;
  timeoutMs: number;
  listeners: Set<(model: string, instanceId: string) => void>;
}

export function createServers({ instances, pool, timeoutMs, listeners }: ServersParts): OllamaServers {
  const instanceOf = (id: string): Instance => {
    const instance = instances.find((each) => each.id === id);
    if (!instance) throw new ParleyError('not_found', { message: 'There is no such instance of Ollama.', parameter: 'instance_id' });
    return instance;
  };
  return {
    ids: instances.map(({ id }) => id),
    async instances() {
      await pool.look(shownMs);
      return instances.map(describe);
    },
    pull: (instanceId, model, signal) => pullTo(instanceOf(instanceId), model, signal, timeoutMs),
    manage: async (instanceId, action, model, signal) => manage(instanceOf(instanceId), action, model, signal, timeoutMs),
    onLoaded(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Models that an instance lists; none when it does not answer. */
function listedBy({ models, isReachable }: Instance): string[] {
  return isReachable && models !== null ? [...models.keys()] : [];
}

/** Those of them in its memory; null when it does not say. */
export function loadedOn(instance: Instance): string[] | null {
  const names = listedBy(instance);
  if (!instance.isReachable || instance.models === null || names.some((name) => instance.memory.has(name) === null)) return null;
  return names.filter((name) => instance.memory.has(name));
}

function describe(instance: Instance): OllamaInstance {
  const { id, address, record, models, isReachable, breaker } = instance;
  const answered = isReachable && models !== null;
  const isTroubled = record.oftenFails || breaker.state().state === 'OPEN';
  return {
    id,
    state: !answered ? 'unreachable' : isTroubled ? 'degraded' : 'healthy',
    isLocal: address.isLoopback,
    healthScore: record.healthScore,
    running: record.running,
    total: record.total,
    succeeded: record.succeeded,
    failed: record.failed,
    meanMs: record.meanMs,
    models: listedBy(instance),
    loaded: loadedOn(instance),
    probedAt: record.probedAt,
  };
}
