import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

type Row = Record<string, unknown>;

/** The tables of a server as they stood at one moment. */
export interface Tables {
  all(sql: string): Promise<Row[]>;
  /** What the database itself finds wrong. */
  damage(): Promise<string[]>;
  close(): Promise<void>;
}

/** The SQLite database in a data folder; a server may be using it. */
export function sqliteTables(dataDir: string): Tables {
  const database = new DatabaseSync(join(dataDir, 'parley.db'), { readOnly: true, timeout: 5000 });
  database.exec('begin');
  return {
    all: async (sql) => database.prepare(sql).all(),
    async damage() {
      const found = database.prepare('pragma integrity_check').all().map((row) => String(row['integrity_check'])).filter((text) => text !== 'ok');
      if (database.prepare('pragma foreign_key_check').all().length > 0) found.push('a foreign key points nowhere');
      return found;
    },
    async close() {
      database.close();
    },
  };
}

/** Object identifier of PostgreSQL's 64-bit integers and of sums over them: they are numbers here, as in SQLite. */
const numberTypes = new Set([20, 1700]);

/** A PostgreSQL database; servers may be using it. */
export async function postgresTables(url: string): Promise<Tables> {
  const getTypeParser = ((type: number, format?: 'text' | 'binary') =>
    numberTypes.has(type) && format !== 'binary' ? Number : pg.types.getTypeParser(type, format as 'text')) as typeof pg.types.getTypeParser;
  const client = new pg.Client({ connectionString: url, types: { getTypeParser } });
  await client.connect();
  await client.query('begin isolation level repeatable read read only');
  return {
    all: async (sql) => (await client.query<Row>(sql)).rows,
    damage: async () => [],
    close: () => client.end(),
  };
}
