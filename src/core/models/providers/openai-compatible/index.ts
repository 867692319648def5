export { createOpenaiCompatibleProvider, type OpenaiCompatibleOptions } from './provider.ts';
