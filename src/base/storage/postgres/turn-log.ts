import type { Pool } from 'pg';
import type { TurnLogRow } from '../types.ts';
import { isConnectionLost, isRetryable } from './errors.ts';
import { pause } from './retry.ts';

/** Tries in all when the connection breaks or PostgreSQL asks to try again. */
const maxAttempts = 4;

/**
 * One round trip for all rows. The turns are locked against a change of their epoch until the commit, in a fixed order
 * so that two batches do not wait for each other in a circle: whoever takes a turn over waits, and then sees these rows.
 * `$7` is set when an earlier try broke: rows that it did write count as written.
 */
const statement = `
  with given as (
    select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
      with ordinality as given (message_id, seq, kind, body, text_offset, epoch, place)
  ), held as (
    select turns.message_id, turns.epoch from turns
    where turns.message_id in (select message_id from given) and turns.state = 'RUNNING'
    order by turns.message_id for share
  ), allowed as (
    select given.* from given join held on held.message_id = given.message_id and held.epoch = given.epoch
  ), inserted as (
    insert into turn_log (message_id, seq, kind, body, text_offset)
    select message_id, seq, kind, body, text_offset from allowed order by place
    on conflict do nothing
    returning message_id, seq
  )
  select allowed.place from allowed join inserted on inserted.message_id = allowed.message_id and inserted.seq = allowed.seq
  union
  select allowed.place from allowed join turn_log on turn_log.message_id = allowed.message_id and turn_log.seq = allowed.seq
  where $7 and turn_log.kind = allowed.kind and turn_log.body = allowed.body
`;

/**
 * Whether each row was written. Throws what pg throws.
 * @param again whether an earlier call with these rows broke
 */
export async function appendTurnLog(pool: Pool, rows: readonly TurnLogRow[], again: boolean): Promise<boolean[]> {
  let brokenBefore = again;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await appendOnce(pool, rows, brokenBefore);
    } catch (error) {
      if (attempt === maxAttempts || !(isConnectionLost(error) || isRetryable(error))) throw error;
      brokenBefore ||= isConnectionLost(error);
      await pause(attempt);
    }
  }
}

async function appendOnce(pool: Pool, rows: readonly TurnLogRow[], brokenBefore: boolean): Promise<boolean[]> {
  const result = await pool.query<{ place: number }>({
    name: 'append-turn-log',
    text: statement,
    values: [
      rows.map((row) => row.messageId),
      rows.map((row) => row.seq),
      rows.map((row) => row.kind),
      rows.map((row) => row.body),
      rows.map((row) => row.offset),
      rows.map((row) => row.epoch),
      brokenBefore,
    ],
  });
  const places = new Set(result.rows.map((row) => row.place));
  return rows.map((_, index) => places.has(index + 1));
}
