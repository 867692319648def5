export { createOllamaProvider, type OllamaOptions } from './provider.ts';
