import type { BudgetReservationsTable, UsageTable } from '../../base/storage/index.ts';
import { sql, type RawBuilder } from 'kysely';
import type { Models } from '../models/index.ts';

/** What one call or many count against budgets. */
export interface Charge {
  requests: number;
  tokens: number;
  costMicros: number;
}

/**
 * A call that failed before the model said or counted anything used nothing, so it costs no request either: a service
 * that is down must not eat up what its users paid for. Rate limits keep those who try again and again at bay.
 */
function usedNothing(row: UsageTable): boolean {
  return row.outcome === 'FAILED' && row.tokens_in === null && row.tokens_out === null && row.time_to_first_token_ms === null;
}

/** What a usage row counts. `chargeSums` says the same to the database. */
export function chargeOf(row: UsageTable): Charge {
  return {
    requests: usedNothing(row) ? 0 : 1,
    tokens: row.charged_tokens ?? (row.tokens_in ?? 0) + (row.tokens_out ?? 0),
    costMicros: row.charged_micros ?? row.cost_micros ?? 0,
  };
}

/** The sums of `chargeOf` over usage rows. */
export const chargeSums: Record<keyof Charge, RawBuilder<number | string>> = {
  requests: sql`coalesce(sum(case when outcome = 'FAILED' and tokens_in is null and tokens_out is null and time_to_first_token_ms is null then 0 else 1 end), 0)`,
  tokens: sql`coalesce(sum(coalesce(charged_tokens, coalesce(tokens_in, 0) + coalesce(tokens_out, 0))), 0)`,
  costMicros: sql`coalesce(sum(coalesce(charged_micros, cost_micros, 0)), 0)`,
};

/**
 * Fills in what a call counts whose own figures are not known: one that was cancelled just before its end would be free
 * otherwise. The prompt counts as it was estimated, the answer by what was said.
 */
export function chargeUnknown(row: UsageTable, reserved: Pick<BudgetReservationsTable, 'tokens_in' | 'cost_micros'> | null, tokensSaid: number, models: Pick<Models, 'cost'>): void {
  const lacksTokens = row.tokens_in === null || (row.tokens_out === null && row.kind === 'chat');
  // Pictures are paid by the piece: where they have tokens, their service says so.
  if (row.kind === 'image' && row.cost_micros !== null) return;
  if (usedNothing(row) || (!lacksTokens && row.cost_micros !== null)) return;
  const tokensIn = row.tokens_in ?? reserved?.tokens_in ?? 0;
  const tokensOut = row.tokens_out ?? tokensSaid;
  if (lacksTokens) row.charged_tokens = tokensIn + tokensOut;
  if (row.cost_micros !== null) return;
  // Another model may have taken over whose price is not known: then what was held for the asked one counts.
  row.charged_micros = models.cost({ id: row.model }, tokensIn, tokensOut) ?? reserved?.cost_micros ?? 0;
}
