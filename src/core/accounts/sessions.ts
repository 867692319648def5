import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { isId, newId } from '../../base/ids.ts';
import type { Storage, UsersTable, WriteQueries } from '../../base/storage/index.ts';
import type { KnownCredential } from './credential-cache.ts';
import type { Revocations } from './revocations.ts';
import { effectiveScopes, parseScopes, scopesOfRole } from './scopes.ts';
import type { Tokens } from './tokens.ts';
import type { Scope, SignIn, Viewer } from './types.ts';
import { userOf } from './users.ts';

/** Sign-ins: each is a token with a row, and ends with the row. */
export interface Sessions {
  /**
   * Signs a user in.
   * @param client what the client calls itself (User-Agent)
   * @param bounds of a sign-in that stands on another credential: it gets no more and lasts no longer
   */
  issue(user: UsersTable, client: string | undefined, bounds?: SignInBounds): Promise<SignIn>;
  /** The same in the caller's transaction; counts only when that commits. */
  issueIn(queries: WriteQueries, user: UsersTable, client: string | undefined, bounds?: SignInBounds): Promise<SignIn>;
  /** The credential behind a token; null when the token is not ours, has expired or was revoked. */
  load(token: string): Promise<KnownCredential | null>;
  revoke(userId: string, tokenId: string): Promise<void>;
  /** The same in the caller's transaction. */
  revokeIn(queries: WriteQueries, userId: string, tokenId: string): Promise<void>;
  /** Ends every token that was made with this credential, or with one that was. In the caller's transaction, behind which it is told. */
  revokeMadeWith(queries: WriteQueries, userId: string, credentialId: string): Promise<void>;
}

/** What bounds a sign-in that stands on another credential. */
export interface SignInBounds {
  scopes: readonly Scope[];
  /** Milliseconds since the epoch; null for the usual lifetime. */
  expiresAt: number | null;
  /** The token, API key or OAuth grant with which it ends; null or left out for none. */
  originId?: string | null;
}

const maxClientLength = 200;
/** More sign-ins of one user than this end the oldest ones. */
const maxPerUser = 1000;

interface SessionParts {
  storage: Storage;
  tokens: Tokens;
  clock: Clock;
  revocations: Revocations;
  lifetimeMs: number;
}

