import { hash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { randomToken } from '../../base/ids.ts';
import type { Storage, WriteQueries } from '../../base/storage/index.ts';
import type { Accounts } from './types.ts';
import type { Users } from './users.ts';

/** Codes that admit one registration each. */
export interface Invites {
  create: Accounts['createInvite'];
  /** The role that a code gives now; null when the code is unknown, used or too old. */
  roleOf(code: string): Promise<'admin' | 'user' | null>;
  /** Uses a code up, in the transaction that makes the account; false when it is not good (any more). */
  use(queries: WriteQueries, code: string, userId: string): Promise<boolean>;
}

const day = 24 * 60 * 60 * 1000;
const defaultLifetimeMs = 7 * day;
const longestLifetimeMs = 90 * day;
const maxOpen = 1000;
const codeForm = /^inv_[A-Za-z0-9_-]{22}$/;

export function createInvites({ storage, clock, users }: { storage: Storage; clock: Clock; users: Users }): Invites {
  return {
    async create(userId, role = 'user', lifetimeMs = defaultLifetimeMs) {
      const creator = await users.byId(userId);
      if (!creator || creator.role === 'user') throw new ParleyError('forbidden', { message: 'Only admins may invite.' });
      if (!(lifetimeMs > 0 && lifetimeMs <= longestLifetimeMs)) {
        throw new ParleyError('invalid_request', { message: 'An invite lasts at most 90 days.', parameter: 'lifetime' });
      }
      const now = clock.now();
      const code = `inv_${randomToken(16)}`;
      const expiresAt = Math.floor(now + lifetimeMs);
      await storage.write(async (queries) => {
        await queries.deleteFrom('invites').where('expires_at', '<=', now).execute();
        const open = await queries.selectFrom('invites').select('code_hash').limit(maxOpen).execute();
        if (open.length >= maxOpen) throw new ParleyError('conflict', { message: `There are ${maxOpen} open invites already.` });
        await queries.insertInto('invites')
          .values({ code_hash: hash('sha256', code), created_by: userId, role, created_at: now, expires_at: expiresAt, used_by: null }).execute();
      });
      return { code, expiresAt };
    },
    async roleOf(code) {
      if (!codeForm.test(code)) return null;
      const row = await storage.read.selectFrom('invites').select('role').where('code_hash', '=', hash('sha256', code))
        .where('used_by', 'is', null).where('expires_at', '>', clock.now()).executeTakeFirst();
      return row?.role ?? null;
    },
    async use(queries, code, userId) {
      // It expires with its use, because `used_by` becomes null again when that user is deleted.
      const { numUpdatedRows } = await queries.updateTable('invites').set({ used_by: userId, expires_at: clock.now() })
        .where('code_hash', '=', hash('sha256', code)).where('used_by', 'is', null).where('expires_at', '>', clock.now()).executeTakeFirst();
      return numUpdatedRows > 0n;
    },
  };
}
