import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { everything, openLocalConnection, registrationOf, requestWith, startTestAccounts, type LocalConnection, type TestAccounts } from './testing.ts';
import type { Accounts, AuthenticationPolicy, Credentials, SignIn } from './types.ts';

/** A real connection of this machine: the request that comes over it is trusted. */
let connection: LocalConnection;

beforeAll(async () => {
  connection = await openLocalConnection();
});

afterAll(() => connection.close());

const local = (headers = {}, rest: Partial<Credentials> = {}): Credentials => ({ headers: { host: 'localhost:8080', ...headers }, method: 'GET', socket: connection.socket, ...rest });
const bearer = (token: string, rest: Partial<Credentials> = {}) => requestWith({ authorization: `Bearer ${token}` }, rest);
const nothing: AuthenticationPolicy = { localTrust: false, cookie: false };

describe.each(engines)('authentication on %s', (engine) => {
  let test: TestAccounts;
  let accounts: Accounts;
  let owner: SignIn;
  let bob: SignIn;

  beforeEach(async () => {
    test = await startTestAccounts(engine);
    accounts = test.accounts;
    owner = await accounts.register(registrationOf('ada'), local({}, { method: 'POST' }));
    bob = await accounts.register(registrationOf('bob'), requestWith());
  });

  afterEach(() => test.close());

  const unauthorized = (credentials: Credentials, policy = everything) =>
    expect(accounts.authenticate(credentials, policy)).rejects.toMatchObject({ code: 'unauthorized', status: 401 });
  const withCookies = (headers: Record<string, string> = {}, signIn = bob) => ({ cookie: `parley_session=${signIn.token}; parley_csrf=${signIn.csrfToken}`, ...headers });

  describe('by the Authorization header', () => {
    it('takes a token or an API key, in any policy', async () => {
      const { key, id } = await accounts.createApiKey(bob.user.id, 'program');
      for (const policy of [everything, nothing]) {
        expect(await accounts.authenticate(bearer(bob.token), policy)).toMatchObject({ username: 'bob', via: 'token', credentialId: bob.tokenId });
        expect(await accounts.authenticate(bearer(key), policy)).toMatchObject({ username: 'bob', via: 'api-key', credentialId: id, expiresAt: null });
      }
      expect(await accounts.authenticate(requestWith({ authorization: `bearer   ${bob.token}` }), everything)).toMatchObject({ username: 'bob' });
    });

    it('refuses everything else there, also where the request would be trusted without it', async () => {
      for (const authorization of ['', 'Bearer', 'Bearer ', 'Bearer x', 'Bearer undefined', 'Bearer null', 'Bearer LOCAL', 'Bearer local x', 'Basic YTpi', 'Token local', bob.token, `Bearer ${bob.token}x`,
        `Bearer ask_${'A'.repeat(43)}`, 'Bearer ask_', `Bearer ${'x'.repeat(100_000)}`]) {
        await unauthorized(local({ authorization }));
        await unauthorized(requestWith({ authorization, ...withCookies() }));
        await unauthorized(local({ authorization }, { queryToken: bob.token }));
      }
    });

    it('takes Bearer local for no credentials', async () => {
      expect(await accounts.authenticate(local({ authorization: 'Bearer local' }), everything)).toMatchObject({ username: 'ada', via: 'local-trust' });
      expect(await accounts.authenticate(requestWith({ authorization: 'Bearer local' }), everything)).toBeNull();
      expect(await accounts.authenticate(requestWith({ authorization: 'Bearer local', ...withCookies() }), everything)).toMatchObject({ username: 'bob', via: 'cookie' });
    });
  });

  describe('by the token of the query string', () => {
    it('takes the same, behind the header and before the cookie', async () => {
      const { key } = await accounts.createApiKey(bob.user.id, 'program');
      expect(await accounts.authenticate(requestWith({}, { queryToken: bob.token }), nothing)).toMatchObject({ username: 'bob', via: 'token' });
      expect(await accounts.authenticate(requestWith({}, { queryToken: key }), nothing)).toMatchObject({ username: 'bob', via: 'api-key' });
      expect(await accounts.authenticate(bearer(owner.token, { queryToken: bob.token }), nothing)).toMatchObject({ username: 'ada' });
      expect(await accounts.authenticate(requestWith(withCookies({}, owner), { queryToken: bob.token }), everything)).toMatchObject({ username: 'bob' });
    });

    it('refuses what is not valid, also where the request would be trusted without it', async () => {
      for (const queryToken of ['', 'local', 'x', `${bob.token}x`]) await unauthorized(local(withCookies(), { queryToken }));
    });
  });

  describe('by the session cookie', () => {
    it('takes the token there, where the policy lets it', async () => {
      expect(await accounts.authenticate(requestWith(withCookies()), everything)).toMatchObject({ username: 'bob', via: 'cookie', credentialId: bob.tokenId });
      expect(await accounts.authenticate(requestWith(withCookies()), nothing)).toBeNull();
    });

    it('comes before local trust, and is refused rather than passed over', async () => {
      expect(await accounts.authenticate(local(withCookies()), everything)).toMatchObject({ username: 'bob', via: 'cookie' });
      await unauthorized(local({ cookie: 'parley_session=x' }));
      await accounts.logout((await accounts.authenticate(bearer(bob.token), everything))!);
      await unauthorized(local(withCookies()));
    });

    it('is no place for API keys, and for one token only', async () => {
      const { key } = await accounts.createApiKey(bob.user.id, 'program');
      await unauthorized(requestWith({ cookie: `parley_session=${key}` }));
      await accounts.authenticate(bearer(key), everything);
      await unauthorized(requestWith({ cookie: `parley_session=${key}` }));
      await unauthorized(requestWith({ cookie: `parley_session=${owner.token}; parley_session=${bob.token}` }));
    });

    it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'])('needs the CSRF token in header and cookie for %s', async (method) => {
      const refused = (headers: Record<string, string>) =>
        expect(accounts.authenticate(requestWith(headers, { method }), everything)).rejects.toMatchObject({ code: 'csrf_failed', status: 403 });
      expect(await accounts.authenticate(requestWith(withCookies({ 'x-csrf-token': bob.csrfToken }), { method }), everything)).toMatchObject({ username: 'bob' });

      await refused(withCookies());
      await refused(withCookies({ 'x-csrf-token': '' }));
      await refused(withCookies({ 'x-csrf-token': owner.csrfToken }));
      await refused({ cookie: `parley_session=${bob.token}; parley_csrf=${owner.csrfToken}`, 'x-csrf-token': owner.csrfToken });
      await refused({ cookie: `parley_session=${bob.token}; parley_csrf=planted`, 'x-csrf-token': 'planted' });
      await refused({ cookie: `parley_session=${bob.token}; parley_csrf=planted`, 'x-csrf-token': bob.csrfToken });
      await refused({ cookie: `parley_session=${bob.token}; parley_csrf=planted; parley_csrf=${bob.csrfToken}`, 'x-csrf-token': bob.csrfToken });
      await refused({ cookie: `parley_session=${bob.token}`, 'x-csrf-token': bob.csrfToken });
    });

    it('needs none for a token in the header, which no browser adds by itself', async () => {
      expect(await accounts.authenticate(bearer(bob.token, { method: 'POST' }), everything)).toMatchObject({ username: 'bob' });
    });

    it.each(['https://evil.example', 'null', 'http://localhost:3000', 'https://chat.example:444', 'http://chat.example.evil.example'])('is not honoured for a page of %s', async (origin) => {
      await expect(accounts.authenticate(requestWith(withCookies({ origin, host: 'chat.example' })), everything)).rejects.toMatchObject({ code: 'origin_refused' });
    });
  });

  it('is nobody without credentials, unless the request is trusted and the policy lets it', async () => {
    expect(await accounts.authenticate(requestWith(), everything)).toBeNull();
    expect(await accounts.authenticate(local(), nothing)).toBeNull();
    expect(await accounts.authenticate(local(), everything)).toEqual({
      userId: owner.user.id, username: 'ada', role: 'owner', scopes: ['read', 'write', 'chat', 'p2p', 'admin'], via: 'local-trust', credentialId: null, expiresAt: null,
    });
    expect(accounts.localTrust(requestWith())).toMatchObject({ trusted: false });
  });

  describe('a token', () => {
    it('ends with its time', async () => {
      expect(bob.expiresAt).toBe(test.clock.now() + 3_600_000);
      test.clock.advance(3_599_999);
      expect(await accounts.authenticate(bearer(bob.token), everything)).not.toBeNull();
      test.clock.advance(1);
      await unauthorized(bearer(bob.token));
      await unauthorized(bearer(bob.token));
    });

    it('ends with logout: at once, on all ways, and after a restart; the other sign-in of the same user goes on', async () => {
      const other = await accounts.login('bob', 'bob-secret-1', requestWith());
      const revoked: unknown[] = [];
      const stop = accounts.onRevoked((event) => revoked.push(event));
      await accounts.logout((await accounts.authenticate(requestWith(withCookies()), everything))!);
      expect(revoked).toEqual([{ userId: bob.user.id, credentialId: bob.tokenId }]);
      stop();

      for (const check of [accounts, await test.restart()]) {
        await expect(check.authenticate(bearer(bob.token), everything)).rejects.toMatchObject({ code: 'unauthorized' });
        await expect(check.authenticate(requestWith({}, { queryToken: bob.token }), everything)).rejects.toMatchObject({ code: 'unauthorized' });
        await expect(check.authenticate(requestWith(withCookies()), everything)).rejects.toMatchObject({ code: 'unauthorized' });
        expect(await check.authenticate(bearer(other.token), everything)).toMatchObject({ username: 'bob' });
      }
      await accounts.logout((await accounts.authenticate(bearer(other.token), everything))!);
      expect(revoked).toHaveLength(1);
    });

    it('is not ended by the logout of an API key or of local trust', async () => {
      const { key } = await accounts.createApiKey(bob.user.id, 'program');
      await accounts.logout((await accounts.authenticate(bearer(key), everything))!);
      await accounts.logout((await accounts.authenticate(local(), everything))!);
      expect(await accounts.authenticate(bearer(key), everything)).toMatchObject({ username: 'bob' });
      expect(await accounts.authenticate(bearer(owner.token), everything)).toMatchObject({ username: 'ada' });
    });

    it('of a removed row is refused', async () => {
      await test.database.storage.write((queries) => queries.deleteFrom('tokens').execute());
      await unauthorized(bearer(bob.token));
    });

    it('of a row that is not its own is refused', async () => {
      const row = { user_id: owner.user.id };
      await test.database.storage.write((queries) => queries.updateTable('tokens').set(row).where('id', '=', bob.tokenId).execute());
      await unauthorized(bearer(bob.token));
    });

    it('of a disabled user is refused, however that came into the rows', async () => {
      await test.database.storage.write((queries) => queries.updateTable('users').set({ disabled_at: 1 }).where('id', '=', bob.user.id).execute());
      await unauthorized(bearer(bob.token));
    });

    it.each([0, -5000])('is refused by its age when its sign-in outlived a revocation, clock moved by %i ms', async (change) => {
      const tokenIs = async (signIn: SignIn) => {
        await test.database.storage.write((queries) => queries.updateTable('tokens').set({ revoked_at: null }).execute());
        return (await test.restart()).authenticate(bearer(signIn.token), everything).then(() => 'good', () => 'refused');
      };
      expect(await tokenIs(bob)).toBe('good');
      test.clock.advance(change);
      await accounts.setPassword(bob.user.id, 'bob-secret-2');
      expect(await tokenIs(bob)).toBe('refused');
      expect(await tokenIs(await accounts.login('bob', 'bob-secret-2', requestWith()))).toBe('good');
    });

    it('that another process revokes is noticed within ten seconds', async () => {
      const commandLine = await test.restart();
      await accounts.authenticate(bearer(bob.token), everything);
      await commandLine.setDisabled(bob.user.id, true);
      test.clock.advance(10_000);
      await unauthorized(bearer(bob.token));
    });

    it('asks the database once, not at every request', async () => {
      const first = await accounts.authenticate(bearer(bob.token), everything);
      await test.database.storage.stop();
      for (let count = 0; count < 3; count += 1) expect(await accounts.authenticate(bearer(bob.token), everything)).toBe(first);
      expect(await accounts.authenticate(requestWith(withCookies()), everything)).toMatchObject({ via: 'cookie' });
    });
  });

  describe('a session for a viewer who is already proven', () => {
    it('is made for the owner under local trust', async () => {
      const viewer = (await accounts.authenticate(local(), everything))!;
      const session = await accounts.signInAs(viewer, local({ 'user-agent': 'x'.repeat(500) }));
      expect(await accounts.authenticate(bearer(session.token), everything)).toMatchObject({ username: 'ada', role: 'owner', via: 'token', scopes: viewer.scopes });
      const row = await test.database.storage.read.selectFrom('tokens').selectAll().where('id', '=', session.tokenId).executeTakeFirstOrThrow();
      expect(row.client).toBe('x'.repeat(200));
    });

    it('gets no more and lasts no longer than what it stands on', async () => {
      const viewer = (await accounts.authenticate(bearer(owner.token), everything))!;
      test.clock.advance(1000);
      const session = await accounts.signInAs({ ...viewer, scopes: ['read'] }, requestWith());
      expect(session.expiresAt).toBe(owner.expiresAt);
      expect(await accounts.authenticate(bearer(session.token), everything)).toMatchObject({ scopes: ['read'] });
    });

    it('is not made for an API key', async () => {
      const { key } = await accounts.createApiKey(bob.user.id, 'program');
      const viewer = (await accounts.authenticate(bearer(key), everything))!;
      await expect(accounts.signInAs(viewer, requestWith())).rejects.toMatchObject({ code: 'forbidden' });
    });
  });

  describe('after a rotation of the secrets', () => {
    it('tokens and API keys go on, and provider keys are encrypted again', async () => {
      const { key } = await accounts.createApiKey(bob.user.id, 'program');
      await accounts.setProviderKey(bob.user.id, 'openai', 'sk-of-bob');
      const before = await test.database.storage.read.selectFrom('provider_keys').select('ciphertext').executeTakeFirstOrThrow();
      expect(await accounts.rotateSecrets()).toEqual({ reencrypted: 1 });
      const after = await test.database.storage.read.selectFrom('provider_keys').select('ciphertext').executeTakeFirstOrThrow();
      expect(after.ciphertext.split('.')[1]).not.toBe(before.ciphertext.split('.')[1]);
      for (const check of [accounts, await test.restart()]) {
        expect(await check.providerKey(bob.user.id, 'openai')).toBe('sk-of-bob');
        expect(await check.authenticate(bearer(bob.token), everything)).toMatchObject({ username: 'bob' });
        expect(await check.authenticate(bearer(key), everything)).toMatchObject({ username: 'bob' });
        expect(await check.authenticate(requestWith(withCookies({ 'x-csrf-token': bob.csrfToken }), { method: 'POST' }), everything)).toMatchObject({ username: 'bob' });
      }
      expect(await accounts.rotateSecrets()).toEqual({ reencrypted: 1 });
    });

    it('by hand, provider keys are encrypted again at the next start', async () => {
      await accounts.setProviderKey(bob.user.id, 'openai', 'sk-of-bob');
      const file = join(test.database.dataDir, 'secrets.json');
      const content = JSON.parse(readFileSync(file, 'utf8')) as Record<'encryption' | 'signing', { id: string; key: string }[]>;
      for (const ring of [content.encryption, content.signing]) ring.unshift({ id: 'by-hand', key: randomBytes(32).toString('base64url') });
      writeFileSync(file, JSON.stringify(content));

      const restarted = await test.restart();
      const { ciphertext } = await test.database.storage.read.selectFrom('provider_keys').select('ciphertext').executeTakeFirstOrThrow();
      expect(ciphertext).toMatch(/^v1\.by-hand\./);
      expect(await restarted.providerKey(bob.user.id, 'openai')).toBe('sk-of-bob');
      expect(await restarted.authenticate(bearer(bob.token), everything)).toMatchObject({ username: 'bob' });
    });

    it('all sign-ins end when asked to', async () => {
      const { key } = await accounts.createApiKey(bob.user.id, 'program');
      await accounts.authenticate(bearer(bob.token), everything);
      const revoked: unknown[] = [];
      accounts.onRevoked((event) => revoked.push(event));
      await accounts.rotateSecrets({ endSignIns: true });
      expect(revoked).toEqual(expect.arrayContaining([{ userId: bob.user.id, credentialId: null }, { userId: owner.user.id, credentialId: null }]));
      await unauthorized(bearer(bob.token));
      expect(await accounts.authenticate(bearer(key), everything)).toMatchObject({ username: 'bob' });
      expect((await accounts.login('bob', 'bob-secret-1', requestWith())).user.username).toBe('bob');
    });
  });
});
