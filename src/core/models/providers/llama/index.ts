export { createLlamaProvider, type LlamaProviderOptions } from './provider.ts';
export type { EngineSettings } from './options.ts';