export function createSessions({ storage, tokens, clock, revocations, lifetimeMs }: SessionParts): Sessions {
  const tellEnded = (queries: WriteQueries, userId: string, ids: readonly string[]): void => {
    if (ids.length > 0) storage.afterCommit(queries, () => ids.forEach((id) => revocations.credential(userId, id)));
  };
  const revokeMadeWith: Sessions['revokeMadeWith'] = async (queries, userId, credentialId) => {
    for (let origins = [credentialId]; origins.length > 0;) {
      const rows = await queries.updateTable('tokens').set({ revoked_at: clock.now() })
        .where('origin_id', 'in', origins).where('user_id', '=', userId).where('revoked_at', 'is', null).returning('id').execute();
      origins = rows.map(({ id }) => id);
      tellEnded(queries, userId, origins);
    }
  };
  const revokeIn: Sessions['revokeIn'] = async (queries, userId, tokenId) => {
    await queries.updateTable('tokens').set({ revoked_at: clock.now() })
      .where('id', '=', tokenId).where('user_id', '=', userId).where('revoked_at', 'is', null).execute();
    await revokeMadeWith(queries, userId, tokenId);
    tellEnded(queries, userId, [tokenId]);
  };
  const issueIn: Sessions['issueIn'] = async (queries, user, client, bounds) => {
    // The wall clock may have gone back since the last revocation; the new token still comes after it.
    const issuedAt = Math.max(clock.now(), user.tokens_valid_from);
    const latest = Math.min(issuedAt + lifetimeMs, bounds?.expiresAt ?? Infinity);
    const expiresAt = Math.floor(latest / 1000) * 1000;
    const scopes = effectiveScopes(bounds?.scopes ?? scopesOfRole(user.role), user.role);
    const tokenId = newId();
    if (bounds?.originId) await requireOrigin(queries, user.id, bounds.originId);
    const ended = await insertToken(queries, user, {
      id: tokenId, user_id: user.id, scopes: JSON.stringify(scopes), client: client?.slice(0, maxClientLength).toWellFormed() ?? null,
      created_at: issuedAt, expires_at: expiresAt, revoked_at: null, last_used_at: issuedAt,
      origin_id: bounds?.originId ?? null,
    }, clock.now());
    tellEnded(queries, user.id, ended);
    const signed = tokens.sign({ tokenId, userId: user.id, username: user.username, scopes, issuedAt, expiresAt });
    return { user: userOf(user), ...signed, tokenId, issuedAt: Math.floor(issuedAt / 1000) * 1000, expiresAt };
  };
  return {
    issue: (user, client, bounds) => storage.write((queries) => issueIn(queries, user, client, bounds)),
    issueIn,
    async load(token) {
      const claims = tokens.read(token);
      if (!claims || claims.expiresAt <= clock.now() || !isId(claims.tokenId)) return null;
      const row = await storage.read.selectFrom('tokens').innerJoin('users', 'users.id', 'tokens.user_id')
        .select(['tokens.scopes', 'tokens.expires_at', 'tokens.created_at', 'tokens.revoked_at', 'users.id as user_id', 'users.username',
          'users.role', 'users.disabled_at', 'users.tokens_valid_from'])
        .where('tokens.id', '=', claims.tokenId).executeTakeFirst();
      if (!row || row.user_id !== claims.userId || row.revoked_at !== null || row.disabled_at !== null) return null;
      if (row.created_at < row.tokens_valid_from || row.expires_at <= clock.now()) return null;
      const viewer: Viewer = Object.freeze({
        userId: row.user_id, username: row.username, role: row.role, scopes: Object.freeze(effectiveScopes(parseScopes(row.scopes), row.role)),
        via: 'token', credentialId: claims.tokenId, expiresAt: row.expires_at,
      });
      return {
        kind: 'token', credentialId: claims.tokenId, userId: row.user_id, viewer, cookieViewer: Object.freeze({ ...viewer, via: 'cookie' }),
        expiresAt: row.expires_at, csrfToken: claims.csrfToken, lastUsedAt: null,
      };
    },
    revoke: (userId, tokenId) => storage.write((queries) => revokeIn(queries, userId, tokenId)),
    revokeIn,
    revokeMadeWith,
  };
}

/**
 * What a token is made with must still hold; its row stays locked, so that whoever ends it finds the token.
 * @throws {ParleyError} `unauthorized`
 */
async function requireOrigin(queries: WriteQueries, userId: string, originId: string): Promise<void> {
  for (const table of ['tokens', 'api_keys', 'oauth_grants'] as const) {
    const row = await queries.selectFrom(table).select('id').where('id', '=', originId).where('user_id', '=', userId).where('revoked_at', 'is', null).forUpdate().executeTakeFirst();
    if (row) return;
  }
  throw new ParleyError('unauthorized');
}

interface NewToken {
  id: string;
  user_id: string;
  scopes: string;
  client: string | null;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
  last_used_at: number;
  origin_id: string | null;
}

/**
 * Writes the row, removes the user's expired ones, and ends the oldest beyond the bound; the answer is the ids of those.
 * @throws {ParleyError} `unauthorized` when the user's sign-ins were ended since `user` was read: what was proven then
 * (an older password, an account that was not disabled) is worth nothing now
 */
async function insertToken(queries: WriteQueries, user: UsersTable, token: NewToken, now: number): Promise<string[]> {
    const present = await queries.selectFrom('users').select(['tokens_valid_from', 'disabled_at']).where('id', '=', user.id).executeTakeFirst();
    if (!present || present.disabled_at !== null || present.tokens_valid_from !== user.tokens_valid_from) throw new ParleyError('unauthorized');
    await queries.insertInto('tokens').values(token).execute();
    await queries.deleteFrom('tokens').where('user_id', '=', token.user_id).where('expires_at', '<=', now).where('id', '<>', token.id).execute();
    const beyond = await queries.selectFrom('tokens').select('id').where('user_id', '=', token.user_id)
      .orderBy('created_at', 'desc').orderBy('id', 'desc').limit(100).offset(maxPerUser).execute();
    const ids = beyond.map(({ id }) => id);
    if (ids.length > 0) await queries.deleteFrom('tokens').where('id', 'in', ids).execute();
    return ids;
}
