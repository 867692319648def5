import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAccounts, type TestAccounts } from './testing.ts';
import type { Viewer } from './types.ts';

describe('Credentials with which the server calls itself', () => {
  let world: TestAccounts;
  let userId: string;
  beforeAll(async () => {
    world = await startTestAccounts('sqlite');
    userId = (await world.accounts.createUser({ username: 'ann', password: 'a long enough secret', email: null, name: null, role: 'user' })).id;
  });
  afterAll(() => world.close());

  const use = (token: string): Promise<Viewer | null> =>
    world.accounts.authenticate({ headers: { authorization: `Bearer ${token}` }, method: 'POST', socket: {} }, { localTrust: false, cookie: false });

  it('act for one user, who may only chat, once', async () => {
    const { token } = world.accounts.internalCredential(userId);
    expect(await use(token)).toMatchObject({ userId, username: 'ann', role: 'user', scopes: ['chat'], via: 'call-back', credentialId: null });
    await expect(use(token)).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('end when they are revoked, after a minute, and with the user', async () => {
    const revoked = world.accounts.internalCredential(userId);
    revoked.revoke();
    await expect(use(revoked.token)).rejects.toMatchObject({ code: 'unauthorized' });
    const late = world.accounts.internalCredential(userId);
    world.clock.advance(60_000);
    await expect(use(late.token)).rejects.toMatchObject({ code: 'unauthorized' });
    const orphaned = world.accounts.internalCredential(userId);
    await world.accounts.setDisabled(userId, true);
    await expect(use(orphaned.token)).rejects.toMatchObject({ code: 'unauthorized' });
    await world.accounts.setDisabled(userId, false);
  });

  it('are known to the process alone that gave them', async () => {
    const { token } = world.accounts.internalCredential(userId);
    const other = await world.restart();
    await expect(other.authenticate({ headers: { authorization: `Bearer ${token}` }, method: 'POST', socket: {} }, { localTrust: false, cookie: false })).rejects.toMatchObject({ code: 'unauthorized' });
  });
});
