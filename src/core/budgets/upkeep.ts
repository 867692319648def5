import { sql } from 'kysely';
import type { WriteQueries } from '../../base/storage/index.ts';
import { reservationLivesMs, type BudgetWorks } from './parts.ts';

/** Ids in one statement. */
const renewedAtOnce = 500;

/**
 * At the start: on SQLite no other server is there, so calls that were under way are dead. And while this one was away
 * calls may have ended of which no counter was told (budgets for everybody were switched off): all are counted anew.
 */
export async function putInOrder({ storage, instanceId }: BudgetWorks): Promise<void> {
  await storage.write(async (queries) => {
    if (storage.engine === 'sqlite') await withoutTurn(queries).where('owner', '!=', instanceId).execute();
    await queries.updateTable('budget_counters').set({ recount_at: 0 }).execute();
  });
}

/** Keeps the reservations of running calls, and removes those of calls that died. */
export async function renewReservations({ storage, running, statements }: BudgetWorks): Promise<void> {
  const ids = [...running];
  await storage.write(async (queries) => {
    for (let first = 0; first < ids.length; first += renewedAtOnce) {
      await queries.updateTable('budget_reservations').set({ expires_at: sql<number>`${statements.now()} + ${reservationLivesMs}` })
        .where('id', 'in', ids.slice(first, first + renewedAtOnce)).execute();
    }
    await withoutTurn(queries).where('expires_at', '<', statements.now()).execute();
  });
}

/** Frees what is still held when the server stops: calls that were never begun. */
export async function freeRunning({ storage, running, log }: BudgetWorks): Promise<void> {
  const ids = [...running].slice(0, renewedAtOnce);
  if (ids.length === 0) return;
  try {
    await storage.write((queries) => queries.deleteFrom('budget_reservations').where('id', 'in', ids).execute());
  } catch (error) {
    log.warn({ err: error, reservations: ids.length }, 'reservations of budgets could not be freed; they run out by themselves');
  }
}

/** Deletes reservations, but those of answers that wait or are being made. */
function withoutTurn(queries: WriteQueries) {
  return queries.deleteFrom('budget_reservations')
    .where((where) => where.not(where.exists(where.selectFrom('turns').select('message_id').whereRef('turns.message_id', '=', 'budget_reservations.id'))));
}
