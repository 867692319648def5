import { hash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { isId, newId, randomToken } from '../../base/ids.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import { cleanText } from '../../base/text.ts';
import type { KnownCredential } from './credential-cache.ts';
import type { Revocations } from './revocations.ts';
import { effectiveScopes, parseScopes, scopesOfRole } from './scopes.ts';
import type { Sessions } from './sessions.ts';
import type { Accounts, Scope, Viewer } from './types.ts';
import type { Users } from './users.ts';

/** `ask_` and 32 random bytes in base64url. */
const keyForm = /^ask_[A-Za-z0-9_-]{43}$/;
export const apiKeyPrefix = 'ask_';
const shownLength = 12;
const maxNameLength = 100;
const maxPerUser = 100;
/** The time of the last use is written at most this often for each key. */
const useWrittenEveryMs = 60_000;

/** Keys for programs: they do not expire by themselves, and each can be revoked alone. */
export interface ApiKeys {
  create: Accounts['createApiKey'];
  list: Accounts['apiKeys'];
  revoke: Accounts['revokeApiKey'];
  /** The credential behind a key; null when there is none, or it has expired or was revoked. */
  load(key: string): Promise<KnownCredential | null>;
  /** Notes that a key was used: at most one write a minute, in the background. */
  noteUse(credential: KnownCredential): void;
  /** Waits for the writes of `noteUse`. */
  settle(): Promise<void>;
}

interface ApiKeyParts {
  storage: Storage;
  clock: Clock;
  log: Log;
  users: Users;
  revocations: Revocations;
  sessions: Pick<Sessions, 'revokeMadeWith'>;
}

export function createApiKeys(parts: ApiKeyParts): ApiKeys {
  return { ...createKeyRows(parts), ...createKeyUse(parts) };
}

function createKeyRows({ storage, clock, users, revocations, sessions }: ApiKeyParts): Pick<ApiKeys, 'create' | 'list' | 'revoke'> {
  return {
    async create(userId, name, scopes, expiresAt = null) {
      const user = await users.byId(userId);
      if (!user) throw new ParleyError('not_found', { message: 'There is no such user.' });
      const granted = grantedScopes(scopes, scopesOfRole(user.role));
      const title = keyName(name);
      if (expiresAt !== null && !(expiresAt > clock.now())) {
        throw new ParleyError('invalid_request', { message: 'The key would have expired already.', parameter: 'expires_at' });
      }
      const key = apiKeyPrefix + randomToken(32);
      const row = {
        id: newId(), user_id: userId, name: title, prefix: key.slice(0, shownLength), hash: hash('sha256', key), scopes: JSON.stringify(granted),
        created_at: clock.now(), last_used_at: null, expires_at: expiresAt, revoked_at: null,
      };
      await storage.write(async (queries) => {
        const { count } = await queries.selectFrom('api_keys').select((select) => select.fn.countAll<number | string>().as('count'))
          .where('user_id', '=', userId).where('revoked_at', 'is', null).executeTakeFirstOrThrow();
        if (Number(count) >= maxPerUser) throw new ParleyError('conflict', { message: `You have ${maxPerUser} keys already. Revoke one first.` });
        await queries.insertInto('api_keys').values(row).execute();
      });
      return { id: row.id, key, prefix: row.prefix };
    },
    async list(userId) {
      const rows = await storage.read.selectFrom('api_keys').select(['id', 'name', 'prefix', 'created_at', 'last_used_at'])
        .where('user_id', '=', userId).where('revoked_at', 'is', null).orderBy('created_at').orderBy('id').execute();
      return rows.map((row) => ({ id: row.id, name: row.name, prefix: row.prefix, createdAt: row.created_at, lastUsedAt: row.last_used_at }));
    },
    async revoke(userId, keyId) {
      const { numUpdatedRows } = isId(keyId) ? await storage.write(async (queries) => {
        const revoked = await queries.updateTable('api_keys').set({ revoked_at: clock.now() })
          .where('id', '=', keyId).where('user_id', '=', userId).where('revoked_at', 'is', null).executeTakeFirst();
        await sessions.revokeMadeWith(queries, userId, keyId);
        return revoked;
      }) : { numUpdatedRows: 0n };
      if (numUpdatedRows === 0n) throw new ParleyError('not_found', { message: 'There is no such key.' });
      revocations.credential(userId, keyId);
    },
  };
}

function createKeyUse({ storage, clock, log }: ApiKeyParts): Pick<ApiKeys, 'load' | 'noteUse' | 'settle'> {
  const writing = new Set<Promise<void>>();
  return {
    async load(key) {
      if (!keyForm.test(key)) return null;
      const row = await storage.read.selectFrom('api_keys').innerJoin('users', 'users.id', 'api_keys.user_id')
        .select(['api_keys.id', 'api_keys.scopes', 'api_keys.expires_at', 'api_keys.revoked_at', 'api_keys.last_used_at', 'users.id as user_id',
          'users.username', 'users.role', 'users.disabled_at'])
        .where('api_keys.hash', '=', hash('sha256', key)).executeTakeFirst();
      if (!row || row.revoked_at !== null || row.disabled_at !== null) return null;
      if (row.expires_at !== null && row.expires_at <= clock.now()) return null;
      const viewer: Viewer = Object.freeze({
        userId: row.user_id, username: row.username, role: row.role, scopes: Object.freeze(effectiveScopes(parseScopes(row.scopes), row.role)),
        via: 'api-key', credentialId: row.id, expiresAt: row.expires_at,
      });
      return {
        kind: 'api-key', credentialId: row.id, userId: row.user_id, viewer, cookieViewer: null, expiresAt: row.expires_at, csrfToken: null,
        lastUsedAt: row.last_used_at,
      };
    },
    noteUse(credential) {
      const now = clock.now();
      const last = credential.lastUsedAt;
      // A clock that went back must not stop the writing for good.
      if (last !== null && now - last < useWrittenEveryMs && now >= last) return;
      credential.lastUsedAt = now;
      const write = storage.write((queries) => queries.updateTable('api_keys').set({ last_used_at: now }).where('id', '=', credential.credentialId).execute())
        .then(() => undefined, (error: unknown) => log.warn({ err: error }, 'The time of the last use of an API key could not be written'))
        .finally(() => writing.delete(write));
      writing.add(write);
    },
    async settle() {
      await Promise.all(writing);
    },
  };
}

/** What a key may do: by default everything its user may but administer. */
function grantedScopes(asked: readonly Scope[] | undefined, allowed: readonly Scope[]): readonly Scope[] {
  if (!asked) return allowed.filter((scope) => scope !== 'admin');
  const refused = asked.find((scope) => !allowed.includes(scope));
  if (refused !== undefined) throw new ParleyError('forbidden', { message: `You may not give a key the scope ${cleanText(refused).slice(0, 20)}.` });
  return allowed.filter((scope) => asked.includes(scope));
}

function keyName(name: string): string {
  const title = cleanText(name, 'name').trim();
  if (title === '' || title.length > maxNameLength) {
    throw new ParleyError('validation_failed', { issues: [{ path: ['body', 'name'], message: `name must have 1 to ${maxNameLength} characters`, kind: 'invalid_format' }] });
  }
  return title;
}
