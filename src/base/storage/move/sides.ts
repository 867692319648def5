import type { Row } from './rows.ts';

/** One end of a move: a folder with SQLite, or a PostgreSQL server. */
export type MoveEnd = { engine: 'sqlite'; dataDir: string } | { engine: 'postgres'; url: string };

/** What was found at one end before anything is moved. */
export interface Look {
  /** Names of the applied migrations; null when there is no database yet, or none of Parley. */
  migrations: string[] | null;
  /** Columns of each table, in alphabetical order. */
  columns: ReadonlyMap<string, readonly string[]>;
}

/** Reads a database of one engine, as it is at one moment. */
export interface Reading {
  look(): Promise<Look>;
  count(table: string): Promise<number>;
  /** The rows of a table in the order of `key`, in pieces of bounded size. */
  read(table: string, columns: readonly string[], key: readonly string[]): AsyncIterable<Row[]>;
}

/** Where rows come from. It is only read, in one snapshot. */
export interface MoveSource extends Reading {
  /** For people: says nothing secret. */
  readonly label: string;
  /** Bytes that its tables take, indexes included. */
  bytes(): Promise<number>;
  /** Ends the snapshot and gives the lock back. */
  close(): Promise<void>;
}

/** Where rows go. What is written is seen by nobody, and lost with the process, until `commit` has resolved. */
export interface MoveTarget extends Reading {
  readonly label: string;
  /** Bytes that are free where it keeps its data; null when that cannot be known from here. */
  freeBytes(): Promise<number | null>;
  /** Makes the tables where there are none, and begins. @param replaces whether rows that are there shall be replaced */
  begin(replaces: boolean): Promise<void>;
  insert(table: string, columns: readonly string[], rows: readonly Row[]): Promise<void>;
  /** Makes everything last at once. The answer is the name under which a replaced database is kept, if it is. */
  commit(): Promise<string | null>;
  /** Undoes what was not committed and gives the lock back. */
  close(): Promise<void>;
}
