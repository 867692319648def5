import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { mayAdminister } from './scopes.ts';
import { everything, registrationOf, requestWith, startTestAccounts, type TestAccounts } from './testing.ts';
import type { Accounts, Scope, User } from './types.ts';

const bearer = (token: string) => requestWith({ authorization: `Bearer ${token}` });
const unknownId = '01a1fc35-2ce7-756d-9a00-159616c46a55';

describe.each(engines)('keys on %s', (engine) => {
  let test: TestAccounts;
  let accounts: Accounts;
  let ada: User;
  let bob: User;

  beforeEach(async () => {
    test = await startTestAccounts(engine);
    accounts = test.accounts;
    ada = await accounts.createUser({ ...registrationOf('ada'), role: 'admin' });
    bob = await accounts.createUser({ ...registrationOf('bob'), role: 'user' });
  });

  afterEach(() => test.close());

  describe('API keys', () => {
    const lastUse = async (keyId: string) => (await accounts.apiKeys(bob.id)).find(({ id }) => id === keyId)!.lastUsedAt;

    it('are shown once and stored as a hash', async () => {
      const made = await accounts.createApiKey(bob.id, ' my program ');
      expect(made.key).toMatch(/^ask_[A-Za-z0-9_-]{43}$/);
      expect(made.prefix).toBe(made.key.slice(0, 12));
      expect(await accounts.apiKeys(bob.id)).toEqual([{ id: made.id, name: 'my program', prefix: made.prefix, createdAt: test.clock.now(), lastUsedAt: null }]);
      const row = await test.database.storage.read.selectFrom('api_keys').selectAll().executeTakeFirstOrThrow();
      expect(row.hash).toBe(createHash('sha256').update(made.key).digest('hex'));
      expect(JSON.stringify(row)).not.toContain(made.key.slice(13));
    });

    it('are listed and revoked by their own user only', async () => {
      const { id, key } = await accounts.createApiKey(bob.id, 'program');
      expect(await accounts.apiKeys(ada.id)).toEqual([]);
      await expect(accounts.revokeApiKey(ada.id, id)).rejects.toMatchObject({ code: 'not_found' });
      expect(await accounts.authenticate(bearer(key), everything)).toMatchObject({ username: 'bob' });
    });

    it('end at once when revoked, and after a restart', async () => {
      const { id, key } = await accounts.createApiKey(bob.id, 'program');
      const other = await accounts.createApiKey(bob.id, 'other');
      await accounts.authenticate(bearer(key), everything);
      const revoked: unknown[] = [];
      accounts.onRevoked((event) => revoked.push(event));
      await accounts.revokeApiKey(bob.id, id);
      expect(revoked).toEqual([{ userId: bob.id, credentialId: id }]);
      for (const check of [accounts, await test.restart()]) {
        await expect(check.authenticate(bearer(key), everything)).rejects.toMatchObject({ code: 'unauthorized' });
        expect(await check.authenticate(bearer(other.key), everything)).toMatchObject({ username: 'bob' });
      }
      for (const unknown of [id, unknownId, 'x', '']) await expect(accounts.revokeApiKey(bob.id, unknown)).rejects.toMatchObject({ code: 'not_found' });
      expect((await accounts.apiKeys(bob.id)).map(({ name }) => name)).toEqual(['other']);
    });

    it('end with their time, when they have one', async () => {
      const { key } = await accounts.createApiKey(bob.id, 'program', undefined, test.clock.now() + 5000);
      expect(await accounts.authenticate(bearer(key), everything)).toMatchObject({ expiresAt: test.clock.now() + 5000 });
      test.clock.advance(5000);
      await expect(accounts.authenticate(bearer(key), everything)).rejects.toMatchObject({ code: 'unauthorized' });
      await expect(accounts.createApiKey(bob.id, 'program', undefined, test.clock.now())).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(accounts.createApiKey(bob.id, 'program', undefined, Number.NaN)).rejects.toMatchObject({ code: 'invalid_request' });
    });

    it('may do what they were made for, never administer by default, and never more than their user', async () => {
      const scopesOf = async (userId: string, scopes?: Scope[]) => {
        const viewer = (await accounts.authenticate(bearer((await accounts.createApiKey(userId, 'program', scopes)).key), everything))!;
        return [viewer.scopes.join(' '), mayAdminister(viewer)];
      };
      expect(await scopesOf(bob.id)).toEqual(['read write chat p2p', false]);
      expect(await scopesOf(ada.id)).toEqual(['read write chat p2p', false]);
      expect(await scopesOf(ada.id, ['admin', 'read'])).toEqual(['read admin', true]);
      expect(await scopesOf(bob.id, [])).toEqual(['', false]);
      await expect(accounts.createApiKey(bob.id, 'program', ['admin'])).rejects.toMatchObject({ code: 'forbidden' });
      await expect(accounts.createApiKey(bob.id, 'program', ['everything' as Scope])).rejects.toMatchObject({ code: 'forbidden' });
    });

    it('of an admin who is demoted administer no more', async () => {
      const { key } = await accounts.createApiKey(ada.id, 'program', ['admin', 'read']);
      expect(mayAdminister((await accounts.authenticate(bearer(key), everything))!)).toBe(true);
      await accounts.setRole(ada.id, 'user');
      expect(await accounts.authenticate(bearer(key), everything)).toMatchObject({ role: 'user', scopes: ['read'] });
    });

    it('note their last use at most once a minute', async () => {
      const { id, key } = await accounts.createApiKey(bob.id, 'program');
      const start = test.clock.now();
      const use = async () => {
        await accounts.authenticate(bearer(key), everything);
        await accounts.stop?.();
        return lastUse(id);
      };
      expect(await use()).toBe(start);
      test.clock.advance(9_000);
      expect(await use()).toBe(start);
      test.clock.advance(50_999);
      expect(await use()).toBe(start);
      test.clock.advance(1);
      expect(await use()).toBe(start + 60_000);
    });

    it('ask the database once, not at every request', async () => {
      const { key } = await accounts.createApiKey(bob.id, 'program');
      const first = await accounts.authenticate(bearer(key), everything);
      await accounts.stop?.();
      await test.database.storage.stop();
      for (let count = 0; count < 3; count += 1) expect(await accounts.authenticate(bearer(key), everything)).toBe(first);
    });

    it('have a name, are bounded in number, and belong to somebody', async () => {
      for (const name of ['', ' ', 'x'.repeat(101)]) await expect(accounts.createApiKey(bob.id, name)).rejects.toMatchObject({ code: 'validation_failed' });
      await expect(accounts.createApiKey(bob.id, 'nul\0')).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(accounts.createApiKey(unknownId, 'program')).rejects.toMatchObject({ code: 'not_found' });
      for (let count = 0; count < 100; count += 1) await accounts.createApiKey(bob.id, `program ${count}`);
      await expect(accounts.createApiKey(bob.id, 'one more')).rejects.toMatchObject({ code: 'conflict' });
      await accounts.createApiKey(ada.id, 'program');
    });
  });

  describe('provider keys', () => {
    const rows = () => test.database.storage.read.selectFrom('provider_keys').selectAll().orderBy('user_id').execute();

    it('are given to nobody but the model registry, and listed masked', async () => {
      await accounts.setProviderKey(bob.id, 'openai', ' sk-abcdefgh12345 ');
      await accounts.setProviderKey(bob.id, 'my-server', 'short');
      expect(await accounts.providerKey(bob.id, 'openai')).toBe('sk-abcdefgh12345');
      expect(await accounts.providerKeys(bob.id)).toEqual([
        { provider: 'my-server', hint: '…', createdAt: test.clock.now() },
        { provider: 'openai', hint: '…2345', createdAt: test.clock.now() },
      ]);
      expect(JSON.stringify(await rows())).not.toContain('abcdefgh');
    });

    it('are each user’s own', async () => {
      await accounts.setProviderKey(bob.id, 'openai', 'sk-of-bob');
      expect(await accounts.providerKey(ada.id, 'openai')).toBeNull();
      expect(await accounts.providerKeys(ada.id)).toEqual([]);
      expect(await accounts.removeProviderKey(ada.id, 'openai')).toBe(false);
      expect(await accounts.providerKey(bob.id, 'openai')).toBe('sk-of-bob');
    });

    it('are replaced and removed', async () => {
      await accounts.setProviderKey(bob.id, 'openai', 'sk-one');
      await accounts.setProviderKey(bob.id, 'openai', 'sk-two');
      expect(await accounts.providerKey(bob.id, 'openai')).toBe('sk-two');
      expect(await rows()).toHaveLength(1);
      expect(await accounts.removeProviderKey(bob.id, 'openai')).toBe(true);
      expect(await accounts.removeProviderKey(bob.id, 'openai')).toBe(false);
      expect(await accounts.providerKey(bob.id, 'openai')).toBeNull();
    });

    it('cannot be read when the row was moved to another user or provider, or the secrets are others', async () => {
      await accounts.setProviderKey(bob.id, 'openai', 'sk-of-bob');
      const { storage } = test.database;
      await storage.write((queries) => queries.updateTable('provider_keys').set({ user_id: ada.id }).execute());
      await expect(accounts.providerKey(ada.id, 'openai')).rejects.toMatchObject({ code: 'no_api_key', message: expect.stringContaining('Set it again') });
      await storage.write((queries) => queries.updateTable('provider_keys').set({ user_id: bob.id, provider: 'cohere' }).execute());
      await expect(accounts.providerKey(bob.id, 'cohere')).rejects.toMatchObject({ code: 'no_api_key' });
      expect(await accounts.rotateSecrets()).toEqual({ reencrypted: 0 });
    });

    it('and their providers have a form and a bound', async () => {
      for (const key of ['', ' ', 'with space', 'line\nbreak', 'nul\0', 'ümlaut', 'x'.repeat(501)]) await expect(accounts.setProviderKey(bob.id, 'openai', key)).rejects.toMatchObject({ code: 'validation_failed' });
      for (const provider of ['', 'Open AI', '../x', 'x'.repeat(65), 'nul\0']) {
        await expect(accounts.setProviderKey(bob.id, provider, 'sk-1')).rejects.toMatchObject({ code: 'invalid_request' });
        expect(await accounts.providerKey(bob.id, provider)).toBeNull();
        expect(await accounts.removeProviderKey(bob.id, provider)).toBe(false);
      }
      for (let count = 0; count < 50; count += 1) await accounts.setProviderKey(bob.id, `server-${count}`, 'sk-1');
      await expect(accounts.setProviderKey(bob.id, 'one-more', 'sk-1')).rejects.toMatchObject({ code: 'conflict' });
      await accounts.setProviderKey(bob.id, 'server-7', 'sk-2');
    });
  });
});
