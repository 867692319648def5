import type { Clock } from '../../../../base/clock.ts';
import type { ModelProvider } from '../../types.ts';
import { createChatApi } from '../openai/index.ts';
import { contextLength, kindsOf } from './options.ts';

export interface OpenaiCompatibleOptions {
  /** The configured name: first part of the model ids. Letters, digits, dots, hyphens and underscores. */
  id: string;
  /** Such as http://127.0.0.1:8000/v1. */
  baseUrl: string;
  /** Milliseconds without a byte after which a call fails. */
  timeoutMs: number;
  clock: Clock;
}

/** Names that other providers carry. */
const taken = ['openai', 'anthropic', 'google', 'cohere', 'langchain', 'ollama', 'llama', 'builtin'];

/**
 * Any server with OpenAI's endpoints: vLLM, llama.cpp's server, LM Studio, OpenRouter, Groq and so on. Whether it
 * wants a key is its own affair: one is sent where one is set.
 * @throws {Error} for an id or URL that cannot be used, naming it
 */
export function createOpenaiCompatibleProvider(options: OpenaiCompatibleOptions): ModelProvider {
  const { id } = options;
  if (!/^[\w.-]{1,64}$/.test(id) || taken.includes(id)) {
    throw new Error(`"${id.slice(0, 64)}" cannot name an OpenAI-compatible server: take letters, digits, dots, hyphens and underscores, and none of ${taken.join(', ')}.`);
  }
  return createChatApi({
    kind: 'openai-compatible',
    label: `The server "${id}"`,
    ...options,
    needsKey: false,
    draws: false,
    isListOptional: true,
    takesExtensions: true,
    refusal: () => null,
    maxTokensField: () => 'max_tokens',
    describe: (entry) => ({ kinds: kindsOf(entry), contextLength: contextLength(entry) }),
    howToAdd: `Check the address of ${id} in COMPATIBLE_SERVERS, and its key in COMPATIBLE_KEYS or Settings.`,
  });
}
