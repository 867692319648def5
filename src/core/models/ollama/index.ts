export type * from './types.ts';
export { createOllamaPool, type OllamaPoolOptions } from './pool.ts';
