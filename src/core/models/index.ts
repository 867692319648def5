export type * from './types.ts';
export type * from './service.ts';
export { latestModel, latestModels, type LatestModel, type LatestProvider } from './latest.ts';
export { isProviderName, splitModel } from './splitting.ts';
export { createSchemaCheck, type SchemaCheck } from './json-schema.ts';
export { pictureTypeOf, readPictureUrl, type PictureSource, type PictureType } from './pictures.ts';
export { createModels, type ModelParts, type ModelSettings } from './registry.ts';
export { createAnthropicProvider, type AnthropicOptions } from './providers/anthropic/index.ts';
export { createCohereProvider, type CohereOptions } from './providers/cohere/index.ts';
export { createGoogleProvider, type GoogleOptions } from './providers/google/index.ts';
export { createBuiltinProvider, type BuiltinOptions } from './providers/builtin/index.ts';
export { createLlamaProvider, readThreadMeasurements, type LlamaProviderOptions, type ThreadMeasurement } from './providers/llama/index.ts';
export { createOllamaProvider, type OllamaInstance, type OllamaOptions, type OllamaProvider } from './providers/ollama/index.ts';
export { createOpenaiProvider, type OpenaiOptions } from './providers/openai/index.ts';
export { createOpenaiCompatibleProvider, type OpenaiCompatibleOptions } from './providers/openai-compatible/index.ts';
export {
  createLangchainProvider, createOutsideService, createOwnService, langchainId, serveLangchain, withoutLangchain,
  type LangchainProvider, type LangchainService, type ServiceHealth,
} from './providers/langchain/index.ts';
export * from './store/index.ts';
export * from './ollama/index.ts';
