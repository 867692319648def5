import type { NotBuilt } from '../shared/index.ts';

/** What the published document of this dialect names and what is not built yet. */
export const arketicNotBuilt: readonly NotBuilt[] = [
  ['POST', '/api/v1/chat/chats/:chat_id/ai-message'],
  ['GET', '/api/v1/chat/stats'],
  ['GET', '/api/v1/chat/langchain/health'],
  ['POST', '/api/v1/chat/langchain/test'],
  ['GET', '/api/v1/chat/services/status'],
  ['POST', '/api/v1/chat/test/connection'],
  ['POST', '/api/v1/chat/openai/test'],
];
