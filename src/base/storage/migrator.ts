import { sql, type Kysely } from 'kysely';
import { ParleyError } from '../errors.ts';
import type { Migration } from './migrations/migration.ts';
import type { Engine } from './types.ts';

/** The table of applied migrations. */
interface AppliedMigrations {
  applied_migrations: { name: string; applied_at: number };
}

export interface MigrationRun {
  engine: Engine;
  migrations: readonly Migration[];
  /** Runs `work` in one transaction on the write connection. */
  transaction: (work: (database: Kysely<unknown>) => Promise<void>) => Promise<void>;
  /** Called once, before the first change, with the first migration to come and those that the database has already. */
  beforeChange: (first: string, present: readonly string[]) => Promise<void>;
  now: () => number;
}

/**
 * Brings the schema up to date. Each migration is committed together with its name, so that a crash leaves the
 * database between two migrations and never inside one.
 * @returns the names of the migrations that were applied now
 * @throws {ParleyError} `storage_unavailable` when the database was made by a newer Parley
 */
export async function migrate(run: MigrationRun): Promise<string[]> {
  const before = await applied(run);
  refuseNewer(before, run.migrations);
  const pending = run.migrations.filter((migration) => !before.includes(migration.name));
  if (pending.length === 0) return [];
  await run.beforeChange(pending[0]!.name, before);
  const done: string[] = [];
  for (const migration of pending) {
    if (await applyOne(run, migration)) done.push(migration.name);
  }
  return done;
}

/** Names of applied migrations that this program does not know. */
export function unknownMigrations(names: readonly string[], migrations: readonly Migration[]): string[] {
  const known = new Set(migrations.map((migration) => migration.name));
  return names.filter((name) => !known.has(name));
}

/** What `integrity` says of migrations that have not been applied. */
export function missingMigrations(names: readonly string[], migrations: readonly Migration[]): string[] {
  return migrations.filter((migration) => !names.includes(migration.name)).map((migration) => `Migration ${migration.name} has not been applied`);
}

/** Names of the applied migrations, oldest first. The table of them must exist. */
export async function appliedMigrations(database: Kysely<unknown>): Promise<string[]> {
  const rows = await (database as Kysely<AppliedMigrations>).selectFrom('applied_migrations').select('name').orderBy('name').execute();
  return rows.map((row) => row.name);
}

async function applied(run: MigrationRun): Promise<string[]> {
  let names: string[] = [];
  await run.transaction(async (database) => {
    await serialise(database, run.engine);
    await database.schema.createTable('applied_migrations').ifNotExists()
      .addColumn('name', 'text', (column) => column.primaryKey().notNull())
      .addColumn('applied_at', 'bigint', (column) => column.notNull())
      .execute();
    names = await appliedMigrations(database);
  });
  return names;
}

async function applyOne(run: MigrationRun, migration: Migration): Promise<boolean> {
  let changed = false;
  await run.transaction(async (database) => {
    await serialise(database, run.engine);
    const queries = database as Kysely<AppliedMigrations>;
    const present = await queries.selectFrom('applied_migrations').select('name').where('name', '=', migration.name).executeTakeFirst();
    changed = !present;
    if (present) return; // Another instance, started at the same moment, was first.
    await migration.up(database, run.engine);
    await queries.insertInto('applied_migrations').values({ name: migration.name, applied_at: run.now() }).execute();
  });
  return changed;
}

/** Instances on one PostgreSQL start together: one migrates, the others wait. A SQLite transaction is alone anyway. */
async function serialise(database: Kysely<unknown>, engine: Engine): Promise<void> {
  if (engine === 'postgres') {
    // A large table takes its time to change, and so does waiting for the instance that changes it.
    await sql`set local statement_timeout = 0`.execute(database);
    await sql`set local lock_timeout = 0`.execute(database);
    await sql`select pg_advisory_xact_lock(hashtextextended('parley migrations ' || current_schema(), 0))`.execute(database);
  }
}

function refuseNewer(names: readonly string[], migrations: readonly Migration[]): void {
  const unknown = unknownMigrations(names, migrations);
  if (unknown.length > 0) {
    throw new ParleyError('storage_unavailable', {
      message: `The database was made by a newer Parley (it has ${unknown.join(', ')}). Start that version, or restore a backup made before.`,
    });
  }
}
