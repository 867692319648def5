import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { asParleyError, ParleyError } from '../../base/errors.ts';
import type { Log } from '../../base/observability/index.ts';
import type { ModelInfo, ModelProvider } from './types.ts';

/** What a provider offered when it was last asked. */
export interface Listing {
  models: ModelInfo[];
  byModel: ReadonlyMap<string, ModelInfo>;
  /** Why it could not be listed; null when it could. */
  error: ParleyError | null;
  /** Monotonic time of the answer. */
  at: number;
  /** Milliseconds the answer took. */
  took: number;
}

/** Knows what every provider offers without asking it each time. */
export interface Catalogue {
  /** The listing: a kept one at once (a stale one is renewed behind the caller's back), else a new one. */
  get(provider: ModelProvider, apiKey: string | null): Promise<Listing>;
  /** A new listing, unless one was made within the last `youngerThanMs`. */
  renew(provider: ModelProvider, apiKey: string | null, youngerThanMs?: number): Promise<Listing>;
}

/** Milliseconds a provider has for its list: one on this machine is there or not. */
export const listPatienceMs = { local: 1500, remote: 5000 };
/** Milliseconds a listing counts as fresh. Models on this machine come and go under people's hands. */
const freshMs = { local: 15_000, remote: 300_000 };
/** Milliseconds a failure counts as fresh: short when it came at once (nothing listens), longer when it made callers wait. */
const failureFreshMs = { quick: 2000, slow: 30_000 };
const quickMs = 300;
/** Listings kept, one for each provider and key. */
const maxListings = 500;

export function createCatalogue(clock: Clock, log: Log): Catalogue {
  const listings = new Map<string, Listing>();
  const running = new Map<string, Promise<Listing>>();

  const keyOf = (provider: ModelProvider, apiKey: string | null): string =>
    apiKey === null ? provider.id : `${provider.id} ${createHash('sha256').update(apiKey).digest('base64url')}`;
  const isOutdated = (provider: ModelProvider, listing: Listing): boolean => listing.at < (provider.changedAt?.() ?? -Infinity);
  const isFresh = (provider: ModelProvider, listing: Listing): boolean => {
    if (isOutdated(provider, listing)) return false;
    const span = !listing.error ? freshMs[provider.location] : listing.took < quickMs ? failureFreshMs.quick : failureFreshMs.slow;
    return clock.monotonic() - listing.at < span;
  };
  const ask = (key: string, provider: ModelProvider, apiKey: string | null): Promise<Listing> => {
    const known = running.get(key);
    if (known) return known;
    const asked = list(provider, apiKey, clock).then((answer) => {
      const before = listings.get(key);
      // A service that is only slow to list still offers what it did.
      const listing = before && !before.error && answer.error?.code === 'provider_timeout' ? { ...before, at: answer.at, took: answer.took } : answer;
      if (listing.error?.message !== before?.error?.message) {
        if (listing.error) log.info({ provider: provider.id, reason: listing.error.message }, 'models cannot be listed');
        else if (before) log.info({ provider: provider.id, models: listing.models.length }, 'models can be listed again');
      }
      listings.delete(key);
      listings.set(key, listing);
      if (listings.size > maxListings) listings.delete(listings.keys().next().value!);
      running.delete(key);
      return listing;
    });
    running.set(key, asked);
    return asked;
  };

  return {
    async get(provider, apiKey) {
      const key = keyOf(provider, apiKey);
      const kept = listings.get(key);
      if (!kept) return ask(key, provider, apiKey);
      if (isFresh(provider, kept)) return kept;
      const renewed = ask(key, provider, apiKey);
      // What could not be listed and failed at once may be there by now; everything else must not make callers wait.
      return kept.error && kept.took < quickMs ? renewed : kept;
    },
    async renew(provider, apiKey, youngerThanMs = 0) {
      const key = keyOf(provider, apiKey);
      const kept = listings.get(key);
      return kept && clock.monotonic() - kept.at < youngerThanMs && !isOutdated(provider, kept) ? kept : ask(key, provider, apiKey);
    },
  };
}

/** Asks once, with patience; never rejects. */
async function list(provider: ModelProvider, apiKey: string | null, clock: Clock): Promise<Listing> {
  const began = clock.monotonic();
  const done = (models: ModelInfo[], error: ParleyError | null): Listing => {
    const now = clock.monotonic();
    return { models, byModel: new Map(models.map((model) => [model.model, model])), error, at: now, took: now - began };
  };
  const patience = listPatienceMs[provider.location];
  try {
    return done(await withPatience(patience, (signal) => provider.models({ apiKey, signal })), null);
  } catch (thrown) {
    return done([], asParleyError(thrown));
  }
}

/**
 * Runs a step that is given up after a time, whether it listens to its signal or not.
 * @throws {ParleyError} `provider_timeout`; else what the step throws
 */
export async function withPatience<Result>(milliseconds: number, step: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const stop = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new ParleyError('provider_timeout', { message: `No answer within ${milliseconds / 1000} s.` }));
    stop.abort();
  }, milliseconds);
  try {
    return await Promise.race([step(stop.signal), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
