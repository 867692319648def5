import { ParleyError } from '../../base/errors.ts';
import { isId } from '../../base/ids.ts';
import type { BudgetCountersTable, Queries } from '../../base/storage/index.ts';
import { mayAdminister, type Role, type Viewer } from '../accounts/index.ts';
import { readCounter } from './counters.ts';
import { budgetTopic, limitsFrom, type Limit } from './limits.ts';
import type { BudgetWorks } from './parts.ts';
import { readableUser } from './reports.ts';
import { heldBy } from './reserving.ts';
import { budgetsOf } from './statements.ts';
import type { Bounds, Budgets, BudgetState, BudgetSubject } from './types.ts';

/** Most budgets in a list. */
const mostListed = 1000;
/** Largest bound: sums stay exact. */
const largestBound = 1e15;

/** Setting budgets, for administrators, and showing how they stand. */
export function createAdministration(works: BudgetWorks): Pick<Budgets, 'list' | 'set' | 'remove'> {
  const { storage, bus, clock } = works;

  return {
    async list(viewer, userId) {
      const whose = readableUser(viewer, userId);
      const states: BudgetState[] = [];
      for (const id of whose === null ? await usersWithBudgets(storage.read) : [whose]) states.push(...(await statesOf(works, id)));
      return states.slice(0, mostListed);
    },
    async set(viewer, subject, period, bounds) {
      requireAdministrator(viewer);
      checkBounds(bounds);
      const userId = await userOf(storage.read, subject);
      const row = {
        subject: subject.kind, subject_id: subject.id, period, user_id: userId, requests: bounds.requests, tokens: bounds.tokens, cost_micros: bounds.costMicros,
        changed_at: clock.now(),
      };
      await storage.write(async (queries) => {
        const { requests, tokens, cost_micros, changed_at } = row;
        await queries.insertInto('budgets').values(row)
          .onConflict((conflict) => conflict.columns(['subject', 'subject_id', 'period']).doUpdateSet({ requests, tokens, cost_micros, changed_at })).execute();
        storage.afterCommit(queries, () => bus.publish(budgetTopic, { type: 'changed', userId }));
      });
      const state = (await statesOf(works, userId)).find((known) => known.subject.kind === subject.kind && known.subject.id === subject.id && known.period === period);
      return state ?? stateOf(works, { subject, period, userId, bounds, source: 'own' }, []);
    },
    async remove(viewer, subject, period) {
      requireAdministrator(viewer);
      const userId = await userOf(storage.read, subject);
      await storage.write(async (queries) => {
        const removed = await queries.deleteFrom('budgets').where('subject', '=', subject.kind).where('subject_id', '=', subject.id).where('period', '=', period).executeTakeFirst();
        if (Number(removed.numDeletedRows) === 0) throw new ParleyError('not_found', { message: 'There is no such budget.' });
        // Nobody keeps it in step any more: a budget that is set later counts anew.
        await queries.deleteFrom('budget_counters').where('subject', '=', subject.kind).where('subject_id', '=', subject.id).where('period', '=', period).execute();
        storage.afterCommit(queries, () => bus.publish(budgetTopic, { type: 'changed', userId }));
      });
    },
  };
}

/** The budgets of a user and the user's keys, day before month, those of keys last. */
async function statesOf(works: BudgetWorks, userId: string): Promise<BudgetState[]> {
  const { storage, settings } = works;
  const user = await storage.read.selectFrom('users').select('role').where('id', '=', userId).executeTakeFirst();
  if (!user) throw new ParleyError('not_found', { message: 'There is no such user.' });
  const rows = await budgetsOf.all(storage.read, { user_id: userId });
  const limits = [...limitsFrom(rows, { userId, role: user.role as Role }, settings), ...unbounded(rows)];
  const place = ({ subject, period }: Limit): string => `${subject.kind === 'user' ? 0 : 1} ${subject.id} ${period}`;
  limits.sort((one, other) => (place(one) < place(other) ? -1 : 1));
  const counters = await storage.read.selectFrom('budget_counters').selectAll().where('user_id', '=', userId).execute();
  return Promise.all(limits.map((limit) => stateOf(works, limit, counters)));
}

/** Budgets that were set to bound nothing: they take somebody out of the one for everybody. */
function unbounded(rows: Awaited<ReturnType<typeof budgetsOf.all>>): Limit[] {
  return rows
    .filter((row) => row.requests === null && row.tokens === null && row.cost_micros === null)
    .map((row) => ({ subject: { kind: row.subject, id: row.subject_id }, period: row.period, userId: row.user_id, bounds: { requests: null, tokens: null, costMicros: null }, source: 'own' }));
}

async function stateOf({ storage, clock, statements }: BudgetWorks, limit: Limit, counters: readonly BudgetCountersTable[]): Promise<BudgetState> {
  const now = clock.now();
  const { requests, tokens, costMicros, end } = await readCounter(storage.read, counters, limit, now);
  const held = await statements.held.all(storage.read, { user_id: limit.userId, now: Math.floor(now) });
  return { ...limit, label: await labelOf(storage.read, limit.subject), used: { requests, tokens, costMicros }, reserved: heldBy(held, limit.subject), resetsAt: end };
}

async function labelOf(queries: Queries, subject: BudgetSubject): Promise<string> {
  if (subject.kind === 'user') return (await queries.selectFrom('users').select('username').where('id', '=', subject.id).executeTakeFirst())?.username ?? subject.id;
  const key = await queries.selectFrom('api_keys').select(['name', 'prefix']).where('id', '=', subject.id).executeTakeFirst();
  return key ? `${key.name} (${key.prefix}...)` : subject.id;
}

async function usersWithBudgets(queries: Queries): Promise<string[]> {
  const rows = await queries.selectFrom('budgets').select('user_id').distinct().orderBy('user_id').limit(mostListed).execute();
  return rows.map((row) => row.user_id);
}

/** The user behind a subject. @throws {ParleyError} `not_found` */
async function userOf(queries: Queries, subject: BudgetSubject): Promise<string> {
  const found = !isId(subject.id) ? undefined : subject.kind === 'user'
    ? await queries.selectFrom('users').select('id as user_id').where('id', '=', subject.id).executeTakeFirst()
    : await queries.selectFrom('api_keys').select('user_id').where('id', '=', subject.id).executeTakeFirst();
  if (!found) throw new ParleyError('not_found', { message: subject.kind === 'user' ? 'There is no such user.' : 'There is no such key.' });
  return found.user_id;
}

/** @throws {ParleyError} `forbidden` */
function requireAdministrator(viewer: Viewer): void {
  if (!mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only an administrator may do this.' });
}

/** @throws {ParleyError} `invalid_request` */
function checkBounds(bounds: Bounds): void {
  for (const value of [bounds.requests, bounds.tokens, bounds.costMicros]) {
    if (value !== null && !(Number.isInteger(value) && value >= 0 && value <= largestBound)) {
      throw new ParleyError('invalid_request', { message: 'A bound is a whole number of 0 or more.' });
    }
  }
}
