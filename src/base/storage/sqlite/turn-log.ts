import type { StatementSync } from 'node:sqlite';
import type { TurnLogRow } from '../types.ts';
import type { SqliteConnection } from './connection.ts';

/**
 * The hot path: appends rows with prepared statements of its own, in one transaction, without leaving the thread.
 * The caller holds the write lock.
 */
export class TurnLogWriter {
  readonly #connection: SqliteConnection;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #insert: StatementSync;

  constructor(connection: SqliteConnection) {
    const { database } = connection;
    this.#connection = connection;
    this.#begin = database.prepare('begin immediate');
    this.#commit = database.prepare('commit');
    // A row that is there already is not written again: a repeated append must not undo what others gave in the same call.
    this.#insert = database.prepare(`
      insert into turn_log (message_id, seq, kind, body, text_offset)
      select ?1, ?2, ?3, ?4, ?5
      where exists (select 1 from turns where message_id = ?1 and state = 'RUNNING' and epoch = ?6)
      on conflict do nothing
    `);
  }

  /** Whether each row was written. Throws what SQLite throws; then nothing was. */
  append(rows: readonly TurnLogRow[]): boolean[] {
    const written: boolean[] = [];
    try {
      this.#begin.run();
      for (let index = 0; index < rows.length; index += 1) {
        const row = rows[index]!;
        written.push(this.#insert.run(row.messageId, row.seq, row.kind, row.body, row.offset, row.epoch).changes === 1);
      }
      this.#commit.run();
      return written;
    } catch (error) {
      this.#connection.rollback();
      throw error;
    }
  }
}
