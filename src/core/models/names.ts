import { ParleyError } from '../../base/errors.ts';
import type { Catalogue, Listing } from './catalogue.ts';
import type { Keys } from './keys.ts';
import { beginnings } from './latest.ts';
import type { Caller, Target } from './service.ts';
import { langchainId, withoutLangchain } from './providers/langchain/index.ts';
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
const families: { pattern: RegExp; maker: string; provider: string }[] = [
  { pattern: /^(gpt-\d|chatgpt-|o\d(-|$)|text-embedding-|dall-e-|gpt-image-)/, maker: 'OpenAI', provider: 'openai' },
  { pattern: /^claude/, maker: 'Anthropic', provider: 'anthropic' },
  { pattern: /^gemini/, maker: 'Google', provider: 'google' },
  { pattern: /^(command|embed-(v\d|english|multilingual)|c4ai-aya)/, maker: 'Cohere', provider: 'cohere' },
];

export interface NameParts {
  /** In the order in which equal names are looked for. */
  providers: readonly ModelProvider[];
  keys: Keys;
  catalogue: Catalogue;
  /** The configured default, if any. */
  defaultModel: string | null;
  /** Whether models can be asked through LangChain: `langchain/` in front of any other name. */
  hasLangchain: boolean;
}

/** Finds who answers to a name. The rules stand in docs/models.md. */
export class Names {
  readonly #parts: NameParts;
  readonly #byId: ReadonlyMap<string, ModelProvider>;

  constructor(parts: NameParts) {
    this.#parts = parts;
    this.#byId = new Map(parts.providers.map((provider) => [provider.id, provider]));
  }

  /**
   * The target for a name; null means the default.
   * @throws {ParleyError} `model_not_found`, `no_api_key`, `no_model`
   */
  resolve(name: string | null, caller: Caller): Promise<Target> {
    return name === null ? this.#default(caller) : this.#named(name.trim(), caller);
  }

  async #named(name: string, caller: Caller): Promise<Target> {
    if (name === '' || name.length > maxNameLength) throw notFound(name.slice(0, 40), []);
    if (this.#parts.hasLangchain && name.startsWith(`${langchainId}/`)) return throughLangchain(await this.#named(withoutLangchain(name), caller));
    const slash = name.indexOf('/');
    const provider = slash > 0 ? this.#byId.get(name.slice(0, slash)) : undefined;
    return provider ? this.#whole(provider, name.slice(slash + 1), caller) : this.#bare(name, caller);
  }

  async #whole(provider: ModelProvider, model: string, caller: Caller): Promise<Target> {
    const listing = await this.#listing(provider, caller);
    if (!listing) throw noKey(provider);
    const known = find(listing, model, provider);
    if (known) return targetOf(provider, known);
    // A service that cannot be listed may answer all the same; it says itself what it does not have.
    if (listing.error && isService(provider)) return unlisted(provider, model);
    const renewed = await this.#listing(provider, caller, true);
    const found = renewed && find(renewed, model, provider);
    if (found) return targetOf(provider, found);
    if (provider.kind === 'openai-compatible' || (renewed?.error && isService(provider))) return unlisted(provider, model);
    throw notFound(`${provider.id}/${model}`, renewed ? [renewed] : [], renewed?.error ? ` ${renewed.error.message}` : '');
  }

  async #bare(name: string, caller: Caller): Promise<Target> {
    const family = families.find(({ pattern }) => pattern.test(name));
    const maker = family && this.#byId.get(family.provider);
    const { providers } = this.#parts;
    const order = maker ? [maker, ...providers.filter((provider) => provider !== maker)] : providers;
    for (const provider of order) {
      const listing = await this.#listing(provider, caller);
      const found = listing && find(listing, name, provider);
      if (found) return targetOf(provider, found);
      if (listing?.error && provider === maker) return unlisted(provider, name);
    }
    const listings = await Promise.all(order.map((provider) => this.#listing(provider, caller, true)));
    for (const [index, provider] of order.entries()) {
      const listing = listings[index];
      const found = listing && find(listing, name, provider);
      if (found) return targetOf(provider, found);
    }
    if (maker && listings[0] === null) throw noKey(maker, name);
    const hint = family && !maker ? ` It is a model of ${family.maker}, and no provider here offers it.` : '';
    throw notFound(name, listings.filter((listing) => listing !== null), hint);
  }

  async #default(caller: Caller): Promise<Target> {
    const configured = await this.#configured(caller);
    if (configured) return configured;
    const { providers, keys } = this.#parts;
    const stages: ((provider: ModelProvider) => ((model: ModelInfo) => boolean) | null)[] = [
      (provider) => (provider.kind === 'ollama' ? (model) => model.location === 'local' : null),
      (provider) => (provider.kind === 'llama' ? () => true : null),
      (provider) => (keys.isNeeded(provider) && keys.mayUseEnvironment(provider, caller) ? () => true : null),
      (provider) => (isService(provider) ? () => true : null),
      (provider) => (provider.kind === 'builtin' ? () => true : null),
    ];
    for (const stage of stages) {
      for (const provider of providers) {
        const fits = stage(provider);
        const listing = fits && (await this.#listing(provider, caller));
        const model = listing && pickDefault(provider, listing.models.filter((info) => info.kinds.includes('chat') && fits(info)));
        if (model) return targetOf(provider, model);
      }
    }
    throw new ParleyError('no_model');
  }

  /**
   * The configured default, if it works: a model that no list has confirmed does not, for sure. A service that was only too
   * slow to list is there, and asked: on a busy machine nobody should get another model than the one that was chosen.
   */
  async #configured(caller: Caller): Promise<Target | null> {
    const { defaultModel } = this.#parts;
    if (defaultModel === null) return null;
    try {
      const target = await this.#named(defaultModel, caller);
      const listing = await this.#listing(this.#byId.get(target.provider)!, caller);
      return listing && (!listing.error || listing.error.code === 'provider_timeout') ? target : null;
    } catch (thrown) {
      if (thrown instanceof ParleyError) return null;
      throw thrown;
    }
  }

  /** What a provider offers the caller; null when the caller lacks the key. */
  async #listing(provider: ModelProvider, caller: Caller, anew = false): Promise<Listing | null> {
    const { keys, catalogue } = this.#parts;
    const apiKey = await keys.find(provider, caller);
    if (apiKey === null && keys.isNeeded(provider)) return null;
    // A file that was fetched a moment ago is asked for at once, and reading its folder costs next to nothing.
    return anew ? catalogue.renew(provider, apiKey, provider.kind === 'llama' ? 0 : relistMs) : catalogue.get(provider, apiKey);
  }
}

