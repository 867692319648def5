export type { ModelAction } from './managing.ts';
export { listedName } from './names.ts';
export { createOllamaProvider, type OllamaOptions, type OllamaProvider } from './provider.ts';
export type { PullProgress } from './pulling.ts';
export type { OllamaInstance, OllamaServers } from './servers.ts';
