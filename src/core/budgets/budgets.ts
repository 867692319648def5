import { createAdministration } from './administration.ts';
import { createLimits } from './limits.ts';
import type { BudgetParts, BudgetWorks } from './parts.ts';
import { createUsageReports } from './reports.ts';
import { left } from './rest.ts';
import { reserve } from './reserving.ts';
import { settle } from './settling.ts';
import { reservationStatements } from './statements.ts';
import type { Budgets } from './types.ts';
import { freeRunning, putInOrder, renewReservations } from './upkeep.ts';

/** Pause between renewals, milliseconds. */
const renewEveryMs = 60_000;

/** Budgets over the rows of a database; see docs/budgets.md. */
export function createBudgets(parts: BudgetParts): Budgets {
  const { storage, clock, log } = parts;
  const works: BudgetWorks = { ...parts, limits: createLimits(parts), statements: reservationStatements(storage.engine, clock), running: new Set(), made: new Set() };
  let timer: NodeJS.Timeout | undefined;
  let renewing: Promise<void> | null = null;
  const renew = (): void => {
    renewing ??= renewReservations(works)
      .catch((error: unknown) => log.error({ err: error }, 'reservations of budgets could not be renewed'))
      .finally(() => (renewing = null));
  };

  return {
    name: 'budgets',
    async start() {
      works.limits.start();
      await putInOrder(works);
      timer = setInterval(renew, renewEveryMs).unref();
    },
    async stop() {
      clearInterval(timer);
      works.limits.stop();
      await renewing;
      await freeRunning(works);
    },
    mayApply: (queries, spender) => works.limits.mayHold(queries, spender.userId, spender.role),
    reserve: (...given) => reserve(works, ...given),
    settle: (queries, calls) => settle(works, queries, calls),
    async isReserved(queries, id) {
      return (await queries.selectFrom('budget_reservations').select('id').where('id', '=', id).executeTakeFirst()) !== undefined;
    },
    left: (viewer) => left(works, viewer),
    ...createUsageReports(parts),
    ...createAdministration(works),
  };
}
