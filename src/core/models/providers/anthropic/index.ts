export { createAnthropicProvider, type AnthropicOptions } from './provider.ts';
