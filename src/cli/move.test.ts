import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestStorage, postgresTestUrl, type TestStorage } from '../base/storage/testing.ts';
import { createCommandLine } from './testing.ts';

const password = 'a long enough secret 1';

describe('parley move', () => {
  let folder: string;
  let dataDir: string;
  let parley: ReturnType<typeof createCommandLine>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-move-cli-'));
    dataDir = join(folder, 'data');
    parley = createCommandLine({ DATA_DIR: dataDir, OLLAMA_URLS: 'off', LOG_LEVEL: 'warn' });
  });

  afterEach(async () => {
    await parley.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    [['move'], 'Say where to'],
    [['move', '--to', 'postgres', '--from', 'postgres'], 'Say where to'],
    [['move', '--to', 'postgres'], '`postgres` stands for DATABASE_URL, and that is not set.'],
    [['move', '--to', 'nowhere'], 'An address looks like postgres://'],
    [['move', '--to', 'https://example.com/'], 'An address begins with postgres://'],
    [['move', '--to', 'postgres://127.0.0.1:9/none?password=hush'], 'Put an address with a password into DATABASE_URL'],
    [['move', '--to', 'postgres://me:hush@127.0.0.1:9/none'], 'Put an address with a password into DATABASE_URL'],
  ])('refuses %j', async (args, sentence) => {
    const { code, stdout, stderr } = await parley.run(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain('hush');
    expect(stderr).not.toContain('    at ');
  });

  it('says when there is nothing to move, and makes nothing', async () => {
    const { code, stderr } = await parley.run(['move', '--to', 'postgres://127.0.0.1:9/none']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: `parley: There is no database in ${dataDir}.\n` });
    expect(existsSync(dataDir)).toBe(false);
  });

  it('says when the server is still running', async () => {
    await parley.serve();
    const { code, stderr } = await parley.run(['move', '--to', 'postgres://127.0.0.1:9/none']);
    expect(code).toBe(1);
    expect(stderr).toContain(`Another Parley uses the data folder ${dataDir}. Stop it first`);
  });

  describe.skipIf(postgresTestUrl() === null)('with PostgreSQL', () => {
    let postgres: TestStorage;
    let address: { DATABASE_URL: string };

    beforeEach(async () => {
      postgres = await openTestStorage('postgres');
      await postgres.storage.stop();
      address = { DATABASE_URL: postgres.options.databaseUrl! };
    });
    afterEach(() => postgres.close());

    const users = async (more: Record<string, string>): Promise<string> => (await parley.run(['user', 'list'], '', more)).stdout;

    it('carries accounts and keys there and back, and looks before', async () => {
      await parley.run(['user', 'add', 'anna'], password);
      await parley.run(['key', 'add', 'openai'], 'sk-test-0123456789abcdefWXYZ');

      const look = await parley.run(['move', '--to', 'postgres', '--dry-run'], '', address);
      expect(look).toMatchObject({ code: 0, stderr: '' });
      expect(look.stdout).toMatch(/From {2}SQLite in .*\nTo {4}PostgreSQL at [^]*users +2 +0 +-\n[^]*provider_keys +1 +0 +-\n[^]*Nothing was changed/);

      const there = await parley.run(['move', '--to', 'postgres'], '', address);
      expect(there).toMatchObject({ code: 0, stderr: '' });
      expect(there.stdout).toMatch(/users +2 +0 +[0-9a-f]{16}\n[^]*counts and checksums are the same at both ends[^]*DATABASE_URL[^]*secrets\.json/);
      expect(await users(address)).toContain('anna');
      expect((await parley.run(['key', 'list'], '', address)).stdout).toContain('WXYZ');

      await parley.run(['user', 'add', 'ben'], password, address);
      expect(await parley.run(['move', '--from', 'postgres'], '', address)).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not empty \(users: 2.*--overwrite/) });
      const back = await parley.run(['move', '--from', 'postgres', '--overwrite', '--json'], '', address);
      expect(JSON.parse(back.stdout)).toMatchObject({ outcome: 'moved', same: true, kept: join(dataDir, 'parley-before-move.db') });
      expect(await users({})).toContain('ben');
    });

    it('refuses a data folder without the keys that belong to the database', async () => {
      await parley.run(['key', 'add', 'openai'], 'sk-test-0123456789abcdefWXYZ');
      const path = join(dataDir, 'secrets.json');
      const right = readFileSync(path, 'utf8');
      rmSync(path);
      const look = await parley.run(['move', '--to', 'postgres', '--dry-run'], '', address);
      expect(look).toMatchObject({ code: 1, stdout: expect.stringContaining(`- ${path} is missing: copy it`) });

      await parley.run(['user', 'list'], '', { DATA_DIR: join(folder, 'other') });
      writeFileSync(path, readFileSync(join(folder, 'other', 'secrets.json')));
      chmodSync(path, 0o600);
      expect(await parley.run(['move', '--to', 'postgres'], '', address)).toMatchObject({ code: 1, stderr: expect.stringContaining('is not the one that belongs to this database (1 kept keys') });

      writeFileSync(path, right);
      expect(await parley.run(['move', '--to', 'postgres'], '', address)).toMatchObject({ code: 0 });
    });
  });
});
