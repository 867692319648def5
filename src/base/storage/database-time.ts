import { sql, type RawBuilder } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Engine } from './types.ts';

/**
 * The time by the database's clock as part of a query, in milliseconds since the epoch: what instances on different
 * machines agree on. On SQLite it is the process's clock. Unlike `Storage.now` it costs no query of its own.
 * @param plusMs milliseconds added to it
 */
export function databaseTime(engine: Engine, clock: Clock, plusMs = 0): RawBuilder<number> {
  if (engine === 'sqlite') return sql<number>`${Math.floor(clock.now()) + plusMs}`;
  return sql<number>`((extract(epoch from clock_timestamp()) * 1000)::bigint + ${plusMs}::bigint)`;
}
