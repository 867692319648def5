import type { Queries } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import { readCounter } from './counters.ts';
import type { BudgetWorks } from './parts.ts';
import { heldBy } from './reserving.ts';
import type { Bounds, BudgetRest } from './types.ts';

/** See `Budgets.left`. */
export async function left(works: BudgetWorks, viewer: Viewer): Promise<BudgetRest[]> {
  const { storage, clock, statements } = works;
  const spender = { userId: viewer.userId, role: viewer.role, apiKeyId: viewer.via === 'api-key' ? viewer.credentialId : null };
  const queries: Queries = storage.read;
  if (!(await works.limits.mayHold(queries, spender.userId, spender.role))) return [];
  const limits = await works.limits.of(queries, spender);
  if (limits.length === 0) return [];
  const now = clock.now();
  const counters = await queries.selectFrom('budget_counters').selectAll().where('user_id', '=', spender.userId).execute();
  const held = await statements.held.all(queries, { user_id: spender.userId, now: Math.floor(now) });
  const rests = new Map<keyof Bounds, BudgetRest>();
  for (const limit of limits) {
    const counted = await readCounter(queries, counters, limit, now);
    const holding = heldBy(held, limit.subject);
    for (const kind of ['requests', 'tokens', 'costMicros'] as const) {
      const most = limit.bounds[kind];
      if (most === null) continue;
      const rest: BudgetRest = { kind, bound: most, left: Math.max(0, most - counted[kind] - holding[kind]), resetsAt: counted.end };
      if (rest.left < (rests.get(kind)?.left ?? Infinity)) rests.set(kind, rest);
    }
  }
  return [...rests.values()];
}
