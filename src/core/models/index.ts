export type * from './types.ts';
export type * from './service.ts';
export { createLlamaProvider, type LlamaProviderOptions } from './providers/llama/index.ts';
export * from './store/index.ts';
