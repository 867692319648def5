import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLocalBus } from '../../base/events/index.ts';
import { silentLog } from '../../base/observability/index.ts';
import { openSecrets } from '../../base/secrets.ts';
import { engines } from '../../base/storage/testing.ts';
import { createCredentialCache } from './credential-cache.ts';
import { createPasswordHasher } from './passwords.ts';
import { createRevocations } from './revocations.ts';
import { createSessions } from './sessions.ts';
import { defaultSettings, everything, registrationOf, requestWith, startTestAccounts, type TestAccounts } from './testing.ts';
import { createTokens } from './tokens.ts';
import type { Accounts, User } from './types.ts';

const bearer = (token: string) => requestWith({ authorization: `Bearer ${token}` });

describe.each(engines)('signing in on %s', (engine) => {
  let test: TestAccounts;
  let accounts: Accounts;
  let bob: User;

  beforeEach(async () => {
    test = await startTestAccounts(engine, { registration: 'open', limits: { ...defaultSettings.limits, loginsPerMinute: 30 } }, createPasswordHasher());
    accounts = test.accounts;
    bob = await accounts.createUser({ ...registrationOf('Bob'), role: 'user' });
  });

  afterEach(() => test.close());

  const login = (password = 'Bob-secret-1', username = 'Bob') => accounts.login(username, password, requestWith({ 'user-agent': 'test' }, { method: 'POST' }));
  const stored = () => test.database.storage.read.selectFrom('users').selectAll().where('id', '=', bob.id).executeTakeFirstOrThrow();

  it('takes name and password, the name in any case, and gives a token of its own each time', async () => {
    const [one, other] = [await login(), await login('Bob-secret-1', 'bOB')];
    expect(one.user).toEqual({ ...bob });
    expect(other.tokenId).not.toBe(one.tokenId);
    expect(await accounts.authenticate(bearer(one.token), everything)).toMatchObject({ userId: bob.id, username: 'Bob' });
    expect(JSON.stringify(one)).not.toContain('argon2');
  });

  it('never stores the password itself', async () => {
    await login();
    const { storage } = test.database;
    const rows = JSON.stringify([await storage.read.selectFrom('users').selectAll().execute(), await storage.read.selectFrom('tokens').selectAll().execute()]);
    expect(rows).not.toContain('Bob-secret-1');
    expect(rows).toContain('$argon2id$v=19$m=19456,t=2,p=1$');
  });

  it('answers a wrong password, an unknown user, an unclaimed owner and a disabled user alike', async () => {
    await accounts.createUser({ ...registrationOf('gone'), role: 'user' });
    await accounts.setDisabled((await accounts.findUser('gone'))!.id, true);
    const tries: [string, string][] = [['Bob', 'bob-secret-1'], ['Bob', ''], ['Bob', 'x'.repeat(100_000)], ['nobody', 'Bob-secret-1'], ['owner', 'owner-secret-1'], ['gone', 'gone-secret-1'],
      ['', ''], ['nul\0', 'x'], ['x'.repeat(100_000), 'x'], ["Bob' or 1=1 --", 'x'], ['bob@example.com', 'Bob-secret-1']];
    for (const [username, password] of tries) {
      await expect(login(password, username), username.slice(0, 30)).rejects.toMatchObject({ code: 'invalid_credentials', status: 401, message: 'Invalid credentials' });
    }
  });

  it('takes about as long for an unknown user as for a wrong password', async () => {
    // Time of the processor, the least of nine: other work of the machine does not count.
    const least: Record<string, number> = { Bob: Infinity, nobody: Infinity };
    for (let count = 0; count < 18; count += 1) {
      const username = count % 2 ? 'Bob' : 'nobody';
      const start = process.cpuUsage();
      await expect(login('wrong-password', username)).rejects.toMatchObject({ code: 'invalid_credentials' });
      const { user, system } = process.cpuUsage(start);
      least[username] = Math.min(least[username]!, user + system);
    }
    const [known, unknown] = [least['Bob']!, least['nobody']!];
    expect(unknown / known).toBeGreaterThan(0.5);
    expect(unknown / known).toBeLessThan(2);
  });

  it('is limited for each address, whatever the outcome', async () => {
    for (let count = 0; count < 30; count += 1) await login(undefined, count % 2 ? 'nobody' : 'Bob').catch(() => undefined);
    await expect(login()).rejects.toMatchObject({ code: 'rate_limited', status: 429, retryAfterMs: 60_000 });
    const elsewhere = requestWith({}, { socket: { remoteAddress: '192.0.2.99' } });
    await accounts.login('Bob', 'Bob-secret-1', elsewhere);
    test.clock.advance(60_000);
    await login();
  });

  it('is refused to pages from elsewhere', async () => {
    await expect(accounts.login('Bob', 'Bob-secret-1', requestWith({ origin: 'https://evil.example' }))).rejects.toMatchObject({ code: 'origin_refused' });
  });

  it('renews a hash that was made at another cost', async () => {
    // A test vector of the reference implementation: "password", 2 passes, 64 MiB.
    const old = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
    await test.database.storage.write((queries) => queries.updateTable('users').set({ password_hash: old }).where('id', '=', bob.id).execute());
    await login('password');
    expect((await stored()).password_hash).toMatch(/\$m=19456,t=2,p=1\$/);
    await login('password');
  });

  it('removes expired tokens of the user, and ends the oldest beyond a thousand', async () => {
    const first = await login();
    await accounts.authenticate(bearer(first.token), everything);
    const { storage } = test.database;
    await storage.write((queries) => queries.insertInto('tokens').values(Array.from({ length: 999 }, (_, number) => ({
      id: `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`, user_id: bob.id, scopes: '[]', client: null, created_at: test.clock.now() + 1, expires_at: test.clock.now() + 1_000_000, revoked_at: null,
    }))).execute());
    test.clock.advance(2);
    const revoked: unknown[] = [];
    accounts.onRevoked((event) => revoked.push(event));
    const last = await login();
    expect(revoked).toEqual([{ userId: bob.id, credentialId: first.tokenId }]);
    await expect(accounts.authenticate(bearer(first.token), everything)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await accounts.authenticate(bearer(last.token), everything)).not.toBeNull();

    test.clock.advance(3_600_000);
    await login();
    expect(await storage.read.selectFrom('tokens').select('id').where('user_id', '=', bob.id).execute()).toHaveLength(1);
  });

  describe('ends', () => {
    let token: string;
    let revoked: unknown[];

    beforeEach(async () => {
      ({ token } = await login());
      await accounts.authenticate(bearer(token), everything);
      revoked = [];
      accounts.onRevoked((event) => revoked.push(event));
    });

    const hasEnded = async () => {
      expect(revoked).toEqual([{ userId: bob.id, credentialId: null }]);
      for (const check of [accounts, await test.restart()]) await expect(check.authenticate(bearer(token), everything)).rejects.toMatchObject({ code: 'unauthorized' });
    };

    it('when the user is disabled, and may be made anew when enabled again', async () => {
      const { key } = await accounts.createApiKey(bob.id, 'program');
      await accounts.authenticate(bearer(key), everything);
      await accounts.setDisabled(bob.id, true);
      await hasEnded();
      await expect(accounts.authenticate(bearer(key), everything)).rejects.toMatchObject({ code: 'unauthorized' });
      await expect(login()).rejects.toMatchObject({ code: 'invalid_credentials' });
      expect((await accounts.user(bob.id))!.disabledAt).toBe(test.clock.now());

      await accounts.setDisabled(bob.id, false);
      await expect(accounts.authenticate(bearer(token), everything)).rejects.toMatchObject({ code: 'unauthorized' });
      expect(await accounts.authenticate(bearer((await login()).token), everything)).toMatchObject({ username: 'Bob' });
      expect(await accounts.authenticate(bearer(key), everything)).toMatchObject({ username: 'Bob' });
    });

    it('when the role changes, and the next one has the new role', async () => {
      await accounts.setRole(bob.id, 'admin');
      await hasEnded();
      const admin = await login();
      expect(await accounts.authenticate(bearer(admin.token), everything)).toMatchObject({ role: 'admin', scopes: expect.arrayContaining(['admin']) });
      await accounts.setRole(bob.id, 'admin');
      expect(revoked).toHaveLength(1);
    });

    it('when the password is set, and only the new one is good', async () => {
      await accounts.setPassword(bob.id, 'another-secret');
      await hasEnded();
      await expect(login()).rejects.toMatchObject({ code: 'invalid_credentials' });
      await login('another-secret');
      await expect(accounts.setPassword(bob.id, 'short')).rejects.toMatchObject({ code: 'validation_failed' });
    });

    it('also when the clock has gone back: later sign-ins are good, earlier ones are not', async () => {
      test.clock.advance(-1000);
      await accounts.setPassword(bob.id, 'another-secret');
      await hasEnded();
      expect(await accounts.authenticate(bearer((await login('another-secret')).token), everything)).not.toBeNull();
    });
  });

  it('does not begin on a row that was read before the last revocation', async () => {
    const { storage, dataDir } = test.database;
    const revocations = createRevocations(createCredentialCache(test.clock.monotonic), silentLog(), createLocalBus(() => undefined));
    const sessions = createSessions({ storage, tokens: createTokens(openSecrets(dataDir)), clock: test.clock, revocations, lifetimeMs: 1000 });
    const readBefore = await stored();
    await accounts.setPassword(bob.id, 'another-secret');
    await expect(sessions.issue(readBefore, 'test')).rejects.toMatchObject({ code: 'unauthorized' });
    expect((await sessions.issue(await stored(), 'test')).user.id).toBe(bob.id);
    await accounts.setDisabled(bob.id, true);
    await expect(sessions.issue(await stored(), 'test')).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('keeps the owner in place: the role cannot be taken, nor the account disabled', async () => {
    const owner = await accounts.owner();
    await expect(accounts.setRole(owner.id, 'user')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(accounts.setDisabled(owner.id, true)).rejects.toMatchObject({ code: 'forbidden' });
    for (const id of ['unknown', '01a1fc35-2ce7-756d-9a00-159616c46a55']) {
      await expect(accounts.setRole(id, 'admin')).rejects.toMatchObject({ code: 'not_found' });
      await expect(accounts.setDisabled(id, true)).rejects.toMatchObject({ code: 'not_found' });
      await expect(accounts.setPassword(id, 'long-enough')).rejects.toMatchObject({ code: 'not_found' });
      expect(await accounts.user(id)).toBeNull();
    }
  });

  it('claims the owner when the operator sets a password for that row', async () => {
    await accounts.setPassword((await accounts.owner()).id, 'set-by-operator');
    expect((await accounts.registration()).ownerClaimed).toBe(true);
    expect((await accounts.login('owner', 'set-by-operator', requestWith())).user.role).toBe('owner');
  });

  it('lists users oldest first, without hashes', async () => {
    test.clock.advance(1);
    await accounts.createUser({ ...registrationOf('carl'), role: 'admin' });
    const users = await accounts.users();
    expect(users.map(({ username, role }) => [username, role])).toEqual([['owner', 'owner'], ['Bob', 'user'], ['carl', 'admin']]);
    expect(JSON.stringify(users)).not.toContain('argon2');
  });

  it('tells every listener, also when one of them fails', async () => {
    let heard = 0;
    accounts.onRevoked(() => {
      throw new Error('broken listener');
    });
    accounts.onRevoked(() => (heard += 1));
    await accounts.setDisabled(bob.id, true);
    expect(heard).toBe(1);
  });
});
