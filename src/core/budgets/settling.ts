import type { UsageTable, WriteQueries } from '../../base/storage/index.ts';
import { chargeOf, chargeUnknown, type Charge } from './charges.ts';
import { addCharges } from './counters.ts';
import type { BudgetWorks } from './parts.ts';
import type { BudgetSubject, EndedCall } from './types.ts';

/** See `Budgets.settle`. */
export async function settle({ storage, limits, models, running }: BudgetWorks, queries: WriteQueries, calls: readonly EndedCall[]): Promise<void> {
  const ids = calls.flatMap(({ reservation }) => (reservation === null ? [] : [reservation]));
  const reservations = ids.length === 0 ? [] : await queries.deleteFrom('budget_reservations').where('id', 'in', ids).returningAll().execute();
  if (ids.length > 0) storage.afterCommit(queries, () => ids.forEach((id) => running.delete(id)));
  const charged: UsageTable[] = [];
  for (const { reservation, usage, tokensSaid } of calls) {
    if (!usage) continue;
    // A budget may have come while the call was made.
    if (reservation === null && !(await limits.mayHold(queries, usage.user_id, null))) continue;
    chargeUnknown(usage, reservations.find((row) => row.id === reservation) ?? null, tokensSaid, models);
    charged.push(usage);
  }
  if (charged.length > 0) await addCharges(queries, bySubject(charged));
}

const hourMs = 3_600_000;

/** The charges of many calls, added up for each subject; calls of different hours apart, because a period may begin between them. */
function bySubject(rows: readonly UsageTable[]): { subject: BudgetSubject; at: number; charge: Charge }[] {
  const sums = new Map<string, { subject: BudgetSubject; at: number; charge: Charge }>();
  for (const row of rows) {
    const subjects: BudgetSubject[] = [{ kind: 'user', id: row.user_id }, ...(row.api_key_id === null ? [] : [{ kind: 'key' as const, id: row.api_key_id }])];
    const { requests, tokens, costMicros } = chargeOf(row);
    for (const subject of subjects) {
      const name = `${subject.kind} ${subject.id} ${Math.floor(row.created_at / hourMs)}`;
      const known = sums.get(name);
      if (known) {
        known.charge.requests += requests;
        known.charge.tokens += tokens;
        known.charge.costMicros += costMicros;
      } else sums.set(name, { subject, at: row.created_at, charge: { requests, tokens, costMicros } });
    }
  }
  return [...sums.values()];
}
