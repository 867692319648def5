import { isPostgresUniqueViolation } from './postgres/errors.ts';
import { isSqliteUniqueViolation } from './sqlite/errors.ts';

/** Whether a query failed because a row of the same key is there already. On PostgreSQL the transaction cannot go on after it. */
export function isUniqueViolation(thrown: unknown): boolean {
  return isSqliteUniqueViolation(thrown) || isPostgresUniqueViolation(thrown);
}
