import type { Clock } from '../../base/clock.ts';
import { isGap, type Bus } from '../../base/events/index.ts';
import type { BudgetsTable, Queries, WriteQueries } from '../../base/storage/index.ts';
import type { Charge } from './charges.ts';
import type { Counted } from './counters.ts';
import { budgetsOf } from './statements.ts';
import type { Bounds, BudgetSettings, BudgetState, BudgetSubject, Period, Spender } from './types.ts';

/** A budget that holds for a spender. */
export interface Limit {
  subject: BudgetSubject;
  period: Period;
  userId: string;
  bounds: Bounds;
  source: BudgetState['source'];
}

/** A budget with what was used of it and what calls under way hold. */
export interface Standing {
  limit: Limit;
  counted: Counted;
  held: Charge;
}

/** How long it is remembered that a user has no budget, milliseconds. */
const rememberedMs = 3000;
/** Most users remembered. */
const mostRemembered = 10_000;
/** Topic of the bus on which changes of budgets are told. */
export const budgetTopic = 'budgets';

/** Which budgets hold for whom. */
export interface Limits {
  start(): void;
  stop(): void;
  /** Whether a budget may hold for a user; at most a few seconds old. */
  mayHold(queries: Queries | WriteQueries, userId: string, role: Spender['role'] | null): Promise<boolean>;
  /** The budgets that hold for a spender now. */
  of(queries: Queries | WriteQueries, spender: Spender): Promise<Limit[]>;
}

export function createLimits({ bus, clock, settings }: { bus: Bus; clock: Clock; settings: BudgetSettings }): Limits {
  /** Users in the order of asking. */
  const remembered = new Map<string, { any: boolean; until: number }>();
  let unsubscribe: (() => void) | undefined;

  return {
    start() {
      unsubscribe = bus.subscribe(budgetTopic, (message) => {
        if (isGap(message) || typeof message['userId'] !== 'string') remembered.clear();
        else remembered.delete(message['userId']);
      });
    },
    stop() {
      unsubscribe?.();
    },
    async mayHold(queries, userId, role) {
      if (settings.perUser.length > 0 && role !== 'owner') return true;
      const known = remembered.get(userId);
      const now = clock.monotonic();
      if (known && known.until > now) return known.any;
      const any = (await budgetsOf.first(queries, { user_id: userId })) !== undefined;
      remembered.delete(userId);
      remembered.set(userId, { any, until: now + rememberedMs });
      if (remembered.size > mostRemembered) remembered.delete(remembered.keys().next().value!);
      return any;
    },
    async of(queries, spender) {
      const rows = await budgetsOf.all(queries, { user_id: spender.userId });
      return limitsFrom(rows, spender, settings).filter(({ subject }) => subject.kind === 'user' || subject.id === spender.apiKeyId);
    },
  };
}

/** The budgets of a user and the user's keys, those for everybody included; without those that bound nothing. */
export function limitsFrom(rows: readonly BudgetsTable[], user: Pick<Spender, 'userId' | 'role'>, settings: BudgetSettings): Limit[] {
  const own = rows.map((row): Limit => ({
    subject: { kind: row.subject, id: row.subject_id }, period: row.period, userId: row.user_id, source: 'own',
    bounds: { requests: row.requests, tokens: row.tokens, costMicros: row.cost_micros },
  }));
  // The machine is the owner's: only what was set on purpose holds.
  const defaults = user.role === 'owner' ? [] : settings.perUser
    .filter(({ period }) => !rows.some((row) => row.subject === 'user' && row.period === period))
    .map(({ period, ...bounds }): Limit => ({ subject: { kind: 'user', id: user.userId }, period, userId: user.userId, bounds, source: 'default' }));
  return [...own, ...defaults].filter(({ bounds }) => bounds.requests !== null || bounds.tokens !== null || bounds.costMicros !== null);
}
