import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { defaultSettings, everything, openLocalConnection, registrationOf, requestWith, startTestAccounts, type LocalConnection, type TestAccounts } from './testing.ts';
import type { Credentials } from './types.ts';

/** A real connection of this machine: the request that comes over it is trusted. */
let connection: LocalConnection;

beforeAll(async () => {
  connection = await openLocalConnection();
});

afterAll(() => connection.close());

const local = (): Credentials => ({ headers: { host: 'localhost:8080' }, method: 'POST', socket: connection.socket });
const remote = (): Credentials => requestWith({}, { method: 'POST' });

describe.each(engines)('registration on %s', (engine) => {
  let test: TestAccounts;
  const start = async (settings: Parameters<typeof startTestAccounts>[1] = {}) => {
    test = await startTestAccounts(engine, settings);
    return test.accounts;
  };
  afterEach(() => test.close());

  describe('of the owner', () => {
    it('is prepared at the first start by a row without a password, and not again at the next', async () => {
      const accounts = await start();
      const owner = await accounts.owner();
      expect(owner).toMatchObject({ username: 'owner', role: 'owner', claimed: false, disabledAt: null });
      expect(await accounts.registration()).toEqual({ mode: 'open', ownerClaimed: false });
      expect((await (await test.restart()).owner()).id).toBe(owner.id);
      await Promise.all([test.restart(), test.restart()]);
      expect(await accounts.users()).toHaveLength(1);
    });

    it('nobody signs in to before it is claimed', async () => {
      const accounts = await start();
      for (const password of ['', 'null', 'owner-secret-1']) {
        await expect(accounts.login('owner', password, local())).rejects.toMatchObject({ code: 'invalid_credentials' });
      }
    });

    it('claims the row, with its id and data, from a trusted request', async () => {
      const accounts = await start();
      const owner = await accounts.owner();
      await accounts.setProviderKey(owner.id, 'openai', 'sk-of-the-owner');
      const before = await accounts.authenticate(local(), everything);
      expect(before).toMatchObject({ userId: owner.id, username: 'owner', role: 'owner', via: 'local-trust' });

      const signIn = await accounts.register(registrationOf('Ada'), local());
      expect(signIn.user).toMatchObject({ id: owner.id, username: 'Ada', email: 'Ada@example.com', name: 'Ada', role: 'owner', claimed: true });
      expect(await accounts.providerKey(owner.id, 'openai')).toBe('sk-of-the-owner');
      expect(await accounts.registration()).toEqual({ mode: 'open', ownerClaimed: true });
      expect(await accounts.authenticate(local(), everything)).toMatchObject({ userId: owner.id, username: 'Ada' });
      expect((await accounts.login('ada', 'Ada-secret-1', remote())).user.id).toBe(owner.id);
    });

    it('may keep the name owner', async () => {
      const accounts = await start();
      expect((await accounts.register(registrationOf('owner'), local())).user.role).toBe('owner');
    });

    it('is not for requests from elsewhere, and there is no code to try under local trust', async () => {
      const accounts = await start();
      expect(accounts.setupCode()).toBeNull();
      await expect(accounts.register(registrationOf('eve', 'AAAA-AAAA-AAAA-AAAA'), remote())).rejects.toMatchObject({ code: 'setup_code_required' });
      expect((await accounts.owner()).claimed).toBe(false);
    });

    it('needs the set-up code without local trust, whatever the mode', async () => {
      for (const registration of ['open', 'invite', 'closed'] as const) {
        const accounts = await start({ localTrust: false, registration });
        const code = accounts.setupCode()!;
        expect(code).toMatch(/^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/);
        for (const wrong of [null, '', 'AAAA-AAAA-AAAA-AAAA', code.slice(0, -1), `${code}0`]) {
          await expect(accounts.register(registrationOf('ada', wrong), local())).rejects.toMatchObject({ code: 'setup_code_required' });
        }
        const signIn = await accounts.register(registrationOf('ada', code.toLowerCase().replaceAll('-', ' ')), remote());
        expect(signIn.user.role).toBe('owner');
        expect(accounts.setupCode()).toBeNull();
        await test.close();
      }
      await start();
    });

    it('happens once: the set-up code is good for nothing afterwards, and after a restart there is none', async () => {
      const accounts = await start({ host: '0.0.0.0' });
      const code = accounts.setupCode()!;
      await accounts.register(registrationOf('ada', code), remote());
      await expect(accounts.register(registrationOf('eve', code), remote())).rejects.toMatchObject({ code: 'registration_closed' });
      const restarted = await test.restart();
      expect(restarted.setupCode()).toBeNull();
      expect(await restarted.registration()).toEqual({ mode: 'closed', ownerClaimed: true });
    });

    it('of twenty at the same moment is won by one; the others are users like any other', async () => {
      const accounts = await start();
      const signIns = await Promise.all(Array.from({ length: 20 }, (_, number) => accounts.register(registrationOf(`user${number}`), local())));
      expect(signIns.filter(({ user }) => user.role === 'owner')).toHaveLength(1);
      expect(new Set(signIns.map(({ user }) => user.id)).size).toBe(20);
      expect(await accounts.users()).toHaveLength(20);
    });
  });

  describe('of others', () => {
    const withOwner = async (settings: Parameters<typeof start>[0] = {}) => {
      const accounts = await start(settings);
      await accounts.register(registrationOf('ada', accounts.setupCode()), local());
      return accounts;
    };

    it('is open by default on loopback and closed elsewhere', async () => {
      for (const [host, mode] of [['127.0.0.1', 'open'], ['::1', 'open'], ['localhost', 'open'], ['0.0.0.0', 'closed'], ['192.168.1.5', 'closed']]) {
        expect((await (await start({ host })).registration()).mode).toBe(mode);
        await test.close();
      }
      await start();
    });

    it('makes plain users, whose sign-in is good at once', async () => {
      const accounts = await withOwner();
      const signIn = await accounts.register({ ...registrationOf('bob'), email: null, name: null }, remote());
      expect(signIn.user).toMatchObject({ username: 'bob', email: null, name: null, role: 'user', claimed: true });
      const viewer = await accounts.authenticate(requestWith({ authorization: `Bearer ${signIn.token}` }), everything);
      expect(viewer).toEqual({
        userId: signIn.user.id, username: 'bob', role: 'user', scopes: ['read', 'write', 'chat', 'p2p'], via: 'token', credentialId: signIn.tokenId, expiresAt: signIn.expiresAt,
      });
    });

    it('takes no role from the request', async () => {
      const accounts = await withOwner();
      const request = { ...registrationOf('eve'), role: 'admin' };
      expect((await accounts.register(request, remote())).user.role).toBe('user');
    });

    it('closed admits nobody, not even from this machine or with an invite', async () => {
      const accounts = await withOwner({ registration: 'closed' });
      const invite = await accounts.createInvite((await accounts.owner()).id);
      await expect(accounts.register(registrationOf('bob'), local())).rejects.toMatchObject({ code: 'registration_closed', status: 403 });
      await expect(accounts.register(registrationOf('bob', invite.code), remote())).rejects.toMatchObject({ code: 'registration_closed' });
      expect(await accounts.findUser('bob')).toBeNull();
    });

    it('of one name, twenty times at the same moment, succeeds once', async () => {
      const accounts = await withOwner();
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, number) => accounts.register(registrationOf(number % 2 ? 'bob' : 'BOB'), remote())));
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(refused).toHaveLength(19);
      for (const outcome of refused) expect(outcome.reason).toMatchObject({ code: 'username_taken', status: 400, message: 'Username already exists' });
      expect(await accounts.users()).toHaveLength(2);
    });

    it('refuses a name that is taken, in any case of its letters', async () => {
      const accounts = await withOwner();
      for (const username of ['ada', 'ADA', 'Ada']) {
        await expect(accounts.register(registrationOf(username), remote())).rejects.toMatchObject({ code: 'username_taken' });
      }
    });

    it('is refused to pages from elsewhere', async () => {
      const accounts = await withOwner();
      for (const origin of ['https://evil.example', 'null']) {
        await expect(accounts.register(registrationOf('bob'), requestWith({ origin }, { method: 'POST' }))).rejects.toMatchObject({ code: 'origin_refused' });
      }
    });

    it('is limited for each address', async () => {
      const accounts = await withOwner({ limits: { ...defaultSettings.limits, loginsPerMinute: 3 } });
      const elsewhere = () => requestWith({}, { method: 'POST', socket: { remoteAddress: '192.0.2.8' } });
      for (const name of ['bob', 'carl', 'dora']) await accounts.register(registrationOf(name), remote());
      await expect(accounts.register(registrationOf('emil'), remote())).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 60_000 });
      await accounts.register(registrationOf('emil'), elsewhere());
      test.clock.advance(60_000);
      await accounts.register(registrationOf('frida'), remote());
    });
  });

  describe('by invite', () => {
    it('admits each code once and gives the role of the invite', async () => {
      const accounts = await start({ registration: 'invite' });
      const owner = (await accounts.register(registrationOf('ada'), local())).user;
      for (const code of [null, 'inv_', `inv_${'A'.repeat(22)}`]) {
        await expect(accounts.register(registrationOf('bob', code), remote())).rejects.toMatchObject({ code: 'registration_closed' });
      }
      const forUser = await accounts.createInvite(owner.id);
      const forAdmin = await accounts.createInvite(owner.id, 'admin');
      expect((await accounts.register(registrationOf('bob', forUser.code), remote())).user.role).toBe('user');
      expect((await accounts.register(registrationOf('carl', ` ${forAdmin.code} `), remote())).user.role).toBe('admin');
      await expect(accounts.register(registrationOf('dora', forUser.code), remote())).rejects.toMatchObject({ code: 'registration_closed' });
    });

    it('admits one of twenty that use the code at the same moment', async () => {
      const accounts = await start({ registration: 'invite' });
      const owner = (await accounts.register(registrationOf('ada'), local())).user;
      const { code } = await accounts.createInvite(owner.id);
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, number) => accounts.register(registrationOf(`user${number}`, code), remote())));
      expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
      expect(await accounts.users()).toHaveLength(2);
    });

    it('does not use the code up when the name is taken', async () => {
      const accounts = await start({ registration: 'invite' });
      const owner = (await accounts.register(registrationOf('ada'), local())).user;
      const { code } = await accounts.createInvite(owner.id);
      await expect(accounts.register(registrationOf('ada', code), remote())).rejects.toMatchObject({ code: 'username_taken' });
      await accounts.register(registrationOf('bob', code), remote());
    });

    it('ends with its time, after a week unless said otherwise', async () => {
      const accounts = await start({ registration: 'invite' });
      const owner = (await accounts.register(registrationOf('ada'), local())).user;
      const invite = await accounts.createInvite(owner.id);
      expect(invite.expiresAt - test.clock.now()).toBe(7 * 86_400_000);
      const short = await accounts.createInvite(owner.id, 'user', 1000);
      test.clock.advance(1000);
      await expect(accounts.register(registrationOf('bob', short.code), remote())).rejects.toMatchObject({ code: 'registration_closed' });
      for (const lifetime of [0, -1, Number.NaN, 91 * 86_400_000]) {
        await expect(accounts.createInvite(owner.id, 'user', lifetime)).rejects.toMatchObject({ code: 'invalid_request' });
      }
    });

    it('is stored as a hash, and only admins make them', async () => {
      const accounts = await start();
      const owner = (await accounts.register(registrationOf('ada'), local())).user;
      const bob = (await accounts.register(registrationOf('bob'), remote())).user;
      await expect(accounts.createInvite(bob.id)).rejects.toMatchObject({ code: 'forbidden' });
      const { code } = await accounts.createInvite(owner.id);
      expect(JSON.stringify(await test.database.storage.read.selectFrom('invites').selectAll().execute())).not.toContain(code.slice(4));
    });

    it('gives its role in the open mode too', async () => {
      const accounts = await start();
      const owner = (await accounts.register(registrationOf('ada'), local())).user;
      const { code } = await accounts.createInvite(owner.id, 'admin');
      expect((await accounts.register(registrationOf('bob', code), remote())).user.role).toBe('admin');
    });
  });

  describe('of accounts by the operator', () => {
    it('asks for no code and leaves the owner unclaimed', async () => {
      const accounts = await start({ registration: 'closed' });
      const user = await accounts.createUser({ ...registrationOf('bob'), role: 'admin' });
      expect(user.role).toBe('admin');
      expect((await accounts.owner()).claimed).toBe(false);
      await expect(accounts.createUser({ ...registrationOf('bob'), role: 'user' })).rejects.toMatchObject({ code: 'username_taken' });
      await expect(accounts.createUser({ ...registrationOf('owner'), role: 'user' })).rejects.toMatchObject({ code: 'username_taken' });
      expect((await accounts.login('bob', 'bob-secret-1', remote())).user.id).toBe(user.id);
    });

    it('keeps names that the owner then cannot claim', async () => {
      const accounts = await start();
      await accounts.createUser({ ...registrationOf('bob'), role: 'user' });
      await expect(accounts.register(registrationOf('Bob'), local())).rejects.toMatchObject({ code: 'username_taken' });
      expect((await accounts.owner()).claimed).toBe(false);
    });
  });

  describe('fields', () => {
    const outcome = async (fields: Record<string, unknown>) => {
      try {
        await test.accounts.createUser({ ...registrationOf('valid'), role: 'user', ...fields });
        return [];
      } catch (error) {
        expect(error).toMatchObject({ code: 'validation_failed', status: 422 });
        return (error as { issues: { path: unknown[] }[] }).issues.map(({ path }) => path.join('.'));
      }
    };

    it('that are wrong are named, all of them', async () => {
      await start();
      expect(await outcome({ username: 'x', password: 'short', email: 'nobody', name: 'a\nb' })).toEqual(['body.username', 'body.password', 'body.email', 'body.name']);
      for (const username of ['', 'ab', 'a'.repeat(33), 'with space', 'släsh', 'a/b', '...', '-_.', 'nul\0', 'a@b', '../etc']) expect(await outcome({ username }), username).toEqual(['body.username']);
      for (const password of ['', '1234567', 'x'.repeat(201)]) expect(await outcome({ password })).toEqual(['body.password']);
      for (const email of ['a', 'a@', '@b.c', 'a@b', 'a b@c.d', 'a@b@c.d', 'a@b..c', 'a@.b', `${'a'.repeat(65)}@b.c`, `a@${'b'.repeat(251)}.c`, 'a\0@b.c']) expect(await outcome({ email }), email).toEqual(['body.email']);
      for (const name of ['x'.repeat(101), 'a\0b', 'a\u202eb', '\ud800']) expect(await outcome({ name })).toEqual(['body.name']);
    });

    it('that are right are kept as they are', async () => {
      const accounts = await start();
      let number = 0;
      for (const username of ['abc', 'a'.repeat(32), 'John_Doe', 'x.y-z', '123']) expect(await outcome({ username }), username).toEqual([]);
      for (const fields of [{ password: '12345678' }, { password: 'x'.repeat(200) }, { password: 'nul\0and 🔑 are fine' }, { email: 'first.last+tag@mail.example.com' }, { name: 'Zoë 👩‍💻 O’Neil' }, { email: '', name: ' ' }]) {
        number += 1;
        expect(await outcome({ username: `user${number}`, ...fields })).toEqual([]);
      }
      expect(await accounts.findUser('user5')).toMatchObject({ name: 'Zoë 👩‍💻 O’Neil' });
      expect(await accounts.findUser('user6')).toMatchObject({ name: null, email: null });
    });
  });
});
