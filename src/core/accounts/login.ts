import { ParleyError } from '../../base/errors.ts';
import type { Storage } from '../../base/storage/index.ts';
import type { OriginRules } from './origins.ts';
import type { PasswordHasher } from './passwords.ts';
import type { Registration } from './registration.ts';
import type { Sessions } from './sessions.ts';
import type { SignInLimit } from './sign-in-limit.ts';
import type { Accounts, Credentials } from './types.ts';
import type { Users } from './users.ts';
import { passwordLength } from './validation.ts';

interface LoginParts {
  storage: Storage;
  users: Users;
  sessions: Sessions;
  registration: Registration;
  passwords: PasswordHasher;
  origins: OriginRules;
  limit: SignInLimit;
  /** Called when the owner's row may have got another name. */
  afterClaim: () => void;
}

/** Signing in and out. */
export function createLogin(parts: LoginParts): Pick<Accounts, 'register' | 'login' | 'signInAs' | 'logout'> {
  const { users, sessions, registration, passwords } = parts;
  /** A page from elsewhere may not sign its visitor in as somebody of its choice, nor try passwords through its visitors. */
  const admit = async (from: Credentials): Promise<void> => {
    if (!parts.origins.allowedWithCookie(from.headers)) throw new ParleyError('origin_refused');
    await parts.limit(from);
  };
  return {
    async register(request, from) {
      await admit(from);
      const row = await registration.register(request, from);
      if (row.role === 'owner') parts.afterClaim();
      return sessions.issue(row, from.headers['user-agent']);
    },
    async login(username, password, from) {
      await admit(from);
      const row = await users.byName(username);
      const mayEnter = row?.password_hash != null && row.disabled_at === null;
      // The hash is made in every case, so that the time says nothing about which accounts there are.
      const right = await passwords.verify(password.slice(0, passwordLength.most + 1), mayEnter ? row.password_hash : null);
      if (!right || !mayEnter) throw new ParleyError('invalid_credentials');
      await renewHash(parts, row.id, row.password_hash!, password);
      return sessions.issue(row, from.headers['user-agent']);
    },
    async signInAs(viewer, from) {
      if (viewer.via === 'api-key') throw new ParleyError('forbidden', { message: 'An API key is no ground for a session.' });
      const row = await users.byId(viewer.userId);
      if (!row) throw new ParleyError('unauthorized');
      return sessions.issue(row, from.headers['user-agent'], viewer);
    },
    async logout(viewer) {
      const isSession = viewer.via === 'token' || viewer.via === 'cookie';
      if (isSession && viewer.credentialId !== null) await sessions.revoke(viewer.userId, viewer.credentialId);
    },
  };
}

/** After the cost of hashes was raised, each is made again when its password is there to make it from. */
async function renewHash({ storage, passwords }: LoginParts, userId: string, stored: string, password: string): Promise<void> {
  if (!passwords.isOutdated(stored)) return;
  const renewed = await passwords.hash(password);
  await storage.write((queries) =>
    queries.updateTable('users').set({ password_hash: renewed }).where('id', '=', userId).where('password_hash', '=', stored).execute());
}