/** The same model, asked through LangChain. @throws {ParleyError} `unsupported_value` for the responder, which is no model */
function throughLangchain(target: Target): Target {
  if (target.isBuiltin) throw new ParleyError('unsupported_value', { message: 'The built-in responder is no language model and cannot be asked through LangChain. Choose another model.', parameter: 'model' });
  return { ...target, id: `${langchainId}/${target.id}`, provider: langchainId, model: target.id };
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
  const preferred = beginnings[provider.kind]?.find((name) => models.some((model) => model.model === name));
  return models.find((model) => model.model === preferred) ?? models[0];
}

function targetOf(provider: ModelProvider, model: ModelInfo): Target {
  return { id: model.id, provider: provider.id, model: model.model, contextLength: model.contextLength, isBuiltin: provider.kind === 'builtin', seesPictures: sees(provider, model) };
}

/** What runs in this process sees nothing; of the others those that say so. */
function sees(provider: ModelProvider, { details }: ModelInfo): boolean | null {
  if (provider.kind === 'llama' || provider.kind === 'builtin') return false;
  return details?.capabilities ? details.capabilities.includes('vision') : null;
}

function unlisted(provider: ModelProvider, model: string): Target {
  return { id: `${provider.id}/${model}`, provider: provider.id, model, contextLength: null, isBuiltin: false };
}

function noKey(provider: ModelProvider, name?: string): ParleyError {
  const what = name === undefined ? `The provider ${provider.id}` : `${name} is a model of the provider ${provider.id}, which`;
  return new ParleyError('no_api_key', { message: `${what} needs an API key, and none is set for you. ${byEnvironment(provider)}Add one in Settings or with \`parley key add ${provider.id}\`.`, parameter: 'model' });
}

/** Compatible servers have their keys in one list. */
function byEnvironment(provider: ModelProvider): string {
  return provider.kind === 'openai-compatible' ? '' : `The owner may set ${provider.id.toUpperCase()}_API_KEY. `;
}

function notFound(name: string, listings: Listing[], hint = ''): ParleyError {
  const ids = listings.flatMap((listing) => listing.models.map((model) => model.id));
  const more = ids.length > maxNamed ? `, and ${ids.length - maxNamed} more` : '';
  const offered = ids.length > 0 ? ` Available: ${ids.slice(0, maxNamed).join(', ')}${more}.` : '';
  return new ParleyError('model_not_found', { message: `No model "${name}" is available.${hint}${offered}`, parameter: 'model' });
}
