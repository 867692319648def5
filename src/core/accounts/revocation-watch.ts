import type { Clock } from '../../base/clock.ts';
import { isGap, type Bus } from '../../base/events/index.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import { revocationTopic, type Revocations, type Revoked } from './revocations.ts';

/**
 * Notices what other processes on the same rows have revoked, so that open sockets end here as well: another instance
 * says so, the command line does not, and what is said may be lost. Requests need it less: their credentials are read again every few seconds anyway.
 */
export interface RevocationWatch {
  /** What was revoked before is told to nobody: nothing is open yet. */
  start(): Promise<void>;
  /** Waits for a look under way. */
  stop(): Promise<void>;
  /** Looks once. */
  look(): Promise<void>;
}

const lookEveryMs = 5000;
/** Clocks of two machines differ, by minutes where nobody looks after them, and a transaction is seen later than the time it wrote: each look goes back this far. */
const overlapMs = 15 * 60_000;

interface RevocationWatchParts {
  storage: Storage;
  bus: Bus;
  clock: Clock;
  log: Log;
  revocations: Revocations;
}

export function createRevocationWatch({ storage, bus, clock, log, revocations }: RevocationWatchParts): RevocationWatch {
  let unsubscribe = (): void => undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | null = null;
  let from = clock.now();
  /** What was told already, by the time it is dated. */
  const told = new Map<string, number>();

  const take = async (tell: (revoked: Revoked) => void): Promise<void> => {
    const since = from - overlapMs;
    const startedAt = clock.now();
    const news = (await revokedSince(storage, since)).filter(({ name }) => !told.has(name));
    for (const { name, at, userId, credentialId } of news) {
      told.set(name, at);
      tell({ userId, credentialId });
    }
    for (const [key, at] of told) if (at <= since) told.delete(key);
    from = Math.max(from, startedAt);
  };
  const look = (): Promise<void> => take((revoked) => revocations.foreign(revoked));
  const lookQuietly = (): void => {
    looking ??= look()
      .catch((error: unknown) => log.warn({ err: error }, 'Credentials revoked by other processes could not be looked up'))
      .finally(() => (looking = null));
  };

  return {
    look,
    async start() {
      await take(() => undefined);
      unsubscribe = bus.subscribe(revocationTopic, (message) => (isGap(message) ? lookQuietly() : revocations.hear(message)));
      timer ??= setInterval(lookQuietly, lookEveryMs).unref();
    },
    async stop() {
      unsubscribe();
      clearInterval(timer);
      timer = undefined;
      await looking;
    },
  };
}

/** Something that ended, the time it is dated, and a name by which it is told once. */
interface Found extends Revoked {
  at: number;
  name: string;
}

/**
 * Everything that ended after a time. Revoked tokens and keys stay revoked, so it does no harm to tell of them twice.
 * A user is told of as a whole only when disabled: one with a new role or password may have signed in again meanwhile.
 */
async function revokedSince({ read }: Storage, since: number): Promise<Found[]> {
  const tokens = await read.selectFrom('tokens').select(['id', 'user_id', 'revoked_at as at']).where('revoked_at', '>', since).execute();
  const keys = await read.selectFrom('api_keys').select(['id', 'user_id', 'revoked_at as at']).where('revoked_at', '>', since).execute();
  // What an open socket may do was read when it opened: keys of users with a new role open theirs again.
  const changed = await read.selectFrom('api_keys').innerJoin('users', 'users.id', 'api_keys.user_id')
    .select(['api_keys.id', 'user_id', 'users.tokens_valid_from as at']).where('users.tokens_valid_from', '>', since).where('revoked_at', 'is', null).execute();
  const disabled = await read.selectFrom('users').select(['id as user_id', 'disabled_at as at']).where('disabled_at', '>', since).execute();
  const found = ({ id, user_id, at }: { id: string | null; user_id: string; at: number | null }, name: string): Found => ({ userId: user_id, credentialId: id, at: at ?? 0, name });
  return [
    ...[...tokens, ...keys].map((row) => found(row, `${row.id} ${row.at}`)),
    // Of all keys of a user together: one that is made after this was told has never had the old role.
    ...changed.map((row) => found(row, `keys of ${row.user_id} ${row.at}`)),
    ...disabled.map(({ user_id, at }) => found({ id: null, user_id, at }, `${user_id} ${at}`)),
  ];
}
