export type * from './types.ts';
export type { BudgetParts } from './parts.ts';
export { createBudgets } from './budgets.ts';
export { estimatePrompt, estimateTokens, messageOverhead, tokensOfPicture, tokensOfSize } from './estimate.ts';
