import { isGap, type Bus } from '../../base/events/index.ts';
import type { Log } from '../../base/observability/index.ts';
import { SecretsError, type Secrets } from '../../base/secrets.ts';
import type { Storage } from '../../base/storage/index.ts';

/**
 * Sees to it that all instances on a database have the same secrets: the database keeps marks of the keys, from which
 * nobody learns the keys. With other secrets an instance would refuse the sign-ins that others made and could not read
 * the kept provider keys, so it does not start. A rotation by another process is noticed while it runs.
 */
export interface SecretsGuard {
  /** @throws {SecretsError} on PostgreSQL, when the secrets are not those of the database; it says what to do */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Makes new keys, from the newest. @throws {SecretsError} as `start` does, and as `Secrets.rotate` does */
  rotate(forgetSigningKeys: boolean): Promise<void>;
  /** Makes the present keys those of the database, and tells the other instances. */
  record(): Promise<void>;
}

const row = 'secret_marks';
const topic = 'secrets';
const lookEveryMs = 10_000;

export function createSecretsGuard({ storage, secrets, bus, log }: { storage: Storage; secrets: Secrets; bus: Bus; log: Log }): SecretsGuard {
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe = (): void => undefined;
  let looking: Promise<void> | null = null;
  /** What was last said in the log, so that it is said once. */
  let said = '';

  const verify = async (isRunning = false): Promise<void> => {
    let marks = await readMarks(storage);
    if (marks === null) {
      // Of two first instances with secrets of their own one is first, and the other one is refused below.
      await writeMarks(storage, secrets.marks(), 'keep');
      marks = (await readMarks(storage))!;
    }
    const mine = secrets.marks();
    const missing = marks.filter((mark) => !mine.includes(mark));
    // On SQLite the file lies beside the database, and one that was lost is replaced: docs/accounts.md says what is lost with it.
    if (missing.length > 0 && storage.engine === 'postgres') throw new SecretsError(missing.length === marks.length ? others(secrets.path) : isRunning ? behind(secrets.path) : outdated(secrets.path));
    // Rotated by a process that ended before it could say so.
    if (missing.length > 0 || mine.length !== marks.length) await writeMarks(storage, mine, 'replace');
  };
  const look = async (): Promise<void> => {
    try {
      if (secrets.refresh()) log.info('New secrets are in use: another process has rotated them');
      await verify(true);
      said = '';
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'unknown error';
      if (problem !== said) log.error({ problem }, 'The secrets of this instance cannot be held against those of the database');
      said = problem;
    }
  };
  const lookSoon = (): void => {
    looking ??= look().finally(() => (looking = null));
  };

  const record = async (): Promise<void> => {
    await writeMarks(storage, secrets.marks(), 'replace');
    bus.publish(topic, { type: 'rotated' });
  };

  return {
    record,
    async rotate(forgetSigningKeys) {
      await verify();
      secrets.rotate({ forgetSigningKeys });
      await record();
    },
    async start() {
      await verify();
      unsubscribe = bus.subscribe(topic, (message) => {
        if (message.type === 'rotated' || isGap(message)) lookSoon();
      });
      timer ??= setInterval(lookSoon, lookEveryMs).unref();
    },
    async stop() {
      unsubscribe();
      clearInterval(timer);
      timer = undefined;
      await looking;
    },
  };
}

async function readMarks(storage: Storage): Promise<string[] | null> {
  const found = await storage.read.selectFrom('settings').select('value').where('key', '=', row).executeTakeFirst();
  return found ? (JSON.parse(found.value) as string[]) : null;
}

/** @param present what to do with those that are there already */
async function writeMarks(storage: Storage, marks: string[], present: 'keep' | 'replace'): Promise<void> {
  const value = JSON.stringify(marks);
  await storage.write((queries) =>
    queries.insertInto('settings').values({ key: row, value })
      .onConflict((conflict) => (present === 'keep' ? conflict.column('key').doNothing() : conflict.column('key').doUpdateSet({ value }))).execute());
}

const howTo = (path: string): string =>
  `Copy secrets.json of an instance that runs to ${path} (mode 600), or set SECRETS_FILE to a file that all instances read, and start again.`;

function others(path: string): string {
  return `The secrets in ${path} are not those of this database. ${howTo(path)} Where nobody has those secrets any more, \`parley secrets accept\` makes these the ones of the database: everybody signs in again, and the kept provider keys have to be set again.`;
}

function outdated(path: string): string {
  return `The secrets of this database were rotated, and ${path} has not got the new keys. ${howTo(path)}`;
}

/** The same of an instance that runs. */
function behind(path: string): string {
  return `The secrets of this database were rotated, and ${path} has not got the new keys: sign-ins made with them are refused here. Copy secrets.json of the instance that rotated them to ${path} (mode 600); it is used within ten seconds, without a restart.`;
}
