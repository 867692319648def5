import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, onEveryCore, start, type Running } from './processes.ts';

/** PostgreSQL and Redis of their own, as they would run for people: every commit waits for the disk. */
export interface Services {
  databaseUrl: string;
  redisUrl: string;
  /** What they were set to, for the report. */
  settings: Record<string, string>;
  /** Seconds of CPU that both have used, with all their processes. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

const settings = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', shared_buffers: '128MB', max_connections: '100' };

/** @throws {Error} where one of them is not installed */
export async function startServices(): Promise<Services> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-bench-services-'));
  chmodSync(folder, 0o755);
  const postgres = await startPostgres(folder);
  const redis = await startRedis(folder);
  return {
    databaseUrl: `postgres://postgres@127.0.0.1:${postgres.port}/postgres`,
    redisUrl: `redis://127.0.0.1:${redis.port}`,
    settings,
    cpuSeconds: () => treeSeconds(postgres.pid) + treeSeconds(redis.running.pid),
    async stop() {
      await redis.running.stop();
      postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The folder of the newest PostgreSQL of this machine. */
function postgresFolder(): string {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((one, other) => Number(other) - Number(one)) : [];
  if (versions[0] === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql');
  return join(root, versions[0], 'bin');
}

async function startPostgres(folder: string): Promise<{ port: number; pid: number; stop(): void }> {
  const programs = postgresFolder();
  const cluster = join(folder, 'postgres');
  mkdirSync(cluster, { mode: 0o700 });
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(cluster, Number(execFileSync('id', ['-u', 'postgres'])), Number(execFileSync('id', ['-g', 'postgres'])));
  // It refuses to run as root.
  const run = (program: string, args: string[]): void => {
    const command = isRoot ? ['runuser', '-u', 'postgres', '--', join(programs, program), ...args] : [join(programs, program), ...args];
    const [first, ...rest] = onEveryCore(command);
    execFileSync(first!, rest, { stdio: 'ignore' });
  };
  run('initdb', ['-D', cluster, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8']);
  const port = await freePort();
  const lines = Object.entries({ ...settings, listen_addresses: "'127.0.0.1'", port, unix_socket_directories: `'${cluster}'` }).map(([name, value]) => `${name} = ${value}`);
  appendFileSync(join(cluster, 'postgresql.conf'), `\n${lines.join('\n')}\n`);
  run('pg_ctl', ['-D', cluster, '-s', '-w', '-l', join(cluster, 'log'), 'start']);
  const pid = Number(readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const stop = (): void => {
    if (existsSync(join(cluster, 'postmaster.pid'))) run('pg_ctl', ['-D', cluster, '-m', 'immediate', '-s', 'stop']);
  };
  process.on('exit', stop);
  return { port, pid, stop };
}

async function startRedis(folder: string): Promise<{ port: number; running: Running }> {
  const port = await freePort();
  const running = start(['redis-server', '--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no', '--dir', folder], { pinned: false });
  const deadline = performance.now() + 10_000;
  while (!running.output().includes('Ready to accept connections')) {
    if (performance.now() > deadline) throw new Error(`Redis does not start:\n${running.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { port, running };
}

/** Seconds of CPU of a process and all below it, those that have ended included. Ticks of 1/100 s, as Linux counts them. */
function treeSeconds(root: number): number {
  let ticks = 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
    } catch {
      continue; // It ended meanwhile.
    }
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number);
    if (Number(entry) === root) ticks += fields[11]! + fields[12]! + fields[13]! + fields[14]!;
    else if (fields[1] === root) ticks += fields[11]! + fields[12]!;
  }
  return ticks / 100;
}
