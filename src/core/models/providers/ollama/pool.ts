import type { Clock } from '../../../../base/clock.ts';
import type { Instance } from './instance.ts';

/** Milliseconds between two looks at an instance while the server runs. */
export const lookEveryMs = 10_000;
/** Milliseconds within which one that seems to be lost is not looked at again. */
const suspectMs = 1000;

/** Several instances of Ollama as one. */
export interface Pool {
  /**
   * Instances that may answer for a model, the best first: those that have it, answer, and are not kept away from by
   * their breaker; by the average time to the first token times the answers they are making, a model that has to be
   * loaded first counted with what that took there before. Empty when all are kept away from.
   */
  choose(model: string): Instance[];
  /** Looks at all instances now, but for those looked at within so many milliseconds. */
  look(youngerThanMs?: number): Promise<void>;
  /** Something went wrong with an instance: it is looked at in the background. */
  suspect(instance: Instance): void;
  /** Looks at all of them regularly until `stop`. */
  start(): void;
  stop(): void;
}

/** @param everyMs milliseconds between two looks at an instance */
export function createPool(instances: readonly Instance[], clock: Clock, everyMs = lookEveryMs): Pool {
  let timer: NodeJS.Timeout | undefined;
  const look = async (instance: Instance): Promise<void> => {
    try {
      await instance.look();
    } catch {
      // The instance remembers that it did not answer; whoever needs it learns why by asking it.
    }
  };
  const age = (instance: Instance): number => clock.monotonic() - instance.lookedAt;
  const lookAtAll = async (youngerThanMs = 0): Promise<void> => {
    await Promise.all(instances.filter((instance) => instance.isLooking || age(instance) >= youngerThanMs).map(look));
  };
  return {
    look: lookAtAll,
    start() {
      void lookAtAll();
      timer ??= setInterval(() => void lookAtAll(), everyMs).unref();
    },
    stop() {
      clearInterval(timer);
      timer = undefined;
    },
    suspect(instance) {
      if (age(instance) > suspectMs) void look(instance);
    },
    choose(model) {
      for (const instance of instances) if (age(instance) > everyMs) void look(instance);
      const open = instances.filter((instance) => !instance.isParley && instance.breaker.retryAfterMs() === 0);
      const owning = open.filter((instance) => instance.has(model) !== false);
      // When nobody seems to have the model, they are asked all the same: it may have been pulled just now.
      const able = owning.length > 0 ? owning : open;
      const rank = (instance: Instance): number => (instance.isReachable ? 0 : 1);
      return able
        .map((instance) => ({ instance, rank: rank(instance), burden: burden(instance, model), unloaded: isLoaded(instance, model) === false ? 1 : 0 }))
        .toSorted((one, other) => one.rank - other.rank || one.burden - other.burden || one.unloaded - other.unloaded)
        .map(({ instance }) => instance);
    },
  };
}

function burden(instance: Instance, model: string): number {
  const { working } = instance.record;
  // What is never measured is tried first; of several such the one with the least to do.
  return instance.pace.expected(isLoaded(instance, model)) * (working + 1) + working;
}

/** Whether a model is in memory there; null when not known. */
export function isLoaded(instance: Instance, model: string): boolean | null {
  return instance.memory.has(instance.nameOf(model));
}
