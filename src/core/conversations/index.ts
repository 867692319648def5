export { noModel } from './types.ts';
export type * from './types.ts';
export type * from './search/types.ts';
export type { ContextReport, ContextSource, ContextTurn, TokenBudget } from './context.ts';
export type { ConversationNeeds } from './parts.ts';
export { createConversations } from './service.ts';
export { isSaid } from './said.ts';
export type * from './transfer/types.ts';
export { createTransfers, type TransferOptions } from './transfer/transfers.ts';
