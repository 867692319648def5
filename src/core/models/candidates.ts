import { asParleyError, ParleyError } from '../../base/errors.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Candidate } from './asking.ts';
import type { Breaker, Permit } from './breaker.ts';
import { innerOf } from './providers/langchain/index.ts';
import type { Keys } from './keys.ts';
import type { Names } from './names.ts';
import type { Caller, Target } from './service.ts';
import type { ModelProvider } from './types.ts';

export interface CandidateParts {
  byId: ReadonlyMap<string, ModelProvider>;
  breakers: ReadonlyMap<string, Breaker>;
  keys: Keys;
  names: Names;
  fallbackModels: readonly string[];
  log: Log;
}

/** Who may answer for a target, with what calls to them need. */
export class Candidates {
  readonly #parts: CandidateParts;

  constructor(parts: CandidateParts) {
    this.#parts = parts;
  }

  /** @throws {ParleyError} `model_not_found` for a provider that is none, `no_api_key` */
  async of(target: Target, caller: Caller): Promise<Candidate> {
    const { byId, breakers, keys } = this.#parts;
    const provider = byId.get(target.provider);
    if (!provider) throw new ParleyError('model_not_found');
    // Who asks through LangChain pays with the key for the model behind it.
    const paid = provider.kind === 'langchain' ? byId.get(innerOf(target.model).provider) : provider;
    if (!paid) throw new ParleyError('model_not_found');
    const apiKey = await keys.find(paid, caller);
    if (apiKey === null && keys.isNeeded(paid)) throw new ParleyError('no_api_key');
    return { provider, breaker: breakers.get(provider.id)!, id: target.id, model: target.model, apiKey, userId: caller.userId };
  }

  /**
   * The target, and behind it the fallback models that the caller can use, looked up only when they are asked for.
   * @param permit leave of the target's breaker, when it was taken already
   * @throws {ParleyError} when the target itself cannot be asked
   */
  async* inTurn(target: Target, caller: Caller, permit?: Permit): AsyncGenerator<Candidate> {
    const { names, fallbackModels, log } = this.#parts;
    const first = await this.of(target, caller);
    yield { ...first, ...(permit ? { permit } : {}), ...(target.batch ? { batch: target.batch } : {}) };
    if (first.provider.triesOnce || target.isExclusive) return;
    const asked = new Set([target.id]);
    for (const name of fallbackModels) {
      let candidate: Candidate;
      try {
        const fallback = await names.resolve(name, caller);
        // The responder answers only under its own name.
        if (fallback.isBuiltin || asked.has(fallback.id)) continue;
        asked.add(fallback.id);
        candidate = await this.of(fallback, caller);
      } catch (thrown) {
        log.warn({ fallback: name, reason: asParleyError(thrown).code }, 'a fallback model cannot be used');
        continue;
      }
      log.warn({ asked: target.id, fallback: candidate.id }, 'a fallback model is asked');
      yield candidate;
    }
  }
}
