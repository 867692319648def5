import type { Kysely } from 'kysely';
import type { Engine } from '../types.ts';

/** One step of the schema. Steps only go forward and are never changed once they were published. */
export interface Migration {
  /** Kept in the database; orders the steps. */
  name: string;
  /** Runs in a transaction of its own. */
  up(database: Kysely<unknown>, engine: Engine): Promise<void>;
}
