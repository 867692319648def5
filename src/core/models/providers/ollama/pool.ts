import type { Clock } from '../../../../base/clock.ts';
import type { Instance } from './instance.ts';

/** Milliseconds after which an instance is looked at again, in the background, when something wants to use it. */
const lookAgainMs = 10_000;
/** Milliseconds an instance has to say what it has. */
const lookPatienceMs = 1500;

/** Several instances of Ollama as one. */
export interface Pool {
  /**
   * Instances that may answer for a model, the best first: those that have it, answer, and are not kept away from by
   * their breaker; by the average time to the first token times the answers they are making. Empty when all are kept
   * away from.
   */
  choose(model: string): Instance[];
  /** Looks at all instances now. */
  look(): Promise<void>;
}

export function createPool(instances: readonly Instance[], clock: Clock): Pool {
  const look = async (instance: Instance): Promise<void> => {
    try {
      await instance.look(AbortSignal.timeout(lookPatienceMs));
    } catch {
      // The instance remembers that it did not answer; whoever needs it learns why by asking it.
    }
  };
  return {
    look: async () => { await Promise.all(instances.map(look)); },
    choose(model) {
      for (const instance of instances) {
        if (clock.monotonic() - instance.lookedAt > lookAgainMs) void look(instance);
      }
      const open = instances.filter((instance) => !instance.isParley && instance.breaker.retryAfterMs() === 0);
      const owning = open.filter((instance) => instance.models === null || has(instance, model));
      // When nobody seems to have the model, they are asked all the same: it may have been pulled just now.
      const able = owning.length > 0 ? owning : open;
      const rank = (instance: Instance): number => (instance.isReachable ? 0 : 1);
      // One that was never measured is tried first, else it would never be.
      const burden = (instance: Instance): number => (instance.responseMs ?? 0) * (instance.running + 1) + instance.running;
      return able.toSorted((one, other) => rank(one) - rank(other) || burden(one) - burden(other));
    },
  };
}

function has(instance: Instance, model: string): boolean {
  return instance.models!.has(model) || (!model.includes(':') && instance.models!.has(`${model}:latest`));
}
