/*
 * The public module: `import { AIService, ChatService, createApp } from 'parley/studio'`. Whatever is not exported here is
 * the inside of Parley and may change.
 */
export { createApp } from './app.ts';
export { AIService, type AIServiceOptions } from './ai-service.ts';
export { ChatService } from './chat-service.ts';
export { AIServiceError, ParleyError, type ErrorCode } from './errors.ts';
export type * from './types.ts';
export * from './utilities/index.ts';
