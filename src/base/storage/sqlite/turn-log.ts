import type { StatementSync } from 'node:sqlite';
import type { TurnLogRow } from '../types.ts';
import type { SqliteConnection } from './connection.ts';

/** The hot path: appends rows with a prepared statement of its own. The caller holds the write lock and has begun a transaction. */
export class TurnLogWriter {
  readonly #insert: StatementSync;

  constructor({ database }: SqliteConnection) {
    // A row that is there already is not written again: a repeated append must not undo what others gave in the same call.
    this.#insert = database.prepare(`
      insert into turn_log (message_id, seq, kind, body, text_offset)
      select ?1, ?2, ?3, ?4, ?5
      where exists (select 1 from turns where message_id = ?1 and state = 'RUNNING' and epoch = ?6)
      on conflict do nothing
    `);
  }

  /** Whether each row was written. Throws what SQLite throws. */
  append(rows: readonly TurnLogRow[]): boolean[] {
    return rows.map((row) => this.#insert.run(row.messageId, row.seq, row.kind, row.body, row.offset, row.epoch).changes === 1);
  }
}
