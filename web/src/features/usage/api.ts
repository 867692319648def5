import { request, type Budget, type UsageLine } from '../../shared/api/index.ts';

const base = '/api/v1/chat';

/** What the viewer used this month (UTC). */
export async function fetchUsage(groupBy: 'day' | 'model'): Promise<UsageLine[]> {
  return (await request<{ usage: UsageLine[] }>('GET', `${base}/usage?group_by=${groupBy}`)).usage;
}

export async function fetchBudgets(): Promise<Budget[]> {
  return (await request<{ budgets: Budget[] }>('GET', `${base}/budgets`)).budgets;
}
