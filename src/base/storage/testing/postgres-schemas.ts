import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Pool } from 'pg';
import { randomToken } from '../../ids.ts';

/*
 * A schema with all tables costs PostgreSQL a tenth of a second of a processor to make and a good part of that to drop,
 * and the tests want more than a thousand. So they hand them on: whoever is done with one writes its name into a list, and
 * who takes it from there finds it as it was made: nobody connected, no rows, sequences at their beginning, and the same
 * tables, columns, indexes, constraints, triggers and functions, or it is dropped and not used again.
 */

/** A schema that one test works in. */
export interface BorrowedSchema {
  /** Every connection of this address works in the schema. */
  url: string;
  /** Says that the tables are there now, as the migrations of this program make them. */
  migrated(): Promise<void>;
  /** After the last connection was ended: the next test may have it. */
  giveBack(): Promise<void>;
}

/** All that the storage makes is in these files: a schema made by others is of no use. */
const sources = [...readdirSync(new URL('../migrations/', import.meta.url)).sort().map((name) => `../migrations/${name}`), '../migrator.ts'];
const version = sources.reduce((hash, name) => hash.update(readFileSync(new URL(name, import.meta.url))), createHash('sha256')).digest('hex').slice(0, 16);

/** What is done once on a server, by whoever comes first. */
const preparation = `
  select pg_advisory_xact_lock(hashtext('parley_tests'));
  create schema if not exists parley_tests;
  create table if not exists parley_tests.free (name text primary key, version text not null, made text not null);
  create or replace function parley_tests.shape(schema_name text) returns text language sql as $$
    select md5(coalesce(string_agg(line, E'\\n' order by line collate "C"), '')) from (
      select 'column ' || c.relname || ' ' || c.relkind::text || ' ' || a.attname || ' ' || a.atttypid || ' ' || a.attnotnull as line
        from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relnamespace = to_regnamespace(schema_name) and a.attnum > 0
      union all select 'index ' || pg_get_indexdef(i.indexrelid) || i.indisvalid from pg_index i join pg_class c on c.oid = i.indrelid where c.relnamespace = to_regnamespace(schema_name)
      union all select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = to_regnamespace(schema_name)
      union all select 'trigger ' || tgname || ' ' || tgenabled::text from pg_trigger join pg_class c on c.oid = tgrelid where c.relnamespace = to_regnamespace(schema_name)
      union all select 'function ' || proname || ' ' || md5(prosrc) from pg_proc where pronamespace = to_regnamespace(schema_name)
      union all select 'default ' || pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d join pg_class c on c.oid = d.adrelid where c.relnamespace = to_regnamespace(schema_name)
    ) as lines
  $$;
  create or replace function parley_tests.empty(schema_name text) returns void language plpgsql as $$
    declare
      found record;
      has_rows boolean;
    begin
      -- Constraints and triggers say how rows may change; here all of them go.
      set local session_replication_role = replica;
      for found in select relname from pg_class where relnamespace = to_regnamespace(schema_name) and relkind = 'r' and relname <> 'applied_migrations' loop
        execute format('select exists (select from %I.%I)', schema_name, found.relname) into has_rows;
        if has_rows then execute format('delete from %I.%I', schema_name, found.relname); end if;
      end loop;
      for found in select sequencename from pg_sequences where schemaname = schema_name and last_value is not null loop
        execute format('alter sequence %I.%I restart', schema_name, found.sequencename);
      end loop;
    end
  $$;`;

let prepared: { server: string; ready: Promise<{ pool: Pool; handsOn: boolean }> } | null = null;

/** @param fresh whether it must be a new one: for tests of migrations, or of servers that keep each other away */
export async function borrowSchema(server: string, fresh: boolean): Promise<BorrowedSchema> {
  if (prepared?.server !== server) prepared = { server, ready: prepare(server) };
  const { pool, handsOn } = await prepared.ready;
  const known = fresh || !handsOn ? null : await takeFree(pool);
  const name = known?.name ?? `parley_test_${randomToken(9).replace(/[^A-Za-z0-9]/g, '').toLowerCase()}`;
  if (known === null) await pool.query(`create schema ${name}`);
  let made = known?.made ?? null;
  const url = new URL(server);
  url.searchParams.set('options', `-c search_path=${name}`);
  if (!fresh) url.searchParams.set('application_name', name);
  return {
    url: url.href,
    async migrated() {
      if (!fresh && handsOn) made ??= await shapeOf(pool, name);
    },
    async giveBack() {
      if (made === null) await pool.query(`drop schema ${name} cascade`);
      else await pool.query('insert into parley_tests.free values ($1, $2, $3)', [name, version, made]);
    },
  };
}

/** Drops the schemas that nobody works in: after the last test. */
export async function dropFreeSchemas(server: string): Promise<void> {
  const { pool, handsOn } = await prepare(server);
  if (handsOn) {
    const { rows } = await pool.query<{ name: string }>('delete from parley_tests.free where name in (select name from parley_tests.free for update skip locked) returning name');
    for (const { name } of rows) await pool.query(`drop schema if exists ${name} cascade`);
  }
  await pool.end();
}

async function prepare(server: string): Promise<{ pool: Pool; handsOn: boolean }> {
  const { default: pg } = await import('pg');
  // It never keeps a process alive, and survives tests that end every connection.
  const pool = new pg.Pool({ connectionString: server, connectionTimeoutMillis: 10_000, max: 2, allowExitOnIdle: true });
  pool.on('error', () => undefined);
  const { rows } = await pool.query<{ rolsuper: boolean }>('select rolsuper from pg_roles where rolname = current_user');
  // Only an administrator may delete rows past the constraints. Others make every schema anew.
  const handsOn = rows[0]!.rolsuper;
  if (handsOn) await pool.query(preparation);
  return { pool, handsOn };
}

/** The schema that has been free for longest and that nobody is connected to, emptied; null when there is none. */
async function takeFree(pool: Pool): Promise<{ name: string; made: string } | null> {
  for (;;) {
    const { rows } = await pool.query<{ name: string; made: string }>(
      `delete from parley_tests.free where name = (
         select name from parley_tests.free where version = $1 and not exists (select from pg_stat_activity where application_name = name)
         limit 1 for update skip locked)
       returning name, made`,
      [version],
    );
    const [free] = rows;
    if (free === undefined) return null;
    if (free.made === await shapeOf(pool, free.name)) {
      await pool.query('select parley_tests.empty($1)', [free.name]);
      return free;
    }
    await pool.query(`drop schema if exists ${free.name} cascade`);
  }
}

async function shapeOf(pool: Pool, name: string): Promise<string> {
  const { rows } = await pool.query<{ shape: string }>('select parley_tests.shape($1) as shape', [name]);
  return rows[0]!.shape;
}
