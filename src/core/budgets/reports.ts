import { sql, type RawBuilder } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Storage } from '../../base/storage/index.ts';
import { mayAdminister, type Viewer } from '../accounts/index.ts';
import { periodAt } from './periods.ts';
import type { Budgets, UsageGroup, UsageLine, UsageQuery } from './types.ts';

/** Most lines of a report. */
const mostLines = 1000;
/** Most days that one report looks at. */
const mostDays = 400;
const dayMs = 24 * 3600 * 1000;

/** What a row is grouped by, and how groups are named. */
const groups: Record<UsageGroup, { value: RawBuilder<string | number | null>; label: RawBuilder<string | null> }> = {
  user: { value: sql`usage.user_id`, label: sql`max(users.username)` },
  key: { value: sql`usage.api_key_id`, label: sql`max(api_keys.name || ' (' || api_keys.prefix || '...)')` },
  model: { value: sql`usage.model`, label: sql`max(usage.model)` },
  // Whole division: both sides are integers.
  day: { value: sql`usage.created_at / ${sql.lit(dayMs)}`, label: sql`null` },
};

export function createUsageReports({ storage, clock }: { storage: Storage; clock: Clock }): Pick<Budgets, 'usage'> {
  return {
    async usage(viewer, query) {
      const { from, to } = rangeOf(query, clock.now());
      const group = groups[query.groupBy];
      let rows = storage.read
        .selectFrom('usage')
        .leftJoin('users', 'users.id', 'usage.user_id')
        .leftJoin('api_keys', 'api_keys.id', 'usage.api_key_id')
        .select([
          group.value.as('value'), group.label.as('label'), sql<number | string>`count(*)`.as('calls'),
          sum(sql`tokens_in`).as('tokens_in'), sum(sql`tokens_out`).as('tokens_out'), sum(sql`cost_micros`).as('cost_micros'),
          sum(sql`case when tokens_in is null or (tokens_out is null and kind = 'chat') then 1 else 0 end`).as('without_tokens'),
          sum(sql`case when cost_micros is null then 1 else 0 end`).as('without_price'),
        ])
        .where('usage.created_at', '>=', from)
        .where('usage.created_at', '<', to);
      const userId = readableUser(viewer, query.userId);
      if (userId !== null) rows = rows.where('usage.user_id', '=', userId);
      const found = await rows
        .groupBy(group.value)
        .orderBy(query.groupBy === 'day' ? group.value : sql`sum(coalesce(tokens_in, 0) + coalesce(tokens_out, 0))`, query.groupBy === 'day' ? 'asc' : 'desc')
        .limit(mostLines)
        .execute();
      return found.map((row): UsageLine => ({
        ...named(query.groupBy, row.value, row.label),
        calls: Number(row.calls), tokensIn: Number(row.tokens_in), tokensOut: Number(row.tokens_out), costMicros: Number(row.cost_micros),
        callsWithoutTokens: Number(row.without_tokens), callsWithoutPrice: Number(row.without_price),
      }));
    },
  };
}

/**
 * Whose figures a viewer may read: null for everybody's.
 * @throws {ParleyError} `forbidden` for those of others without being an administrator
 */
export function readableUser(viewer: Viewer, userId: string | null | undefined): string | null {
  if (userId === undefined || userId === viewer.userId) return viewer.userId;
  if (!mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only administrators see what others use.' });
  return userId;
}

function sum(value: RawBuilder<unknown>): RawBuilder<number | string> {
  return sql`coalesce(sum(${value}), 0)`;
}

/** @throws {ParleyError} `invalid_request` */
function rangeOf(query: UsageQuery, now: number): { from: number; to: number } {
  const to = query.to ?? now + 1;
  const from = query.from ?? periodAt('month', Math.min(now, to)).start;
  if (from > to) throw new ParleyError('invalid_request', { message: 'The time span ends before it begins.', parameter: 'from' });
  if (to - from > mostDays * dayMs) throw new ParleyError('invalid_request', { message: `A report covers at most ${mostDays} days.`, parameter: 'from' });
  return { from, to };
}

function named(groupBy: UsageGroup, value: string | number | null, label: string | null): Pick<UsageLine, 'group' | 'label'> {
  if (groupBy === 'day') {
    const day = new Date(Number(value) * dayMs).toISOString().slice(0, 10);
    return { group: day, label: day };
  }
  const group = value === null ? null : String(value);
  return { group, label: label ?? (group === null ? 'without a key' : group) };
}
