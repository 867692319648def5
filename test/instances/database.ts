import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { randomToken } from '../../src/base/ids.ts';

/** A database of its own on the server for tests. */
export interface FreshDatabase {
  url: string;
  /** Rows of a query, as PostgreSQL gives them (64-bit integers are text). */
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Drops it, whoever is connected. */
  close(): Promise<void>;
}

export async function createDatabase(server = process.env['DATABASE_URL_TEST']!): Promise<FreshDatabase> {
  const name = `parley_instances_${randomToken(9).replace(/[^A-Za-z0-9]/g, '').toLowerCase()}`;
  await onServer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, query: (sql, values) => onServer(url.href, sql, values), close: async () => void (await onServer(server, `drop database ${name} with (force)`)) };
}

async function onServer<Row extends pg.QueryResultRow>(url: string, sql: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  // The server may be ended while this connection is open: the query says so.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A PostgreSQL server of its own, to be ended and started again. */
export interface OwnPostgres {
  url: string;
  start(): void;
  /** `fast` breaks every connection and ends in order; `immediate` is as if the machine lost its power. */
  stop(mode: 'fast' | 'immediate'): void;
  close(): void;
}

/** Folder of PostgreSQL's programs, or null where there are none. */
export function postgresPrograms(): string | null {
  const root = '/usr/lib/postgresql';
  try {
    const versions = readdirSync(root).sort((one, other) => Number(other) - Number(one));
    return versions[0] === undefined ? null : join(root, versions[0], 'bin');
  } catch {
    return null;
  }
}

/** @param port a free port of 127.0.0.1 */
export function startOwnPostgres(port: number): OwnPostgres {
  const programs = postgresPrograms()!;
  const folder = mkdtempSync(join(tmpdir(), 'parley-postgres-'));
  const data = join(folder, 'data');
  // PostgreSQL refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
    chownSync(folder, id('-u'), id('-g'));
  }
  const run = (program: string, parameters: string[]): void => {
    const [command, ...rest] = isRoot ? ['runuser', '-u', 'postgres', '--', join(programs, program), ...parameters] : [join(programs, program), ...parameters];
    const { status, stderr } = spawnSync(command!, rest, { encoding: 'utf8', cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
  };
  run('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C']);
  const options = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1 -c fsync=off`;
  const server: OwnPostgres = {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    start: () => run('pg_ctl', ['-D', data, '-o', options, '-l', join(folder, 'log'), '-w', '-t', '20', 'start']),
    stop: (mode) => run('pg_ctl', ['-D', data, '-m', mode, '-w', '-t', '20', 'stop']),
    close() {
      try {
        server.stop('immediate');
      } catch {
        // It is ended already.
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
  server.start();
  return server;
}
