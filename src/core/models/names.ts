import { ParleyError } from '../../base/errors.ts';
import type { Catalogue, Listing } from './catalogue.ts';
import type { Keys } from './keys.ts';
import type { Caller, Target } from './service.ts';
import type { ModelInfo, ModelProvider } from './types.ts';

/** Longest name of a model that is looked up. */
const maxNameLength = 200;
/** Milliseconds within which an unknown name does not make providers list anew. */
const relistMs = 2000;
/** Models named in an error. */
const maxNamed = 20;

/**
 * Names that belong to one maker. Where the maker itself is a provider, it is asked first; where nobody offers such a
 * name, the error says whose model it is.
 */
const families: { pattern: RegExp; maker: string; provider: string | null }[] = [
  { pattern: /^(gpt-\d|chatgpt-|o\d(-|$)|text-embedding-)/, maker: 'OpenAI', provider: 'openai' },
  { pattern: /^claude/, maker: 'Anthropic', provider: null },
  { pattern: /^gemini/, maker: 'Google', provider: null },
  { pattern: /^command/, maker: 'Cohere', provider: null },
];

/** Models of OpenAI to begin with, for whoever names none: able, cheap, and open to every account. */
const openaiDefaults = ['gpt-4.1-mini', 'gpt-4o-mini', 'gpt-5-mini', 'gpt-4.1', 'gpt-4o', 'gpt-5', 'gpt-4', 'gpt-3.5-turbo'];

export interface NameParts {
  /** In the order in which equal names are looked for. */
  providers: readonly ModelProvider[];
  keys: Keys;
  catalogue: Catalogue;
  /** The configured default, if any. */
  defaultModel: string | null;
}

/** Finds who answers to a name. The rules stand in docs/models.md. */
export function createNames(parts: NameParts): { resolve(name: string | null, caller: Caller): Promise<Target> } {
  const { providers, keys, catalogue } = parts;
  const byId = new Map(providers.map((provider) => [provider.id, provider]));

  /** What a provider offers the caller; null when the caller lacks the key. */
  const listingFor = async (provider: ModelProvider, caller: Caller, anew = false): Promise<Listing | null> => {
    const apiKey = await keys.find(provider, caller);
    if (apiKey === null && keys.isNeeded(provider)) return null;
    return anew ? catalogue.renew(provider, apiKey, relistMs) : catalogue.get(provider, apiKey);
  };

  const explicit = async (provider: ModelProvider, model: string, caller: Caller): Promise<Target> => {
    const listing = await listingFor(provider, caller);
    if (!listing) throw noKey(provider);
    const known = find(listing, model, provider);
    if (known) return targetOf(provider, known);
    // A service that cannot be listed may answer all the same; it says itself what it does not have.
    if (listing.error && isService(provider)) return unlisted(provider, model);
    const renewed = await listingFor(provider, caller, true);
    const found = renewed && find(renewed, model, provider);
    if (found) return targetOf(provider, found);
    if (provider.kind === 'openai-compatible' || (renewed?.error && isService(provider))) return unlisted(provider, model);
    throw notFound(`${provider.id}/${model}`, renewed ? [renewed] : [], renewed?.error ? ` ${renewed.error.message}` : '');
  };

  const bare = async (name: string, caller: Caller): Promise<Target> => {
    const family = families.find(({ pattern }) => pattern.test(name));
    const maker = family?.provider ? byId.get(family.provider) : undefined;
    const order = maker ? [maker, ...providers.filter((provider) => provider !== maker)] : providers;
    for (const provider of order) {
      const listing = await listingFor(provider, caller);
      const found = listing && find(listing, name, provider);
      if (found) return targetOf(provider, found);
      if (listing?.error && provider === maker) return unlisted(provider, name);
    }
    const listings = await Promise.all(order.map((provider) => listingFor(provider, caller, true)));
    for (const [index, provider] of order.entries()) {
      const listing = listings[index];
      const found = listing && find(listing, name, provider);
      if (found) return targetOf(provider, found);
    }
    if (maker && listings[0] === null) throw noKey(maker, name);
    const hint = family && !maker ? ` It is a model of ${family.maker}, and no provider here offers it.` : '';
    throw notFound(name, listings.filter((listing) => listing !== null), hint);
  };

  const resolve = async (given: string, caller: Caller): Promise<Target> => {
    const name = given.trim();
    if (name === '' || name.length > maxNameLength) throw notFound(name.slice(0, 40), []);
    const slash = name.indexOf('/');
    const provider = slash > 0 ? byId.get(name.slice(0, slash)) : undefined;
    return provider ? explicit(provider, name.slice(slash + 1), caller) : bare(name, caller);
  };

  const firstOf = async (provider: ModelProvider, caller: Caller, fits: (model: ModelInfo) => boolean): Promise<Target | null> => {
    const listing = await listingFor(provider, caller);
    const model = listing && pickDefault(provider, listing.models.filter((info) => info.kinds.includes('chat') && fits(info)));
    return model ? targetOf(provider, model) : null;
  };

  const resolveDefault = async (caller: Caller): Promise<Target> => {
    if (parts.defaultModel !== null) {
      const configured = await resolve(parts.defaultModel, caller).catch((thrown: unknown) => {
        if (thrown instanceof ParleyError) return null;
        throw thrown;
      });
      // A model that no list has confirmed does not work for sure: then the next one is taken.
      if (configured && (await isAtHand(configured, caller))) return configured;
    }
    const all = (): boolean => true;
    const stages: ((provider: ModelProvider) => Promise<Target | null>)[] = [
      async (provider) => (provider.kind === 'ollama' ? firstOf(provider, caller, (model) => model.location === 'local') : null),
      async (provider) => (provider.kind === 'llama' ? firstOf(provider, caller, all) : null),
      async (provider) => (keys.isNeeded(provider) && keys.mayUseEnvironment(provider, caller) ? firstOf(provider, caller, all) : null),
      async (provider) => (['openai', 'openai-compatible', 'ollama'].includes(provider.kind) ? firstOf(provider, caller, all) : null),
      async (provider) => (provider.kind === 'builtin' ? firstOf(provider, caller, all) : null),
    ];
    for (const stage of stages) {
      for (const provider of providers) {
        const target = await stage(provider);
        if (target) return target;
      }
    }
    throw new ParleyError('no_model');
  };

  const isAtHand = async (target: Target, caller: Caller): Promise<boolean> => {
    const listing = await listingFor(byId.get(target.provider)!, caller);
    return listing !== null && listing.error === null;
  };

  return { resolve: (name, caller) => (name === null ? resolveDefault(caller) : resolve(name, caller)) };
}

