export { createOpenaiProvider, type OpenaiOptions } from './provider.ts';
export { createChatApi, type ChatApiOptions, type ModelEntry } from './chat-api.ts';
