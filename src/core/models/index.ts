export type * from './types.ts';
export type * from './service.ts';
export { createModels, type ModelParts, type ModelSettings } from './registry.ts';
export { createBuiltinProvider, type BuiltinOptions } from './providers/builtin/index.ts';
export { createLlamaProvider, type LlamaProviderOptions } from './providers/llama/index.ts';
export { createOllamaProvider, type OllamaOptions } from './providers/ollama/index.ts';
export { createOpenaiProvider, type OpenaiOptions } from './providers/openai/index.ts';
export { createOpenaiCompatibleProvider, type OpenaiCompatibleOptions } from './providers/openai-compatible/index.ts';
export * from './store/index.ts';
