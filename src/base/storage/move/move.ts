import { ParleyError } from '../../errors.ts';
import { migrations as allMigrations } from '../migrations/index.ts';
import { openPostgresSource, openPostgresTarget } from './postgres-side.ts';
import { RowSum, type TableSum } from './rows.ts';
import type { Look, MoveEnd, MoveSource, MoveTarget, Reading } from './sides.ts';
import { openSqliteSource, openSqliteTarget } from './sqlite-side.ts';
import { movedTables } from './tables.ts';

export interface MoveOptions {
  from: MoveEnd;
  to: MoveEnd;
  /** Looks only: nothing is written at either end. */
  dryRun: boolean;
  /** Whether rows at the target may be replaced. */
  overwrite: boolean;
  /** Looks for more reasons not to move, each a sentence for people. */
  check?: (source: Reading) => Promise<string[]>;
  /** Told after each piece. */
  onProgress?: (progress: MoveProgress) => void;
}

export interface MoveProgress {
  step: 'copying' | 'checking';
  table: string;
  /** Rows of all tables that are done in this step, and how many there are. */
  rows: number;
  of: number;
}

/** One table in a report. */
export interface MovedTable {
  table: string;
  /** Rows at the source. */
  rows: number;
  /** Rows at the target before the move. */
  present: number;
  /** SHA-256 over all rows, hex, the same at both ends; null as long as it has not been computed. */
  checksum: string | null;
}

export interface MoveReport {
  /** Both ends, for people. */
  from: string;
  to: string;
  /** `unchanged`: a dry run, or both ends hold the same already. */
  outcome: 'moved' | 'unchanged';
  /** Whether both ends are known to hold the same. */
  same: boolean;
  /** Why it could not be moved, for people; empty when it can. Only a dry run comes back with any. */
  problems: string[];
  tables: MovedTable[];
  /** Bytes that the source takes, and that are free at the target; null when not known from here. */
  sourceBytes: number | null;
  freeBytes: number | null;
  /** File with the database that was replaced. */
  kept: string | null;
}

/** Bytes that must stay free at the target, beyond those of the data. */
const spareBytes = 50e6;

/**
 * Carries everything from one database to another. The source is read in one snapshot and never changed. At the target
 * everything appears at once, after each table was read back and its count and checksum were found to equal the
 * source's; a move that is broken off leaves the target as it was, and can be made again. When both ends hold the same
 * already (a move whose end was not seen), nothing is done.
 * @throws {ParleyError} `conflict` with all reasons why it cannot be moved (a server runs, the target holds rows, the
 *   ends are of different versions, a checksum differs); `invalid_request`, `storage_unavailable`, `storage_full`
 */
