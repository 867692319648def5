import { sql, type RawBuilder } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Engine } from './types.ts';

/**
 * The time by the database's clock as part of a query, in milliseconds since the epoch: what instances on different
 * machines agree on. On SQLite it is the process's clock. Unlike `Storage.now` it costs no query of its own.
 */
export function databaseTime(engine: Engine, clock: Clock): RawBuilder<number> {
  return engine === 'postgres' ? sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint` : sql<number>`${Math.floor(clock.now())}`;
}
