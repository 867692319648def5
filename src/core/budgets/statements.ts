import { sql, type RawBuilder } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import { databaseTime, fieldsOf, Template, type BudgetCountersTable, type BudgetReservationsTable, type BudgetsTable, type Engine } from '../../base/storage/index.ts';
import { chargeSums } from './charges.ts';

/*
 * The statements of every call under a budget, built once.
 */

/** The budgets of a user and of the user's keys. */
export const budgetsOf = new Template<{ user_id: string }, BudgetsTable>((queries, field) =>
  queries.selectFrom('budgets').selectAll().where('user_id', '=', field('user_id')),
);

/** What `lockCounters` and `readCounters` look for. `key_id` is empty for none. */
export interface CounterKeys {
  user_id: string;
  key_id: string;
}

/** The counters of a user and one key, locked against other calls until the transaction ends, always in the same order. */
export const lockCounters = new Template<CounterKeys, BudgetCountersTable>((queries, field) =>
  queries
    .selectFrom('budget_counters')
    .selectAll()
    .where((where) =>
      where.or([
        where.and([where('subject', '=', 'user'), where('subject_id', '=', field('user_id'))]),
        where.and([where('subject', '=', 'key'), where('subject_id', '=', field('key_id'))]),
      ]),
    )
    .orderBy('subject')
    .orderBy('subject_id')
    .orderBy('period')
    .forUpdate(),
);

const counterColumns: (keyof BudgetCountersTable)[] = [
  'subject', 'subject_id', 'period', 'user_id', 'period_start', 'period_end', 'requests', 'tokens', 'cost_micros', 'recount_at',
];
/** Makes a counter; leaves one alone that another call makes at the same moment. */
export const insertCounter = new Template<BudgetCountersTable>((queries, field) =>
  queries.insertInto('budget_counters').values(fieldsOf<BudgetCountersTable>(counterColumns, field)).onConflict((conflict) => conflict.doNothing()),
);

export type CounterFigures = Pick<BudgetCountersTable, 'subject' | 'subject_id' | 'period' | 'period_start' | 'period_end' | 'requests' | 'tokens' | 'cost_micros' | 'recount_at'>;
export const writeCounter = new Template<CounterFigures>((queries, field) =>
  queries
    .updateTable('budget_counters')
    .set({
      period_start: field('period_start'), period_end: field('period_end'), requests: field('requests'), tokens: field('tokens'),
      cost_micros: field('cost_micros'), recount_at: field('recount_at'),
    })
    .where('subject', '=', field('subject'))
    .where('subject_id', '=', field('subject_id'))
    .where('period', '=', field('period')),
);

/** Adds calls that ended at `at` to the counters of a subject that count this time. */
export const addToCounters = new Template<Pick<CounterFigures, 'subject' | 'subject_id' | 'requests' | 'tokens' | 'cost_micros'> & { at: number }>((queries, field) =>
  queries
    .updateTable('budget_counters')
    .set((set) => ({
      requests: set('requests', '+', field('requests')),
      tokens: set('tokens', '+', field('tokens')),
      cost_micros: set('cost_micros', '+', field('cost_micros')),
    }))
    .where('subject', '=', field('subject'))
    .where('subject_id', '=', field('subject_id'))
    .where('period_start', '<=', field('at'))
    .where('period_end', '>', field('at')),
);

interface Sums {
  requests: number | string;
  tokens: number | string;
  cost_micros: number | string;
}

/** What the usage rows of a subject add up to. */
export const sumUsage = {
  user: new Template<{ subject_id: string; from: number; to: number }, Sums>((queries, field) =>
    queries
      .selectFrom('usage')
      .select([chargeSums.requests.as('requests'), chargeSums.tokens.as('tokens'), chargeSums.costMicros.as('cost_micros')])
      .where('user_id', '=', field('subject_id'))
      .where('created_at', '>=', field('from'))
      .where('created_at', '<', field('to')),
  ),
  key: new Template<{ subject_id: string; from: number; to: number }, Sums>((queries, field) =>
    queries
      .selectFrom('usage')
      .select([chargeSums.requests.as('requests'), chargeSums.tokens.as('tokens'), chargeSums.costMicros.as('cost_micros')])
      .where('api_key_id', '=', field('subject_id'))
      .where('created_at', '>=', field('from'))
      .where('created_at', '<', field('to')),
  ),
};

/** What calls under way hold, by key. */
export interface HeldRow extends Sums {
  api_key_id: string | null;
}

/** Statements that need the time by the database's clock: instances agree on when a call is dead. */
export interface ReservationStatements {
  /** What live reservations of a user hold, by key. */
  held: Template<{ user_id: string; now: number }, HeldRow>;
  insert: Template<Omit<BudgetReservationsTable, 'expires_at'> & { now: number; lives: number }>;
  /** The time as part of a query. */
  now(): RawBuilder<number>;
}

export function reservationStatements(engine: Engine, clock: Clock): ReservationStatements {
  // On SQLite the time is a value, so it cannot be built in.
  const time = (now: number): RawBuilder<number> => (engine === 'postgres' ? databaseTime(engine, clock) : sql<number>`${now}`);
  return {
    now: () => databaseTime(engine, clock),
    held: new Template((queries, field) =>
      queries
        .selectFrom('budget_reservations')
        .select(['api_key_id', sql<number | string>`count(*)`.as('requests'), sql<number | string>`sum(tokens_in + tokens_out)`.as('tokens'), sql<number | string>`sum(cost_micros)`.as('cost_micros')])
        .where('user_id', '=', field('user_id'))
        .where((where) =>
          where.or([
            where('expires_at', '>', time(field('now'))),
            // An answer that waits or is being made may take as long as it likes.
            where.exists(where.selectFrom('turns').select('message_id').whereRef('turns.message_id', '=', 'budget_reservations.id')),
          ]),
        )
        .groupBy('api_key_id'),
    ),
    insert: new Template((queries, field) =>
      queries.insertInto('budget_reservations').values({
        id: field('id'), user_id: field('user_id'), api_key_id: field('api_key_id'), tokens_in: field('tokens_in'), tokens_out: field('tokens_out'),
        cost_micros: field('cost_micros'), owner: field('owner'), expires_at: sql<number>`${time(field('now'))} + ${field('lives')}`,
      }),
    ),
  };
}
