import { isoTime } from '../../base/clock.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { DialectParts } from '../shared/index.ts';

const names = { requests: 'requests', tokens: 'tokens', costMicros: 'usd' } as const;

/** What is left of the viewer's budgets, as headers; none without a budget. OpenAI's own ones tell of limits by the minute. */
export async function budgetHeaders({ budgets }: Pick<DialectParts, 'budgets'>, viewer: Viewer): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const { kind, bound, left, resetsAt } of await budgets.left(viewer)) {
    const unit = kind === 'costMicros' ? 1e6 : 1;
    headers[`x-budget-limit-${names[kind]}`] = String(bound / unit);
    headers[`x-budget-remaining-${names[kind]}`] = String(left / unit);
    headers[`x-budget-reset-${names[kind]}`] = isoTime(resetsAt);
  }
  return headers;
}
