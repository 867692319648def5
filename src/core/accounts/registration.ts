import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { isUniqueViolation, type Storage, type UsersTable } from '../../base/storage/index.ts';
import type { Invites } from './invites.ts';
import type { LocalTrust } from './local-trust.ts';
import { isLoopbackBind } from './loopback.ts';
import type { PasswordHasher } from './passwords.ts';
import type { AccountSettings } from './settings.ts';
import { isSetupCode } from './setup-code.ts';
import type { Credentials, RegistrationRequest } from './types.ts';
import { newUserRow, userOf, type Users } from './users.ts';
import { checkRegistration, usernameKey } from './validation.ts';

/** Who may make an account, and the making of it. */
export interface Registration {
  readonly mode: 'open' | 'invite' | 'closed';
  /** Makes the set-up code, if one is needed. */
  start(): Promise<void>;
  setupCode(): string | null;
  /** The owner has got a password: the set-up code is good for nothing any more. */
  ownerClaimed(): void;
  /** An account for whoever sent a request: the owner's when nobody has claimed it yet. */
  register(request: RegistrationRequest, from: Credentials): Promise<UsersTable>;
  /** An account made by the operator. */
  create(request: RegistrationRequest & { role: 'admin' | 'user' }): Promise<UsersTable>;
}

interface RegistrationParts {
  storage: Storage;
  clock: Clock;
  settings: AccountSettings;
  users: Users;
  invites: Invites;
  passwords: PasswordHasher;
  localTrust: LocalTrust;
  /** Makes the code that is printed; the same on all instances, because any of them may be asked. */
  newSetupCode: (ownerId: string) => string;
}

/** By what right somebody registers. */
type Admission = { kind: 'owner' } | { kind: 'user'; role: 'admin' | 'user'; invite: string | null };

interface Person {
  username: string;
  email: string | null;
  name: string | null;
  passwordHash: string;
}

export function createRegistration(parts: RegistrationParts): Registration {
  const { settings, users, invites, passwords, localTrust } = parts;
  const mode = settings.registration ?? (isLoopbackBind(settings.host) ? 'open' : 'closed');
  let setupCode: string | null = null;
  const ownerClaimed = (): void => {
    setupCode = null;
  };

  const admit = async (code: string | null, from: Credentials): Promise<Admission> => {
    if ((await users.owner()).claimed) return admitUser(mode, invites, code);
    if ((await localTrust.verify(from)).trusted || (setupCode !== null && code !== null && isSetupCode(code, setupCode))) return { kind: 'owner' };
    if (setupCode === null) throw new ParleyError('setup_code_required', { message: 'The first registration must come from the machine that the server runs on.' });
    throw new ParleyError('setup_code_required', code === null ? {} : { message: 'This is not the set-up code printed in the terminal.' });
  };

  return {
    mode,
    async start() {
      if (localTrust.impossible === null) return;
      const owner = await users.owner();
      if (!owner.claimed) setupCode = parts.newSetupCode(owner.id);
    },
    setupCode: () => setupCode,
    ownerClaimed,
    async register(request, from) {
      const { password, ...fields } = checkRegistration(request);
      const code = request.code?.trim() || null;
      const admission = await admit(code, from);
      // Before the hash, which is the expensive part; the transaction looks again.
      await refuseTakenName(users, fields.username);
      const person = { ...fields, passwordHash: await passwords.hash(password) };
      const claimed = admission.kind === 'owner' ? await claimOwner(parts, person) : null;
      if (claimed) {
        ownerClaimed();
        return claimed;
      }
      // Somebody else has claimed the owner meanwhile: then this is a registration like any other.
      return insertUser(parts, person, admission.kind === 'user' ? admission : await admitUser(mode, invites, code));
    },
    async create({ role, ...request }) {
      const { password, ...fields } = checkRegistration(request);
      await refuseTakenName(users, fields.username);
      return insertUser(parts, { ...fields, passwordHash: await passwords.hash(password) }, { role, invite: null });
    },
  };
}

async function admitUser(mode: Registration['mode'], invites: Invites, code: string | null): Promise<Extract<Admission, { kind: 'user' }>> {
  if (mode === 'closed') throw new ParleyError('registration_closed');
  const invited = code === null ? null : await invites.roleOf(code);
  if (invited !== null) return { kind: 'user', role: invited, invite: code };
  if (mode === 'invite') throw new ParleyError('registration_closed', { message: 'Registration on this server needs an invite code that is unused and not too old.' });
  return { kind: 'user', role: 'user', invite: null };
}

async function refuseTakenName(users: Users, username: string): Promise<void> {
  const row = await users.byName(username);
  // The owner's own row keeps its first name until somebody claims it; claiming it under that name is fine.
  if (row && !(row.role === 'owner' && !userOf(row).claimed)) throw new ParleyError('username_taken');
}

/** Gives the owner's row, with all its data, a name and a password; null when somebody has done so already. */
async function claimOwner({ storage, users }: RegistrationParts, person: Person): Promise<UsersTable | null> {
  const owner = await users.owner();
  const key = usernameKey(person.username);
  const claimed = await refuseUniqueViolation(storage.write(async (queries) => {
    const same = await queries.selectFrom('users').select('id').where('username_key', '=', key).where('id', '<>', owner.id).executeTakeFirst();
    if (same) throw new ParleyError('username_taken');
    const { numUpdatedRows } = await queries.updateTable('users')
      .set({ username: person.username, username_key: key, email: person.email, name: person.name, password_hash: person.passwordHash })
      .where('id', '=', owner.id).where('password_hash', 'is', null).executeTakeFirst();
    return numUpdatedRows > 0n;
  }));
  return claimed ? users.byId(owner.id) : null;
}

/** @throws {ParleyError} `username_taken`; `registration_closed` when somebody else has used the invite meanwhile */
async function insertUser({ storage, clock, invites }: RegistrationParts, person: Person, admission: { role: 'admin' | 'user'; invite: string | null }): Promise<UsersTable> {
  const row = newUserRow({ ...person, role: admission.role }, clock.now());
  await refuseUniqueViolation(storage.write(async (queries) => {
    const { numInsertedOrUpdatedRows } = await queries.insertInto('users').values(row)
      .onConflict((conflict) => conflict.column('username_key').doNothing()).executeTakeFirst();
    if (!numInsertedOrUpdatedRows) throw new ParleyError('username_taken');
    if (admission.invite !== null && !(await invites.use(queries, admission.invite, row.id))) {
      throw new ParleyError('registration_closed', { message: 'This invite has just been used.' });
    }
  }));
  return row;
}

/** The database has the last word on which of two names at the same moment is taken. */
async function refuseUniqueViolation<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw isUniqueViolation(error) ? new ParleyError('username_taken', { cause: error }) : error;
  }
}
