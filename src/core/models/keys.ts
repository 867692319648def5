import type { Caller } from './service.ts';
import type { ModelProvider } from './types.ts';

/** Where keys come from. */
export interface KeySettings {
  /** Let every user spend the keys of the environment, not only the owner. */
  shareProviderKeys: boolean;
  openaiApiKey: string | null;
  anthropicApiKey?: string | null;
  googleApiKey?: string | null;
  cohereApiKey?: string | null;
  /** Keys of OpenAI-compatible servers, by their names. */
  compatibleKeys: ReadonlyMap<string, string>;
}

/** Whose key pays for a call. */
export interface Keys {
  /** Whether calls to the provider carry a key that somebody must have. */
  isNeeded(provider: ModelProvider): boolean;
  /** Whether the caller may spend a key of the environment. */
  mayUseEnvironment(provider: ModelProvider, caller: Caller): boolean;
  /** The caller's key: an own one first, else that of the environment where it may be used; null when there is none. */
  find(provider: ModelProvider, caller: Caller): Promise<string | null>;
}

/** @param providerKey the key a user keeps with us for a provider, decrypted; null when there is none */
export function createKeys(settings: KeySettings, providerKey: (userId: string, provider: string) => Promise<string | null>): Keys {
  const environmentKey = (provider: ModelProvider): string | null => {
    switch (provider.kind) {
      case 'openai': return settings.openaiApiKey;
      case 'anthropic': return settings.anthropicApiKey ?? null;
      case 'google': return settings.googleApiKey ?? null;
      case 'cohere': return settings.cohereApiKey ?? null;
      case 'openai-compatible': return settings.compatibleKeys.get(provider.id) ?? null;
      default: return null;
    }
  };
  const mayUseEnvironment = (provider: ModelProvider, caller: Caller): boolean =>
    environmentKey(provider) !== null && (caller.role === 'owner' || settings.shareProviderKeys);

  return {
    // A compatible server for which the owner has set a key wants one of everybody.
    isNeeded: (provider) => provider.needsKey || environmentKey(provider) !== null,
    mayUseEnvironment,
    async find(provider, caller) {
      if (!provider.needsKey && provider.kind !== 'openai-compatible') return null;
      const own = (await providerKey(caller.userId, provider.id))?.trim();
      if (own) return own;
      return mayUseEnvironment(provider, caller) ? environmentKey(provider) : null;
    },
  };
}
