import type { ModelEntry } from '../openai/index.ts';

/** Where servers of this form put the tokens of context in their model list. */
const contextFields = [
  'context_length', // OpenRouter, Together
  'max_model_len', // vLLM
  'context_window', // Groq
  'max_context_length', // Mistral, LM Studio
];

/** Tokens of context, as the server says; null when it does not. */
export function contextLength(entry: ModelEntry): number | null {
  for (const field of contextFields) {
    const value = entry[field];
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  }
  const meta = entry['meta'] as { n_ctx_train?: unknown } | null | undefined; // llama.cpp's server
  return typeof meta?.n_ctx_train === 'number' && meta.n_ctx_train > 0 ? meta.n_ctx_train : null;
}

/** The form does not say what a model is for; models that embed have it in their names. */
export function kindsOf(entry: ModelEntry): ('chat' | 'embedding')[] {
  return /embed|(^|[/-])(bge|gte|e5)-/i.test(entry.id) ? ['embedding'] : ['chat'];
}