export async function moveDatabase(options: MoveOptions): Promise<MoveReport> {
  const source = options.from.engine === 'sqlite' ? await openSqliteSource(options.from.dataDir) : await openPostgresSource(options.from.url);
  try {
    const target = options.to.engine === 'sqlite' ? await openSqliteTarget(options.to.dataDir, !options.dryRun) : await openPostgresTarget(options.to.url);
    try {
      return await moveBetween(source, target, options);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function moveBetween(source: MoveSource, target: MoveTarget, { dryRun, overwrite, check, onProgress }: MoveOptions): Promise<MoveReport> {
  const report: MoveReport = {
    from: source.label, to: target.label, outcome: 'unchanged', same: false, problems: [], tables: [], sourceBytes: null, freeBytes: null, kept: null,
  };
  const looks = { source: await source.look(), target: await target.look() };
  report.problems.push(...versionProblems(source.label, looks.source, false), ...versionProblems(target.label, looks.target, true));
  if (report.problems.length === 0) {
    await count(source, target, looks.target, report);
    report.problems.push(...((await check?.(source)) ?? []));
  }
  const holdsRows = report.tables.some(({ present }) => present > 0);
  if (holdsRows && !overwrite && !dryRun && (await areSame(source, target, looks.source, report))) return { ...report, same: true };
  if (holdsRows && !overwrite) report.problems.push(fullTarget(target.label, report.tables));
  report.sourceBytes = await source.bytes();
  report.freeBytes = await target.freeBytes();
  if (report.freeBytes !== null && report.freeBytes < report.sourceBytes + spareBytes) {
    report.problems.push(`${target.label} has too little space: ${Math.round(report.freeBytes / 1e6)} MB are free, and about ${Math.round((report.sourceBytes + spareBytes) / 1e6)} MB are needed.`);
  }
  if (dryRun) return report;
  if (report.problems.length > 0) throw new ParleyError('conflict', { message: report.problems.join('\n') });
  await target.begin(holdsRows);
  await copy(source, target, looks.source, report, onProgress);
  report.kept = await target.commit();
  return { ...report, outcome: 'moved', same: true };
}

/** What is wrong with the version of an end. A target may be empty: its tables are made then. */
function versionProblems(label: string, { migrations, columns }: Look, mayBeEmpty: boolean): string[] {
  if (migrations === null) {
    if (!mayBeEmpty) return [`${label} holds no database of Parley.`];
    const foreign = Object.keys(movedTables).filter((table) => columns.has(table));
    return foreign.length === 0 ? [] : [`${label} holds tables of something else (${foreign.join(', ')}).`];
  }
  const known = allMigrations.map(({ name }) => name);
  const newer = migrations.filter((name) => !known.includes(name));
  if (newer.length > 0) return [`${label} was made by a newer Parley (it has ${newer.join(', ')}). Move it with that version.`];
  const missing = known.filter((name) => !migrations.includes(name));
  if (missing.length > 0) return [`${label} is of an older Parley (it lacks ${missing.join(', ')}). Start this version on it once, stop it, and move then.`];
  return [];
}

async function count(source: Reading, target: Reading, present: Look, report: MoveReport): Promise<void> {
  for (const table of Object.keys(movedTables)) {
    report.tables.push({ table, rows: await source.count(table), present: present.columns.has(table) ? await target.count(table) : 0, checksum: null });
  }
}

function fullTarget(label: string, tables: readonly MovedTable[]): string {
  const rows = tables.filter(({ present }) => present > 0).map(({ table, present }) => `${table}: ${present}`).join(', ');
  return `${label} is not empty (${rows}). Make a backup of it, and replace what is there with --overwrite.`;
}

/** Whether both ends hold the same rows. */
async function areSame(source: Reading, target: Reading, look: Look, report: MoveReport): Promise<boolean> {
  if (report.tables.some(({ rows, present }) => rows !== present)) return false;
  for (const table of report.tables) {
    const there = await sumOf(source, table.table, look);
    if ((await sumOf(target, table.table, look)).checksum !== there.checksum) return false;
    table.checksum = there.checksum;
  }
  return true;
}

async function sumOf(reading: Reading, table: string, look: Look): Promise<TableSum> {
  const sum = new RowSum();
  for await (const rows of reading.read(table, look.columns.get(table)!, keyOf(table))) sum.add(rows);
  return sum.end();
}

function keyOf(table: string): readonly string[] {
  return movedTables[table as keyof typeof movedTables];
}

/** Copies all tables, reads them back, and compares. */
async function copy(source: Reading, target: MoveTarget, look: Look, report: MoveReport, onProgress: MoveOptions['onProgress']): Promise<void> {
  const of = report.tables.reduce((sum, { rows }) => sum + rows, 0);
  const sums = new Map<string, TableSum>();
  let done = 0;
  for (const { table } of report.tables) {
    const columns = look.columns.get(table)!;
    const sum = new RowSum();
    for await (const rows of source.read(table, columns, keyOf(table))) {
      sum.add(rows);
      await target.insert(table, columns, rows);
      onProgress?.({ step: 'copying', table, rows: (done += rows.length), of });
    }
    sums.set(table, sum.end());
  }
  done = 0;
  for (const entry of report.tables) {
    const { table } = entry;
    const sum = new RowSum();
    for await (const rows of target.read(table, look.columns.get(table)!, keyOf(table))) {
      sum.add(rows);
      onProgress?.({ step: 'checking', table, rows: (done += rows.length), of });
    }
    const [there, here] = [sums.get(table)!, sum.end()];
    if (there.rows !== here.rows || there.checksum !== here.checksum) {
      throw new ParleyError('conflict', { message: `The table ${table} did not arrive as it is: ${there.rows} rows left, ${here.rows} came, or their contents differ. Nothing was moved.` });
    }
    entry.checksum = there.checksum;
  }
}