/** Services have the last word on their models; files and the responder are exactly those that are listed. */
function isService(provider: ModelProvider): boolean {
  return provider.kind !== 'llama' && provider.kind !== 'builtin';
}

/**
 * The listed model of a name. Ollama names models `family:tag`: without a tag it is `:latest`, and `llama2-70b` as the
 * published API documents write it is `llama2:70b`.
 */
function find(listing: Listing, name: string, provider: ModelProvider): ModelInfo | undefined {
  const exact = listing.byModel.get(name);
  if (exact || provider.kind !== 'ollama' || name.includes(':')) return exact;
  return listing.byModel.get(`${name}:latest`) ?? listing.byModel.get(name.replace(/-(\d+(\.\d+)?[bm])$/, ':$1'));
}

function pickDefault(provider: ModelProvider, models: ModelInfo[]): ModelInfo | undefined {
  if (provider.kind !== 'openai') return models[0];
  const preferred = openaiDefaults.find((name) => models.some((model) => model.model === name));
  return models.find((model) => model.model === preferred) ?? models[0];
}

function targetOf(provider: ModelProvider, model: ModelInfo): Target {
  return { id: model.id, provider: provider.id, model: model.model, contextLength: model.contextLength, isBuiltin: provider.kind === 'builtin' };
}

function unlisted(provider: ModelProvider, model: string): Target {
  return { id: `${provider.id}/${model}`, provider: provider.id, model, contextLength: null, isBuiltin: false };
}

function noKey(provider: ModelProvider, name?: string): ParleyError {
  const what = name === undefined ? `The provider ${provider.id}` : `${name} is a model of the provider ${provider.id}, which`;
  return new ParleyError('no_api_key', { message: `${what} needs an API key, and none is set for you. Add one in Settings or with \`parley key add ${provider.id}\`.`, parameter: 'model' });
}

function notFound(name: string, listings: Listing[], hint = ''): ParleyError {
  const ids = listings.flatMap((listing) => listing.models.map((model) => model.id));
  const more = ids.length > maxNamed ? `, and ${ids.length - maxNamed} more` : '';
  const offered = ids.length > 0 ? ` Available: ${ids.slice(0, maxNamed).join(', ')}${more}.` : '';
  return new ParleyError('model_not_found', { message: `No model "${name}" is available.${hint}${offered}`, parameter: 'model' });
}
