export { createLlamaProvider, type LlamaProviderOptions } from './provider.ts';
export type { EngineSettings } from './options.ts';
export { readThreadMeasurements, type ThreadMeasurement } from './threads.ts';
