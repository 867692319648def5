/**
 * The model of each service to begin with, for whoever names none: the newest one that is out of preview and meant for
 * general work. Looked up by hand and dated: a name that a service gives up some day is found out by its own error.
 */
export interface LatestModel {
  /** Provider id. */
  provider: LatestProvider;
  kind: 'chat' | 'embedding';
  /** The provider's own name. */
  model: string;
  /** The day it was looked up, ISO 8601. */
  date: string;
  source: string;
}

export type LatestProvider = 'openai' | 'anthropic' | 'google' | 'cohere';

const date = '2026-11-21';

/** The table. A service without embeddings has no row for them. */
export const latestModels: readonly LatestModel[] = [
  { provider: 'openai', kind: 'chat', model: 'gpt-6.1-terra', date, source: 'platform.openai.com/docs/models as in docs.litellm.ai/blog/gpt-6-1-terra' },
  { provider: 'openai', kind: 'embedding', model: 'text-embedding-3-small', date, source: 'platform.openai.com/docs/guides/embeddings' },
  { provider: 'anthropic', kind: 'chat', model: 'claude-opus-5-5', date, source: 'platform.claude.com/docs/en/models/opus-5/overview, which names its successor' },
  { provider: 'google', kind: 'chat', model: 'gemini-3.8-flash', date, source: 'ai.google.dev/gemini-api/docs/models as in github.com/BerriAI/litellm' },
  { provider: 'google', kind: 'embedding', model: 'gemini-embedding-2', date, source: 'ai.google.dev/gemini-api/docs/changelog, 22 April 2026' },
  { provider: 'cohere', kind: 'chat', model: 'command-a-plus-05-2026', date, source: 'docs.cohere.com/docs/models' },
  { provider: 'cohere', kind: 'embedding', model: 'embed-v4.0', date, source: 'docs.cohere.com/docs/models' },
];

/** The model to begin with at a service; null where it has none of this kind. */
export function latestModel(provider: LatestProvider, kind: LatestModel['kind'] = 'chat'): LatestModel | null {
  return latestModels.find((row) => row.provider === provider && row.kind === kind) ?? null;
}

/**
 * Models to begin with where the default is left to Parley (docs/models.md), the first that is offered: able, cheap, and
 * open to every account. By kind of provider.
 */
export const beginnings: Readonly<Record<string, readonly string[]>> = {
  openai: ['gpt-4.1-mini', 'gpt-4o-mini', 'gpt-5-mini', 'gpt-4.1', 'gpt-4o', 'gpt-5', 'gpt-4', 'gpt-3.5-turbo'],
  anthropic: ['claude-haiku-4-5', 'claude-haiku-4-5-20251001', 'claude-sonnet-5-5', 'claude-sonnet-5', 'claude-sonnet-4-6', 'claude-opus-5-5'],
  google: ['gemini-3.8-flash', 'gemini-3.7-flash', 'gemini-3.5-flash', 'gemini-2.5-flash', 'gemini-flash-latest'],
  cohere: ['command-a-plus-05-2026', 'command-a-03-2025', 'command-r7b-12-2024', 'command-r-08-2024'],
};
