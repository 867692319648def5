import { hash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { randomToken } from '../../base/ids.ts';
import type { Viewer } from './types.ts';
import type { Users } from './users.ts';

/** How credentials of this kind begin. */
export const internalTokenPrefix = 'int_';
/** Milliseconds in which one must be used. */
const usableMs = 60_000;
/** Most that wait to be used. */
const mostWaiting = 10_000;

/**
 * Credentials with which a process of this server calls it back for a user: each is good for one request, may only chat, and
 * lives in the memory of this process alone.
 */
export interface InternalTokens {
  issue(userId: string): { token: string; revoke(): void };
  /** Who a token acts for, and the end of it; null for one that is unknown, used, too old, or of a user who is gone. */
  use(token: string): Promise<Viewer | null>;
}

export function createInternalTokens({ users, clock }: { users: Pick<Users, 'byId'>; clock: Clock }): InternalTokens {
  const waiting = new Map<string, { userId: string; until: number }>();
  const keyOf = (token: string): string => hash('sha256', token, 'base64url');
  return {
    issue(userId) {
      const token = internalTokenPrefix + randomToken(32);
      const key = keyOf(token);
      waiting.set(key, { userId, until: clock.monotonic() + usableMs });
      if (waiting.size > mostWaiting) waiting.delete(waiting.keys().next().value!);
      return { token, revoke: () => void waiting.delete(key) };
    },
    async use(token) {
      const key = keyOf(token);
      const entry = waiting.get(key);
      waiting.delete(key);
      if (!entry || entry.until <= clock.monotonic()) return null;
      const user = await users.byId(entry.userId);
      if (!user || user.disabled_at !== null) return null;
      return Object.freeze({ userId: user.id, username: user.username, role: user.role, scopes: Object.freeze(['chat'] as const), via: 'call-back', credentialId: null, expiresAt: null });
    },
  };
}
