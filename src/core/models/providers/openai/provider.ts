import type { Clock } from '../../../../base/clock.ts';
import { countTokens } from '../../tokens.ts';
import type { ModelProvider } from '../../types.ts';
import { createChatApi } from './chat-api.ts';
import { contextLength, isReasoningModel, kindsOf, refusal, usesO200k } from './options.ts';

export interface OpenaiOptions {
  /** Such as https://api.openai.com/v1. @throws {Error} from the constructor when it is no http(s) URL */
  baseUrl: string;
  /** Milliseconds without a byte after which a call fails. */
  timeoutMs: number;
  clock: Clock;
}

/** OpenAI, by its chat completions API. Calls need a key. */
export function createOpenaiProvider(options: OpenaiOptions): ModelProvider {
  const api = createChatApi({
    id: 'openai',
    kind: 'openai',
    label: 'OpenAI',
    ...options,
    needsKey: true,
    draws: true,
    isListOptional: false,
    takesExtensions: false,
    refusal,
    maxTokensField: (model) => (isReasoningModel(model) ? 'max_completion_tokens' : 'max_tokens'),
    describe: (entry) => ({ kinds: kindsOf(entry.id), contextLength: contextLength(entry.id) }),
    howToAdd: 'Set OPENAI_API_KEY before the start, add a key in Settings, or run `parley key add openai`.',
  });
  return {
    ...api,
    async countTokens(model, text) {
      if (!usesO200k(model)) return null;
      const { tokens, isExact } = await countTokens(text);
      return isExact ? tokens : null;
    },
  };
}
