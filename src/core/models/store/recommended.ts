import type { RecommendedModel } from './types.ts';

/** Small models under free licences that run without a GPU, the smallest first. */
export const recommendedModels: readonly RecommendedModel[] = [
  {
    name: 'Qwen2.5 0.5B Instruct',
    source: 'hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf',
    sizeBytes: 491_000_000,
    licence: 'apache-2.0',
    description: 'Very small and quick: shows that everything works, and answers simple questions. Needs about 1 GB of memory.',
  },
  {
    name: 'SmolLM2 1.7B Instruct',
    source: 'hf:HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF/smollm2-1.7b-instruct-q4_k_m.gguf',
    sizeBytes: 1_060_000_000,
    licence: 'apache-2.0',
    description: 'Small, for conversations in English. Needs about 2 GB of memory.',
  },
  {
    name: 'Qwen2.5 1.5B Instruct',
    source: 'hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q4_k_m.gguf',
    sizeBytes: 1_120_000_000,
    licence: 'apache-2.0',
    description: 'Small, speaks many languages. Needs about 2 GB of memory.',
  },
  {
    name: 'Qwen3 4B',
    source: 'hf:Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf',
    sizeBytes: 2_500_000_000,
    licence: 'apache-2.0',
    description: 'Thinks before it answers; the best of these, and the slowest without a GPU. Needs about 5 GB of memory.',
  },
];
