import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Limiter } from '../../base/limits/index.ts';
import type { Metrics } from '../../base/observability/index.ts';
import { scopesOfRole } from './scopes.ts';
import type { Sessions } from './sessions.ts';
import type { Accounts } from './types.ts';
import type { Users } from './users.ts';

/** How long a token for a program lasts, milliseconds. */
export const issuedLifetimeMs = 3_600_000;

interface IssuedTokenParts {
  users: Users;
  sessions: Pick<Sessions, 'issue'>;
  limiter: Limiter;
  metrics: Metrics;
  clock: Clock;
  /** Tokens a user may have made in an hour. */
  perHour: number;
}

/** Short-lived tokens that programs get for another credential. */
export function createIssuedTokens({ users, sessions, limiter, metrics, clock, perHour }: IssuedTokenParts): Pick<Accounts, 'issueToken'> {
  const limit = { name: 'tokens', count: perHour, windowMs: 3_600_000 };
  return {
    async issueToken(viewer, wish) {
      if (viewer.via === 'call-back' || viewer.via === 'internal') throw new ParleyError('forbidden');
      const scopes = scopesOfRole(viewer.role).filter((scope) => wish.scopes.includes(scope) && viewer.scopes.includes(scope));
      if (scopes.length === 0) throw new ParleyError('forbidden', { message: 'None of these permissions is yours to give.' });
      const verdict = await limiter.take(limit, viewer.userId);
      if (!verdict.allowed) {
        metrics.limited.inc({ limit: limit.name });
        throw new ParleyError('rate_limited', { message: `At most ${limit.count} tokens can be made in an hour.`, retryAfterMs: verdict.retryAfterMs });
      }
      const row = await users.byId(viewer.userId);
      if (!row) throw new ParleyError('unauthorized');
      const expiresAt = Math.min(clock.now() + issuedLifetimeMs, viewer.expiresAt ?? Infinity);
      const made = await sessions.issue(row, wish.client, { scopes, expiresAt, originId: viewer.credentialId });
      return { token: made.token, scopes, expiresInSeconds: (made.expiresAt - made.issuedAt) / 1000 };
    },
  };
}
