import type { Clock } from '../../base/clock.ts';
import type { Bus } from '../../base/events/index.ts';
import type { Log, Metrics } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import type { Models } from '../models/index.ts';
import type { Limits } from './limits.ts';
import type { ReservationStatements } from './statements.ts';
import type { BudgetSettings } from './types.ts';

export interface BudgetParts {
  /** Started before budgets are. */
  storage: Storage;
  models: Pick<Models, 'cost'>;
  bus: Bus;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Names this process among the instances that share a database. */
  instanceId: string;
  settings: BudgetSettings;
}

/** What the files of this module share. */
export interface BudgetWorks extends BudgetParts {
  limits: Limits;
  statements: ReservationStatements;
  /** Reservations of calls that run in this process and end with it. */
  running: Set<string>;
  /** Counters that this process has seen. */
  made: Set<string>;
}

/** How long a reservation holds without being renewed, milliseconds. For a turn: after its row in `turns` is gone. */
export const reservationLivesMs = 300_000;
