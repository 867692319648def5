import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalBus, type Bus } from '../../base/events/index.ts';
import { silentLog } from '../../base/observability/index.ts';
import { openSecrets, type Secrets } from '../../base/secrets.ts';
import { engines, openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import { createSecretsGuard, type SecretsGuard } from './secrets-guard.ts';

describe.each(engines)('the secrets of several instances, on %s', (engine) => {
  let database: TestStorage;
  let bus: Bus;
  let folders: string[];
  let guards: SecretsGuard[];
  beforeEach(async () => {
    [database, folders, guards] = [await openTestStorage(engine), [], []];
    bus = createLocalBus((error) => { throw error; });
  });
  afterEach(async () => {
    for (const guard of guards) await guard.stop();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    await database.close();
  });

  /** An instance on a machine of its own, with a copy of the secrets of another one or with new ones. */
  function instance(from?: Secrets): { secrets: Secrets; guard: SecretsGuard } {
    const folder = mkdtempSync(join(tmpdir(), 'parley-secrets-'));
    folders.push(folder);
    if (from) copyFileSync(from.path, join(folder, 'secrets.json'));
    return guarded(openSecrets(folder));
  }
  function guarded(secrets: Secrets, log = silentLog()): { secrets: Secrets; guard: SecretsGuard } {
    const guard = createSecretsGuard({ storage: database.storage, secrets, bus, log });
    guards.push(guard);
    return { secrets, guard };
  }
  const stored = async (): Promise<string> =>
    (await database.storage.read.selectFrom('settings').select('value').where('key', '=', 'secret_marks').executeTakeFirstOrThrow()).value;

  it('are those of the first one, and the database learns no key', async () => {
    const first = instance();
    await first.guard.start();
    await instance(first.secrets).guard.start();
    const { key } = first.secrets.signingKeys().current;
    expect(await stored()).not.toContain(key.toString('base64url'));
    expect(JSON.parse(await stored())).toEqual(first.secrets.marks());
  });

  if (engine === 'postgres') it('are refused when they are others, also when two start for the first time at once', async () => {
    const [one, other] = [instance(), instance()];
    const results = await Promise.allSettled([one.guard.start(), other.guard.start()]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = results[0]!.status === 'rejected' ? one : other;
    await expect(refused.guard.start()).rejects.toThrow(/are not those of this database.*SECRETS_FILE.*parley secrets accept/s);
    // The operator says that there are no others any more.
    await refused.guard.record();
    await refused.guard.start();
  });

  if (engine === 'postgres') it('are refused when they are older than a rotation, and taken when they are newer than the database knows', async () => {
    const first = instance();
    await first.guard.start();
    const stale = instance(first.secrets);
    first.secrets.rotate({ forgetSigningKeys: true });
    const copied = instance(first.secrets);
    await copied.guard.start();
    await expect(stale.guard.start()).rejects.toThrow(/were rotated, and .*secrets\.json has not got the new keys/);
  });

  it('that were rotated reach a running instance on the same file at once, and by themselves when the hint is lost', async () => {
    const first = instance();
    await first.guard.start();
    const running = guarded(openSecrets('unused', first.secrets.path));
    await running.guard.start();
    first.secrets.rotate();
    await first.guard.record();
    await vi.waitFor(() => expect(running.secrets.signingKeys().current.id).toBe(first.secrets.signingKeys().current.id), { timeout: 5000 });
    expect(running.secrets.isOutdated(first.secrets.encrypt('text', 'of'))).toBe(false);

    await running.guard.stop();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const alone = guarded(openSecrets('unused', first.secrets.path));
      await alone.guard.start();
      first.secrets.rotate();
      vi.advanceTimersByTime(10_000);
      await alone.guard.stop();
      expect(alone.secrets.marks()).toEqual(first.secrets.marks());
    } finally {
      vi.useRealTimers();
    }
  });

  if (engine === 'postgres') it('that are behind are said once in the log of a running instance, which needs no restart for the new ones', async () => {
    const first = instance();
    await first.guard.start();
    const log = silentLog();
    const said = vi.spyOn(log, 'error');
    const folder = mkdtempSync(join(tmpdir(), 'parley-secrets-'));
    folders.push(folder);
    copyFileSync(first.secrets.path, join(folder, 'secrets.json'));
    const running = guarded(openSecrets(folder), log);
    await running.guard.start();
    first.secrets.rotate();
    await first.guard.record();
    await vi.waitFor(() => expect(said.mock.calls).toEqual([[{ problem: expect.stringMatching(/has not got the new keys.*without a restart/) }, expect.any(String)]]), { timeout: 5000 });
    copyFileSync(first.secrets.path, running.secrets.path);
    bus.publish('secrets', { type: 'gap', reason: 'reconnected' });
    await vi.waitFor(() => expect(running.secrets.marks()).toEqual(first.secrets.marks()), { timeout: 5000 });
    expect(said).toHaveBeenCalledTimes(1);
  });

  it('that are lost are replaced where the database is in the same folder', async () => {
    await instance().guard.start();
    const replaced = instance().guard.start();
    if (engine === 'sqlite') await replaced;
    else await expect(replaced).rejects.toThrow(/not those of this database/);
  });
});
