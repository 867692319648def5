import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import { mayAdminister } from './scopes.ts';
import type { Accounts, ActiveSession } from './types.ts';

/** The time of the last use is written at most this often for each sign-in. */
const writtenEveryMs = 60_000;

/** Sign-ins whose use is remembered in between. */
const mostRemembered = 10_000;

/** When sign-ins were last used. */
export interface SessionUse extends Pick<Accounts, 'activeSessions'> {
  /** Notes that a token was used: at most one write a minute, in the background. */
  note(tokenId: string): void;
  /** Waits for the writes of `note`. */
  settle(): Promise<void>;
}

export function createSessionUse({ storage, clock, log }: { storage: Storage; clock: Clock; log: Log }): SessionUse {
  const uses = new Map<string, { at: number; writtenAt: number }>();
  const writing = new Set<Promise<void>>();

  const write = (tokenId: string, at: number): void => {
    const written = storage.write((queries) => queries.updateTable('tokens').set({ last_used_at: at }).where('id', '=', tokenId).execute())
      .then(() => undefined, (error: unknown) => log.warn({ err: error }, 'The time of the last use of a sign-in could not be written'))
      .finally(() => writing.delete(written));
    writing.add(written);
  };

  const settle = async (): Promise<void> => void (await Promise.all(writing));

  return {
    settle,
    note(tokenId) {
      const now = clock.now();
      const use = uses.get(tokenId);
      if (!use) {
        uses.set(tokenId, { at: now, writtenAt: now });
        if (uses.size > mostRemembered) uses.delete(uses.keys().next().value!);
        return write(tokenId, now);
      }
      use.at = now;
      // A clock that went back must not stop the writing for good.
      if (now - use.writtenAt < writtenEveryMs && now >= use.writtenAt) return;
      use.writtenAt = now;
      write(tokenId, now);
    },
    async activeSessions(viewer, withinMs, limit) {
      if (!mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only an administrator may do this.' });
      const now = clock.now();
      const since = now - withinMs;
      // A use that is being written just now counts.
      await settle();
      // What this process knows better than the rows is at most one pause between two writes younger.
      const valid = storage.read.selectFrom('tokens').innerJoin('users', 'users.id', 'tokens.user_id')
        .where('tokens.revoked_at', 'is', null).where('tokens.expires_at', '>', now).where('users.disabled_at', 'is', null)
        .whereRef('tokens.created_at', '>=', 'users.tokens_valid_from').where('tokens.last_used_at', '>', since - writtenEveryMs);
      const rows = await valid.select(['tokens.id', 'users.username', 'tokens.created_at', 'tokens.last_used_at']).orderBy('tokens.last_used_at', 'desc').limit(limit).execute();
      const sessions = rows.map((row): ActiveSession => ({ username: row.username, createdAt: row.created_at, lastUsedAt: Math.max(row.last_used_at!, uses.get(row.id)?.at ?? 0) }))
        .filter(({ lastUsedAt }) => lastUsedAt > since);
      if (rows.length < limit) return { count: sessions.length, sessions };
      const { count } = await valid.select((select) => select.fn.countAll<number | string>().as('count')).where('tokens.last_used_at', '>', since).executeTakeFirstOrThrow();
      return { count: Math.max(Number(count), sessions.length), sessions };
    },
  };
}
