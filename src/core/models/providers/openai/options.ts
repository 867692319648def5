import type { ModelInfo, ModelRequest, ReplyError } from '../../types.ts';
import { unsupported } from '../../wire/index.ts';

/** What OpenAI's model list does not say about its models, from the published pages of each model. */

/** Tokens of context, by name; dated snapshots have that of the name without the date. */
const contextLengths: Record<string, number> = {
  'gpt-5.2': 400_000,
  'gpt-5.1': 400_000,
  'gpt-5': 400_000,
  'gpt-5-mini': 400_000,
  'gpt-5-nano': 400_000,
  'gpt-4.1': 1_047_576,
  'gpt-4.1-mini': 1_047_576,
  'gpt-4.1-nano': 1_047_576,
  'gpt-4o': 128_000,
  'gpt-4o-mini': 128_000,
  'chatgpt-4o-latest': 128_000,
  'o1': 200_000,
  'o3': 200_000,
  'o3-mini': 200_000,
  'o4-mini': 200_000,
  'gpt-4-turbo': 128_000,
  'gpt-4': 8192,
  'gpt-4-0613': 8192,
  'gpt-3.5-turbo': 16_385,
  'gpt-3.5-turbo-0125': 16_385,
  'text-embedding-3-small': 8192,
  'text-embedding-3-large': 8192,
  'text-embedding-ada-002': 8192,
};

/** Tokens of context of an OpenAI model; null when not known. */
export function contextLength(model: string): number | null {
  return contextLengths[model] ?? contextLengths[model.replace(/-\d{4}-\d{2}-\d{2}$/, '')] ?? null;
}

/** Reasoning models take `max_completion_tokens` and refuse `max_tokens`. */
export function isReasoningModel(model: string): boolean {
  return /^(o\d|gpt-[5-9])/.test(model);
}

/** Whether a model's tokenizer is o200k_base; older ones use cl100k_base, which is not carried here. */
export function usesO200k(model: string): boolean {
  return /^(gpt-4o|chatgpt-4o|gpt-4\.1|gpt-5|o\d)/.test(model);
}

/** Models that only draw. */
const drawingModels = /^(dall-e-|gpt-image|chatgpt-image)/;
/** Models of the list that neither chat nor embed nor draw. */
const otherKinds = /whisper|tts|image|moderation|realtime|audio|transcribe|babbage|davinci|sora|instruct/;

/** What a model of OpenAI's list is for; empty for those that are of no use here. */
export function kindsOf(model: string): ModelInfo['kinds'] {
  if (model.includes('embedding')) return ['embedding'];
  if (drawingModels.test(model)) return ['image'];
  return otherKinds.test(model) ? [] : ['chat'];
}

/** Settings that OpenAI's API does not have, and its names for what comes nearest. */
const absent = [['topK', 'top_k', 'top_p'], ['minP', 'min_p', 'top_p'], ['repeatPenalty', 'repeat_penalty', 'frequency_penalty']] as const;

/** Why OpenAI cannot be asked this; null when it can. */
export function refusal(request: ModelRequest): ReplyError | null {
  const found = absent.find(([field]) => request[field] !== undefined);
  return found ? unsupported(found[1], `OpenAI has no ${found[1]}: leave it out, or use ${found[2]}.`) : null;
}
