import type { Breaker, Permit } from './breaker.ts';
import { openBreaker } from './asking.ts';
import type { Target } from './service.ts';
import type { ModelProvider } from './types.ts';
import { toParleyError } from './wire/index.ts';
import { ParleyError } from '../../base/errors.ts';

/** Leave that was taken of breakers for calls that are about to be made. */
export class Leaves {
  readonly #byId: ReadonlyMap<string, ModelProvider>;
  readonly #breakers: ReadonlyMap<string, Breaker>;
  readonly #onFault: (provider: string) => void;
  readonly #permits = new WeakMap<Target, Permit>();

  constructor(byId: ReadonlyMap<string, ModelProvider>, breakers: ReadonlyMap<string, Breaker>, onFault: (provider: string) => void) {
    this.#byId = byId;
    this.#breakers = breakers;
    this.#onFault = onFault;
  }

  /** As `Models.ready`. */
  async ready(target: Target): Promise<Target> {
    const provider = this.#byId.get(target.provider);
    const breaker = this.#breakers.get(target.provider);
    if (!provider || !breaker) throw new ParleyError('model_not_found');
    const permit = breaker.admit();
    if (!permit) throw toParleyError(openBreaker({ provider, breaker }));
    const error = (await provider.ready?.()) ?? null;
    if (error) {
      permit.fault();
      this.#onFault(provider.id);
      throw toParleyError(error);
    }
    const ready = { ...target };
    this.#permits.set(ready, permit);
    return ready;
  }

  /** The leave of a target, which is then used up. */
  take(target: Target): Permit | undefined {
    const permit = this.#permits.get(target);
    this.#permits.delete(target);
    return permit;
  }
}
