import { sql, type ColumnDataType, type RawBuilder } from 'kysely';
import type { Engine } from '../types.ts';

type ColumnType = ColumnDataType | RawBuilder<unknown>;

/** Column types that hold and order the same values on both engines. */
export interface ColumnTypes {
  /** Text, compared byte by byte (SQLite's only way; PostgreSQL would follow the language of the machine). */
  text: ColumnType;
  /** Whole numbers of 64 bits, read as JavaScript numbers: times, counts, flags. */
  integer: ColumnType;
  /** Floating point numbers of 64 bits. */
  real: ColumnType;
}

export function columnTypes(engine: Engine): ColumnTypes {
  return engine === 'postgres'
    ? { text: sql`text collate "C"`, integer: 'bigint', real: 'double precision' }
    : { text: 'text', integer: 'integer', real: 'real' };
}
