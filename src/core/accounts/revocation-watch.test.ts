import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalBus, type Bus } from '../../base/events/index.ts';
import { silentLog } from '../../base/observability/index.ts';
import { engines } from '../../base/storage/testing.ts';
import { createCredentialCache } from './credential-cache.ts';
import { createRevocationWatch, type RevocationWatch } from './revocation-watch.ts';
import { createRevocations, type Revoked } from './revocations.ts';
import { registrationOf, requestWith, startTestAccounts, type TestAccounts } from './testing.ts';
import type { Accounts, SignIn } from './types.ts';

describe.each(engines)('what another process has revoked, on %s', (engine) => {
  let test: TestAccounts;
  let commandLine: Accounts;
  let bob: SignIn;
  let keyId: string;
  let watch: RevocationWatch;
  let bus: Bus;
  let told: Revoked[];

  beforeEach(async () => {
    test = await startTestAccounts(engine);
    commandLine = test.accounts;
    await commandLine.createUser({ ...registrationOf('bob'), role: 'user' });
    bob = await commandLine.login('bob', 'bob-secret-1', requestWith());
    keyId = (await commandLine.createApiKey(bob.user.id, 'program')).id;
    test.clock.advance(1_000_000);
    // The server, which shares nothing with the command line but the rows.
    bus = createLocalBus((error) => { throw error; });
    const revocations = createRevocations(createCredentialCache(test.clock.monotonic), silentLog(), bus);
    watch = createRevocationWatch({ storage: test.database.storage, bus, clock: test.clock, log: silentLog(), revocations });
    told = [];
    revocations.onRevoked((revoked) => told.push(revoked));
  });

  afterEach(() => test.close());

  const toldNow = async () => {
    told.length = 0;
    await watch.look();
    return told;
  };
  const token = () => ({ userId: bob.user.id, credentialId: bob.tokenId });
  const key = () => ({ userId: bob.user.id, credentialId: keyId });

  it('is nothing while nothing is', async () => {
    expect(await toldNow()).toEqual([]);
  });

  it('is told once: a key', async () => {
    await commandLine.revokeApiKey(bob.user.id, keyId);
    expect(await toldNow()).toEqual([key()]);
    expect(await toldNow()).toEqual([]);
    test.clock.advance(200_000);
    expect(await toldNow()).toEqual([]);
    expect(await toldNow()).toEqual([]);
  });

  it('is told as a whole when a user was disabled', async () => {
    await commandLine.setDisabled(bob.user.id, true);
    expect(await toldNow()).toEqual(expect.arrayContaining([token(), key(), { userId: bob.user.id, credentialId: null }]));
    expect(await toldNow()).toEqual([]);
  });

  it('is told one by one when a user got another role or password, and leaves the new sign-in alone', async () => {
    await commandLine.setRole(bob.user.id, 'admin');
    const again = await commandLine.login('bob', 'bob-secret-1', requestWith());
    expect(await toldNow()).toEqual([token(), key()]);
    await commandLine.setPassword(bob.user.id, 'bob-secret-2');
    expect(await toldNow()).toEqual([{ ...token(), credentialId: again.tokenId }, key()]);
    expect(await toldNow()).toEqual([]);
  });

  it('is no key that was made after its user got another role or password', async () => {
    await commandLine.setPassword(bob.user.id, 'bob-secret-2');
    expect(await toldNow()).toEqual([token(), key()]);
    await commandLine.createApiKey(bob.user.id, 'another program');
    expect(await toldNow()).toEqual([]);
  });

  it('is found though its clock is some seconds behind, or its transaction ended late', async () => {
    test.clock.advance(30_000);
    await watch.look();
    test.clock.advance(-20_000);
    await commandLine.revokeApiKey(bob.user.id, keyId);
    test.clock.advance(25_000);
    expect(await toldNow()).toEqual([key()]);
  });

  it('is found though the clock of the other one is minutes behind', async () => {
    await watch.look();
    test.clock.advance(-600_000);
    await commandLine.revokeApiKey(bob.user.id, keyId);
    test.clock.advance(605_000);
    expect(await toldNow()).toEqual([key()]);
  });

  it('before the start is told to nobody', async () => {
    await commandLine.revokeApiKey(bob.user.id, keyId);
    await watch.start();
    expect(await toldNow()).toEqual([]);
    await commandLine.setDisabled(bob.user.id, true);
    expect(await toldNow()).toContainEqual({ userId: bob.user.id, credentialId: null });
    await watch.stop();
  });

  it('is told as soon as another instance says it, and once more by nobody', async () => {
    await watch.start();
    told.length = 0;
    bus.publish('revocations', { type: 'revoked', origin: 'another', userId: bob.user.id, credentialId: keyId });
    bus.publish('revocations', { type: 'revoked', origin: 'another', userId: 7, credentialId: keyId });
    bus.publish('revocations', { type: 'revoked', origin: 'another', userId: bob.user.id });
    expect(told).toEqual([key()]);
    await watch.stop();
  });

  it('is looked for when hints may have been missed', async () => {
    await watch.start();
    await commandLine.revokeApiKey(bob.user.id, keyId);
    bus.publish('revocations', { type: 'gap', reason: 'reconnected' });
    await vi.waitFor(() => expect(told).toEqual([key()]), { timeout: 3000 });
    await watch.stop();
  });

  it('reaches whoever listens at a running server within five seconds', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const server = await test.restart();
      const heard = new Promise<Revoked>((resolve) => server.onRevoked(resolve));
      await commandLine.revokeApiKey(bob.user.id, keyId);
      vi.advanceTimersByTime(5000);
      expect(await heard).toEqual(key());
      await server.stop?.();
    } finally {
      vi.useRealTimers();
    }
  });
});
