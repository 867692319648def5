import type { WriteQueries } from '../../base/storage/index.ts';
import type { Charge } from './charges.ts';
import { openCounters } from './counters.ts';
import { fit } from './fitting.ts';
import type { Standing } from './limits.ts';
import { reservationLivesMs, type BudgetWorks } from './parts.ts';
import type { HeldRow } from './statements.ts';
import type { BudgetSubject, Estimate, Spender } from './types.ts';

/** See `Budgets.reserve`. */
export async function reserve(works: BudgetWorks, queries: WriteQueries, spender: Spender, id: string, estimate: Estimate, kind: 'turn' | 'call'): Promise<boolean> {
  const { storage, models, settings, clock, statements, instanceId, metrics, running } = works;
  const limits = await works.limits.of(queries, spender);
  if (limits.length === 0) return false;
  const now = clock.now();
  // Locked first: whoever comes now waits here, and then sees what is held below.
  const counters = await openCounters(queries, limits, works);
  const held = await statements.held.all(queries, { user_id: spender.userId, now: Math.floor(now) });
  const standings = limits.map((limit, index): Standing => ({ limit, counted: counters[index]!, held: heldBy(held, limit.subject) }));
  let holding;
  try {
    holding = fit(standings, estimate, models, settings, now);
  } catch (error) {
    metrics.limited.inc({ limit: 'budget' });
    throw error;
  }
  await statements.insert.run(queries, {
    id, user_id: spender.userId, api_key_id: spender.apiKeyId, tokens_in: holding.tokensIn, tokens_out: holding.tokensOut, cost_micros: holding.costMicros,
    owner: instanceId, now: Math.floor(now), lives: reservationLivesMs,
  });
  if (kind === 'call') storage.afterCommit(queries, () => running.add(id));
  return true;
}

/** What calls under way hold of a budget. */
export function heldBy(rows: readonly HeldRow[], subject: BudgetSubject): Charge {
  const sum: Charge = { requests: 0, tokens: 0, costMicros: 0 };
  for (const row of rows) {
    if (subject.kind === 'key' && row.api_key_id !== subject.id) continue;
    sum.requests += Number(row.requests);
    sum.tokens += Number(row.tokens);
    sum.costMicros += Number(row.cost_micros);
  }
  return sum;
}
