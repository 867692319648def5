import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { isId, newId } from '../../base/ids.ts';
import type { Storage, UsersTable, WriteQueries } from '../../base/storage/index.ts';
import type { Revocations } from './revocations.ts';
import type { User } from './types.ts';
import { isUsername, usernameKey } from './validation.ts';

/** The rows of people. */
export interface Users {
  /** Makes the owner's row at the first start. */
  ensureOwner(): Promise<void>;
  owner(): Promise<User>;
  byId(id: string): Promise<UsersTable | null>;
  byName(username: string): Promise<UsersTable | null>;
  /** Oldest first. */
  list(): Promise<User[]>;
  setRole(userId: string, role: 'admin' | 'user'): Promise<void>;
  setDisabled(userId: string, disabled: boolean): Promise<void>;
  /** Ends every sign-in of the user. */
  setPasswordHash(userId: string, hash: string): Promise<void>;
  /** Ends every sign-in of everybody. */
  endAllSignIns(): Promise<void>;
}

export function createUsers({ storage, clock, revocations }: { storage: Storage; clock: Clock; revocations: Revocations }): Users {
  const byId = async (id: string): Promise<UsersTable | null> =>
    isId(id) ? ((await storage.read.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()) ?? null) : null;
  const ownerRow = async (): Promise<UsersTable | null> =>
    (await storage.read.selectFrom('users').selectAll().where('role', '=', 'owner').executeTakeFirst()) ?? null;
  /** Changes a row that is not the owner's, and ends the sign-ins of that user. */
  const change = async (userId: string, what: string, changes: Partial<UsersTable>): Promise<void> => {
    const row = await byId(userId);
    if (!row) throw new ParleyError('not_found', { message: 'There is no such user.' });
    if (row.role === 'owner') throw new ParleyError('forbidden', { message: `The owner cannot be ${what}.` });
    await storage.write(async (queries) => {
      await queries.updateTable('users').set(changes).where('id', '=', userId).execute();
      await endSignIns(queries, userId, clock.now());
    });
    revocations.user(userId);
  };

  return {
    byId,
    async ensureOwner() {
      if (await ownerRow()) return;
      await storage.write((queries) =>
        // Two instances may start at the same moment; the name lets one of them win.
        queries.insertInto('users').values(newUserRow({ username: 'owner', email: null, name: null, passwordHash: null, role: 'owner' }, clock.now()))
          .onConflict((conflict) => conflict.column('username_key').doNothing()).execute());
    },
    async owner() {
      const row = await ownerRow();
      if (!row) throw new Error('The owner has no row: accounts were not started.');
      return userOf(row);
    },
    async byName(username) {
      if (!isUsername(username)) return null;
      return (await storage.read.selectFrom('users').selectAll().where('username_key', '=', usernameKey(username)).executeTakeFirst()) ?? null;
    },
    async list() {
      const rows = await storage.read.selectFrom('users').selectAll().orderBy('created_at').orderBy('id').execute();
      return rows.map(userOf);
    },
    async setRole(userId, role) {
      const row = await byId(userId);
      if (row?.role !== role) await change(userId, 'given another role', { role });
    },
    async setDisabled(userId, disabled) {
      const row = await byId(userId);
      if (row && (row.disabled_at !== null) === disabled) return;
      await change(userId, 'disabled', { disabled_at: disabled ? clock.now() : null });
    },
    async setPasswordHash(userId, hash) {
      if (!(await byId(userId))) throw new ParleyError('not_found', { message: 'There is no such user.' });
      await storage.write(async (queries) => {
        await queries.updateTable('users').set({ password_hash: hash }).where('id', '=', userId).execute();
        await endSignIns(queries, userId, clock.now());
      });
      revocations.user(userId);
    },
    async endAllSignIns() {
      const ids = await storage.write(async (queries) => {
        await queries.updateTable('tokens').set({ revoked_at: clock.now() }).where('revoked_at', 'is', null).execute();
        await queries.updateTable('oauth_grants').set({ revoked_at: clock.now() }).where('revoked_at', 'is', null).execute();
        await queries.deleteFrom('oauth_requests').where('state', '=', 'approved').execute();
        return queries.selectFrom('users').select('id').execute();
      });
      for (const { id } of ids) revocations.user(id);
    },
  };
}

/**
 * Revokes all tokens of a user, and what was granted to programs, whether they have fetched it already or not. A sign-in under way at this moment may add its row a little later; it is refused by its
 * age, because tokens are always younger than `tokens_valid_from`.
 */
async function endSignIns(queries: WriteQueries, userId: string, now: number): Promise<void> {
  for (const table of ['tokens', 'oauth_grants'] as const) {
    await queries.updateTable(table).set({ revoked_at: now }).where('user_id', '=', userId).where('revoked_at', 'is', null).execute();
  }
  await queries.deleteFrom('oauth_requests').where('user_id', '=', userId).where('state', '=', 'approved').execute();
  const row = await queries.selectFrom('users').select('tokens_valid_from').where('id', '=', userId).executeTakeFirstOrThrow();
  const latest = await queries.selectFrom('tokens').select('created_at').where('user_id', '=', userId).orderBy('created_at', 'desc').limit(1).executeTakeFirst();
  // The wall clock may have gone back since; this time never does.
  const validFrom = Math.max(now, row.tokens_valid_from, latest?.created_at ?? 0) + 1;
  await queries.updateTable('users').set({ tokens_valid_from: validFrom }).where('id', '=', userId).execute();
}

/** A row for somebody new. */
export function newUserRow(
  person: { username: string; email: string | null; name: string | null; passwordHash: string | null; role: UsersTable['role'] },
  now: number,
): UsersTable {
  return {
    id: newId(),
    username: person.username,
    username_key: usernameKey(person.username),
    email: person.email,
    name: person.name,
    password_hash: person.passwordHash,
    role: person.role,
    tokens_valid_from: 0,
    last_conversation_number: 0,
    current_conversation_id: null,
    created_at: now,
    disabled_at: null,
  };
}

/** What may be known of a row outside: everything but the hash. */
export function userOf(row: UsersTable): User {
  return {
    id: row.id,
    username: row.username,
    email: row.email,
    name: row.name,
    role: row.role,
    claimed: row.password_hash !== null,
    createdAt: row.created_at,
    disabledAt: row.disabled_at,
  };
}
