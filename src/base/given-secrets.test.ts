import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFromGivenKey, withGivenSecrets } from './given-secrets.ts';
import { openSecrets, SecretsError, type Secrets } from './secrets.ts';

const none = { sessionSecret: null, encryptionKey: null, encryptionKeyBefore: null };
const [one, other] = ['one secret of more than 32 characters', 'another secret of more than 32 characters'];

describe('Secrets with those of the settings', () => {
  let folder: string;
  let file: Secrets;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-given-'));
    file = openSecrets(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('are those of the file where nothing is set', () => {
    expect(withGivenSecrets(file, none)).toBe(file);
  });

  it('encrypt with the given key, and still read what the file encrypted', () => {
    const before = file.encrypt('kept', 'row 1');
    const given = withGivenSecrets(file, { ...none, encryptionKey: one });
    const cipher = given.encrypt('kept', 'row 1');
    expect(isFromGivenKey(cipher)).toBe(true);
    expect(isFromGivenKey(before)).toBe(false);
    expect(given.encrypt('kept', 'row 1')).not.toBe(cipher);
    expect([given.decrypt(cipher, 'row 1'), given.decrypt(before, 'row 1')]).toEqual(['kept', 'kept']);
    expect([given.isOutdated(cipher), given.isOutdated(before)]).toEqual([false, true]);
    expect(() => given.decrypt(cipher, 'row 2')).toThrow(SecretsError);
    expect(cipher).not.toContain(one);
  });

  it('read nothing that another given key encrypted', () => {
    const cipher = withGivenSecrets(file, { ...none, encryptionKey: one }).encrypt('kept', 'row 1');
    for (const wrong of [file, withGivenSecrets(file, { ...none, encryptionKey: other }), withGivenSecrets(file, { ...none, sessionSecret: one })]) {
      expect(wrong.holdsKeyOf(cipher)).toBe(false);
      expect(() => wrong.decrypt(cipher, 'row 1')).toThrow(SecretsError);
    }
  });

  it('read with the key of before, and encrypt with the new one or that of the file', () => {
    const cipher = withGivenSecrets(file, { ...none, encryptionKey: one }).encrypt('kept', 'row 1');
    const changed = withGivenSecrets(file, { ...none, encryptionKey: other, encryptionKeyBefore: one });
    expect(changed.decrypt(cipher, 'row 1')).toBe('kept');
    expect(changed.isOutdated(cipher)).toBe(true);
    expect(changed.isOutdated(changed.encrypt('kept', 'row 1'))).toBe(false);
    const left = withGivenSecrets(file, { ...none, encryptionKeyBefore: one });
    expect(left.isOutdated(cipher)).toBe(true);
    expect(isFromGivenKey(left.encrypt(left.decrypt(cipher, 'row 1'), 'row 1'))).toBe(false);
  });

  it('sign with the session secret alone, the same in every process', () => {
    const given = withGivenSecrets(file, { ...none, sessionSecret: one });
    const again = withGivenSecrets(openSecrets(folder), { ...none, sessionSecret: one });
    const { current, all } = given.signingKeys();
    expect(all).toEqual([current]);
    expect(again.signingKeys().current).toEqual(current);
    expect(given.signingKey(current.id)).toEqual(current);
    expect(given.signingKey(file.signingKeys().current.id)).toBeNull();
    expect(withGivenSecrets(file, { ...none, sessionSecret: other }).signingKey(current.id)).toBeNull();
  });

  it('derive different keys for different uses, and names that give nothing away', () => {
    const given = withGivenSecrets(file, { ...none, sessionSecret: one, encryptionKey: one });
    const { id } = given.signingKeys().current;
    expect(given.encrypt('text', 'row').split('.')[1]).not.toBe(id);
    expect(id).toMatch(/^env-[\w-]{12}$/);
  });

  it('cannot end sign-ins by new keys in the file', () => {
    const given = withGivenSecrets(file, { ...none, sessionSecret: one });
    expect(() => given.rotate({ forgetSigningKeys: true })).toThrow(/SESSION_SECRET/);
    const marks = file.marks();
    given.rotate();
    expect(given.marks()).toHaveLength(marks.length + 1);
    withGivenSecrets(file, { ...none, encryptionKey: one }).rotate({ forgetSigningKeys: true });
  });
});
