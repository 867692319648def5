import { existsSync } from 'node:fs';
import { withGivenSecrets } from '../../base/given-secrets.ts';
import { openSecrets } from '../../base/secrets.ts';
import { moveDatabase, type MoveEnd, type MoveProgress, type MoveReport, type Reading } from '../../base/storage/index.ts';
import { readConfig, type Config } from '../../config.ts';
import { CommandError } from '../failure.ts';
import { formatBytes, formatTable } from '../output.ts';

export interface MoveCommand {
  to?: string;
  from?: string;
  dryRun?: boolean;
  overwrite?: boolean;
  json?: boolean;
}

/** Milliseconds between two lines of progress. */
const progressMs = 200;

/** Carries the database of the data folder to PostgreSQL, or one on PostgreSQL into the data folder. */
export async function move(command: MoveCommand): Promise<void> {
  const config = readConfig();
  const { from, to } = endsOf(command, config);
  const report = await moveDatabase({
    from,
    to,
    dryRun: command.dryRun ?? false,
    overwrite: command.overwrite ?? false,
    check: (source) => secretsProblems(source, config),
    ...(process.stderr.isTTY && !command.json ? { onProgress: createProgress() } : {}),
  });
  if (process.stderr.isTTY && !command.json) process.stderr.write('\r\x1b[K');
  console.log(command.json ? JSON.stringify(report, null, 2) : show(report, command, config));
  if (report.problems.length > 0) process.exitCode = 1;
}

/** Both ends. @throws {CommandError} when the command does not name exactly one of them */
function endsOf({ from, to }: MoveCommand, config: Config): { from: MoveEnd; to: MoveEnd } {
  const folder: MoveEnd = { engine: 'sqlite', dataDir: config.dataDir };
  if (to !== undefined && from === undefined) return { from: folder, to: serverAt(to, config) };
  if (from !== undefined && to === undefined) return { from: serverAt(from, config), to: folder };
  throw new CommandError('Say where to: `parley move --to postgres` (from the data folder), or `parley move --from postgres` (into it).');
}

/** @throws {CommandError} for an address that is none, or that holds a password */
function serverAt(address: string, { databaseUrl }: Config): MoveEnd {
  if (address === 'postgres') {
    if (databaseUrl === null) throw new CommandError('`postgres` stands for DATABASE_URL, and that is not set.');
    return { engine: 'postgres', url: databaseUrl };
  }
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new CommandError('An address looks like postgres://user@host:5432/database; `postgres` stands for DATABASE_URL.');
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') throw new CommandError('An address begins with postgres://; `postgres` stands for DATABASE_URL.');
  if (url.password !== '' || url.searchParams.has('password')) throw new CommandError('Other users of this machine can see what is typed here. Put an address with a password into DATABASE_URL, and say `postgres` in its place.');
  return { engine: 'postgres', url: address };
}

/** The database is of no full use without the keys in secrets.json, which is not in it. */
async function secretsProblems(source: Reading, config: Config): Promise<string[]> {
  const { dataDir, secretsFile: path } = config;
  const consequence = 'without it everybody is signed out, and the kept keys for model services cannot be read';
  if (!existsSync(path)) return [`${path} is missing: copy it from the server that used this database; ${consequence}.`];
  const secrets = withGivenSecrets(openSecrets(dataDir, path), config);
  let unreadable = 0;
  for await (const rows of source.read('provider_keys', ['ciphertext'], ['user_id', 'provider'])) {
    unreadable += rows.filter(([ciphertext]) => !secrets.holdsKeyOf(String(ciphertext))).length;
  }
  return unreadable === 0 ? [] : [`${path} is not the one that belongs to this database (${unreadable} kept keys cannot be read with it): copy the right one; ${consequence}.`];
}

function createProgress(): (progress: MoveProgress) => void {
  let shownAt = 0;
  return ({ step, table, rows, of }) => {
    const now = performance.now();
    if (now - shownAt < progressMs && rows < of) return;
    shownAt = now;
    process.stderr.write(`\r\x1b[K${step} ${table}: ${rows.toLocaleString('en')} of ${of.toLocaleString('en')} rows`);
  };
}

function show(report: MoveReport, command: MoveCommand, { secretsFile }: Config): string {
  const size = report.sourceBytes === null ? '' : ` (${formatBytes(report.sourceBytes)})`;
  const free = report.freeBytes === null ? '' : ` (${formatBytes(report.freeBytes)} free)`;
  const rows = report.tables.map(({ table, rows: count, present, checksum }) => [table, String(count), String(present), checksum?.slice(0, 16) ?? '-']);
  return [
    `From  ${report.from}${size}`,
    `To    ${report.to}${free}`,
    '',
    formatTable(['TABLE', 'ROWS', 'THERE BEFORE', 'CHECKSUM'], rows),
    '',
    ...ending(report, command, secretsFile),
  ].join('\n');
}

function ending(report: MoveReport, command: MoveCommand, secretsFile: string): string[] {
  const total = report.tables.reduce((sum, { rows }) => sum + rows, 0);
  if (report.problems.length > 0) return ['It cannot be moved yet:', ...report.problems.map((problem) => `- ${problem}`)];
  if (command.dryRun) return [`${total} rows would be moved. Nothing was changed; run it without --dry-run to move them.`];
  const next = command.to === undefined ? 'Start the server without DATABASE_URL.' : 'Start the server with DATABASE_URL set to it.';
  return [
    report.outcome === 'moved' ? `Moved ${total} rows; counts and checksums are the same at both ends. The source is unchanged.` : `Both ends hold the same ${total} rows already; nothing was done.`,
    ...(report.kept === null ? [] : [`The database that was there is kept as ${report.kept}.`]),
    next,
    `The keys are not in the database: every server that uses it needs ${secretsFile}, in its own data folder or where SECRETS_FILE says.`,
  ];
}
