import { createHash } from 'node:crypto';

/** A value as both engines hold it. Whole numbers beyond 2^53 are bigints, so that none is rounded on the way. */
export type Value = string | number | bigint | Uint8Array | null;

/** The values of one row, in the order of the columns that were asked for. */
export type Row = readonly Value[];

/** What a table holds: equal on both engines when, and only when, they hold the same rows. */
export interface TableSum {
  rows: number;
  /** SHA-256 over all rows in the order of their key, hex. */
  checksum: string;
}

/**
 * One row as text that does not depend on the engine: numbers in their shortest form (a real number without a fraction
 * is written like a whole one), texts as JSON, bytes in hex. Values of different kinds never look alike.
 * @throws {TypeError} for a value of a kind that no column has
 */
export function canonicalRow(row: Row): string {
  return row.map(canonicalValue).join(',');
}

function canonicalValue(value: Value): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      // Unlike JSON, this tells infinities from null; both engines take -0 for 0.
      return String(value === 0 ? 0 : value);
    case 'bigint':
      return String(value);
    default:
      if (value === null) return 'null';
      if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
      throw new TypeError(`A value of the type ${Object.prototype.toString.call(value)} cannot be moved between databases.`);
  }
}

/** Sums up a table while its rows pass by. */
export class RowSum {
  private readonly hash = createHash('sha256');
  private rows = 0;

  add(rows: readonly Row[]): void {
    for (const row of rows) this.hash.update(`${canonicalRow(row)}\n`);
    this.rows += rows.length;
  }

  /** To be called once, at the end. */
  end(): TableSum {
    return { rows: this.rows, checksum: this.hash.digest('hex') };
  }
}

/** Most rows in one piece. */
export const mostRows = 500;
/** Characters of text in one piece from which it is handed on, so that memory stays bounded whatever the rows hold. */
export const mostLength = 1_000_000;

/** A measure of what a row takes in memory, in characters. */
export function lengthOf(row: Row): number {
  let length = 0;
  for (const value of row) length += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
  return length;
}
