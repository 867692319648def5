import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSecrets, SecretsError } from './secrets.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-secrets-'));
  file = join(folder, 'secrets.json');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the file', () => {
  it('is made at the first start with random keys, readable only by its owner, and leaves no draft', () => {
    const dataDir = join(folder, 'fresh');
    openSecrets(dataDir);
    expect(readdirSync(dataDir)).toEqual(['secrets.json']);
    expect(statSync(join(dataDir, 'secrets.json')).mode & 0o777).toBe(0o600);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);

    const other = mkdtempSync(join(folder, 'other-'));
    expect(openSecrets(other).signingKeys().current.key).not.toEqual(openSecrets(dataDir).signingKeys().current.key);
  });

  it('is the same at the second start', () => {
    const cipher = openSecrets(folder).encrypt('sk-1', 'here');
    expect(openSecrets(folder).decrypt(cipher, 'here')).toBe('sk-1');
  });

  it.each([0o640, 0o604, 0o660, 0o666])('is refused with mode %o, because others could have read it', (mode) => {
    openSecrets(folder);
    chmodSync(file, mode);
    expect(() => openSecrets(folder)).toThrow(/chmod 600/);
    chmodSync(file, 0o600);
    expect(() => openSecrets(folder)).not.toThrow();
  });

  it.each([
    ['no JSON', '{"version":1,'],
    ['nothing', ''],
    ['another version', '{"version":2,"encryption":[],"signing":[]}'],
    ['no keys', '{"version":1,"encryption":[],"signing":[]}'],
    ['a short key', '{"version":1,"encryption":[{"id":"a","key":"c2hvcnQ"}],"signing":[{"id":"a","key":"c2hvcnQ"}]}'],
  ])('is refused, kept and not quoted when it holds %s', (_, text) => {
    writeFileSync(file, text, { mode: 0o600 });
    expect(() => openSecrets(folder)).toThrow(SecretsError);
    expect(() => openSecrets(folder)).not.toThrow(/c2hvcnQ/);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('names the path when the folder cannot be used', () => {
    writeFileSync(join(folder, 'occupied'), '');
    expect(() => openSecrets(join(folder, 'occupied'))).toThrow(/occupied/);
  });

  it('is made once when several processes start at the same moment', () => {
    const script = `
      import { openSecrets } from ${JSON.stringify(join(import.meta.dirname, 'secrets.ts'))};
      process.stdout.write(openSecrets(${JSON.stringify(folder)}).signingKeys().current.key.toString('hex'));`;
    const shell = Array.from({ length: 4 }, () => '"$0" --input-type=module -e "$1" & ').join('');
    const run = spawnSync('sh', ['-c', `${shell} wait`, process.execPath, script], { encoding: 'utf8', timeout: 60_000 });
    const key = openSecrets(folder).signingKeys().current.key.toString('hex');
    expect(run.stdout).toBe(key.repeat(4));
    expect(readdirSync(folder)).toEqual(['secrets.json']);
  });
});

describe('encryption', () => {
  it('gives back what went in, also what is not ASCII or empty', () => {
    const secrets = openSecrets(folder);
    for (const text of ['', 'sk-abc', 'schlüssel 🔑']) expect(secrets.decrypt(secrets.encrypt(text, 'a'), 'a')).toBe(text);
  });

  it('never gives the same text twice', () => {
    const secrets = openSecrets(folder);
    expect(secrets.encrypt('same', 'a')).not.toBe(secrets.encrypt('same', 'a'));
  });

  it('refuses a text that belongs to something else', () => {
    const secrets = openSecrets(folder);
    const cipher = secrets.encrypt('sk-1', 'user:1:provider:openai');
    expect(() => secrets.decrypt(cipher, 'user:2:provider:openai')).toThrow(SecretsError);
  });

  it('refuses a text of which any part was changed, cut or is not ours', () => {
    const secrets = openSecrets(folder);
    const cipher = secrets.encrypt('sk-1', 'a');
    const [version, id, body] = cipher.split('.') as [string, string, string];
    const bytes = Buffer.from(body, 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(() => secrets.decrypt(`${version}.${id}.${changed.toString('base64url')}`, 'a')).toThrow(SecretsError);
      expect(() => secrets.decrypt(`${version}.${id}.${bytes.subarray(0, at).toString('base64url')}`, 'a')).toThrow(SecretsError);
    }
    for (const text of ['', 'sk-1', `v2.${id}.${body}`, `v1.unknown.${body}`, `v1.${id}`]) {
      expect(() => secrets.decrypt(text, 'a')).toThrow(SecretsError);
    }
  });
});

describe('rotation', () => {
  it('makes new keys, and what the old ones encrypted and signed can still be used', () => {
    const secrets = openSecrets(folder);
    const cipher = secrets.encrypt('sk-1', 'a');
    const signing = secrets.signingKeys().current;
    expect(secrets.isOutdated(cipher)).toBe(false);

    secrets.rotate();
    expect(secrets.isOutdated(cipher)).toBe(true);
    expect(secrets.isOutdated(secrets.encrypt('sk-1', 'a'))).toBe(false);
    expect(secrets.decrypt(cipher, 'a')).toBe('sk-1');
    expect(secrets.signingKeys().current.id).not.toBe(signing.id);
    expect(secrets.signingKey(signing.id)?.key).toEqual(signing.key);
    expect(statSync(file).mode & 0o777).toBe(0o600);

    const reopened = openSecrets(folder);
    expect(reopened.decrypt(cipher, 'a')).toBe('sk-1');
    expect(reopened.signingKeys().current).toEqual(secrets.signingKeys().current);
  });

  it('forgets the old signing keys when asked to, and never an encryption key', () => {
    const secrets = openSecrets(folder);
    const cipher = secrets.encrypt('sk-1', 'a');
    const signing = secrets.signingKeys().current;
    secrets.rotate({ forgetSigningKeys: true });
    expect(secrets.signingKeys().all).toHaveLength(1);
    expect(secrets.signingKey(signing.id)).toBeNull();
    expect(secrets.decrypt(cipher, 'a')).toBe('sk-1');
  });

  it('of two processes keeps the keys of both', () => {
    const one = openSecrets(folder);
    const two = openSecrets(folder);
    one.rotate();
    const cipher = one.encrypt('sk-1', 'a');
    two.rotate();
    expect(two.decrypt(cipher, 'a')).toBe('sk-1');
    expect(openSecrets(folder).signingKeys().all).toHaveLength(3);
  });

  it('by another process is noticed when a key turns up that is not known here', () => {
    const server = openSecrets(folder);
    const commandLine = openSecrets(folder);
    commandLine.rotate();
    expect(server.decrypt(commandLine.encrypt('sk-1', 'a'), 'a')).toBe('sk-1');
    expect(server.signingKey(commandLine.signingKeys().current.id)).toEqual(commandLine.signingKeys().current);
  });

  it('waits for nobody: another rotation under way is an error, an abandoned one is cleared away', () => {
    const secrets = openSecrets(folder);
    const before = readFileSync(file, 'utf8');
    writeFileSync(`${file}.new`, '');
    expect(() => secrets.rotate()).toThrow(/Another process/);
    expect(readFileSync(file, 'utf8')).toBe(before);

    utimesSync(`${file}.new`, new Date(0), new Date(0));
    secrets.rotate();
    expect(existsSync(`${file}.new`)).toBe(false);
    expect(readFileSync(file, 'utf8')).not.toBe(before);
  });

  it('leaves no draft when the file is gone', () => {
    const secrets = openSecrets(folder);
    rmSync(file);
    expect(() => secrets.rotate()).toThrow(/is gone/);
    expect(readdirSync(folder)).toEqual([]);
  });
});
