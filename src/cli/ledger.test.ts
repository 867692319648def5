import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '../base/observability/index.ts';
import { createLedger, type SealedTranscript } from '../features/ledger/index.ts';
import { readConfig } from '../config.ts';
import { createCore } from '../parts.ts';
import { createCommandLine } from './testing.ts';

let folder: string;
let settings: Record<string, string>;
let parley: ReturnType<typeof createCommandLine>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-ledger-'));
  settings = { DATA_DIR: join(folder, 'data'), OLLAMA_URLS: 'off', LOG_LEVEL: 'warn' };
  parley = createCommandLine(settings);
});
afterEach(async () => {
  await parley.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Seals transcripts as a server does. */
async function seal(count: number): Promise<SealedTranscript[]> {
  const core = createCore(readConfig({ ...process.env, ...settings }), { log: silentLog() });
  const ledger = createLedger({ ...core, settings: { hedera: null } });
  for (const part of [core.storage, core.accounts, ledger]) await part.start?.();
  try {
    const { id: ownerId } = await core.accounts.owner();
    const sealed: SealedTranscript[] = [];
    for (let index = 0; index < count; index += 1) {
      const startedAt = Date.now();
      const messages = ['Where to?', 'To the sea.', 'Agreed.'].map((text, at) => ({ id: `m${at + 1}`, from: `0.0.${at}`, text, sentAt: startedAt }));
      sealed.push(await ledger.seal({ id: `session-${index}`, ownerId, startedAt, endedAt: startedAt, metadata: {}, messages }));
    }
    return sealed;
  } finally {
    for (const part of [ledger, core.accounts, core.storage]) await part.stop?.();
  }
}

const saved = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

it('parley ledger and parley verify: written here, checked anywhere, and the altered message is named', { timeout: 120_000 }, async () => {
  await seal(3);
  const file = join(folder, 'transcript.json');
  expect(await parley.run(['ledger', 'write', 'session-1', file])).toMatchObject({ code: 0 });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await parley.run(['ledger', 'write', 'session-1', file])).toMatchObject({ code: 1, stderr: expect.stringContaining('there already') as string });
  const keys = saved('keys.json', (await parley.run(['ledger', 'keys'])).stdout);
  const witness = saved('witness.json', (await parley.run(['ledger', 'witness', '--since', '2'])).stdout);
  expect(await parley.run(['verify', file])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^VALID\n/) as string });

  // Elsewhere: another folder, no server, nothing but the file and the keys.
  const elsewhere = { DATA_DIR: join(folder, 'elsewhere') };
  expect(await parley.run(['verify', file, '--keys', keys, '--witness', witness, '--session', 'session-1'], '', elsewhere)).toMatchObject({ code: 0, stderr: '' });
  expect(existsSync(elsewhere.DATA_DIR)).toBe(false);
  expect(await parley.run(['verify', file], '', elsewhere)).toMatchObject({ code: 1, stderr: expect.stringContaining('--keys') as string });

  const altered = saved('altered.json', readFileSync(file, 'utf8').replace('To the sea.', 'To the hills.'));
  expect(await parley.run(['verify', altered, '--keys', keys], '', elsewhere)).toMatchObject({ code: 2, stdout: expect.stringMatching(/^NOT VALID: altered\nMessage 2 \(m2\) is the first/) as string });
  expect(JSON.parse((await parley.run(['verify', altered, '--keys', keys, '--json'], '', elsewhere)).stdout)).toMatchObject({ verdict: 'altered', first: { position: 2, message: 'm2' } });
  expect(await parley.run(['verify', file, '--keys', keys, '--session', 'session-2'], '', elsewhere)).toMatchObject({ code: 2, stdout: expect.stringContaining('replayed') as string });
  expect(await parley.run(['verify', saved('broken.json', '{'), '--keys', keys], '', elsewhere)).toMatchObject({ code: 2, stdout: expect.stringContaining('malformed') as string });
  expect(await parley.run(['verify', file, '--keys', keys, '--against', saved('copy.json', '{')], '', elsewhere)).toMatchObject({ code: 1, stderr: expect.stringContaining('no transcript') as string });
  const mangled = join(folder, 'mangled.json');
  writeFileSync(mangled, Buffer.concat([readFileSync(file), Buffer.of(0xff)]));
  expect(await parley.run(['verify', mangled, '--keys', keys], '', elsewhere)).toMatchObject({ code: 1, stderr: expect.stringContaining('UTF-8') as string });
  expect(await parley.run(['verify', file, '--keys', file], '', elsewhere)).toMatchObject({ code: 1, stderr: expect.stringContaining('no file of keys') as string });
  expect(await parley.run(['verify', join(folder, 'missing.json')], '', elsewhere)).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no file') as string });
});

it('parley ledger rotate, check and anchor', { timeout: 120_000 }, async () => {
  const [sealed] = await seal(1);
  expect(await parley.run(['ledger', 'check'])).toMatchObject({ code: 0, stdout: expect.stringContaining('1 entry') as string });
  expect((await parley.run(['ledger', 'rotate'])).code).toBe(0);
  const { keys } = JSON.parse((await parley.run(['ledger', 'keys'])).stdout) as { keys: { id: string; retired_at: string | null }[] };
  expect(keys.map(({ retired_at }) => retired_at !== null)).toEqual([false, true]);
  expect(keys[1]!.id).toBe(sealed!.seal.statement.key);
  const anchored = await parley.run(['ledger', 'anchor', 'session-0']);
  expect(anchored).toMatchObject({ code: 0, stdout: expect.stringContaining('log: done') as string });
  expect(anchored.stdout).toContain('read back: same');
  expect(anchored.stdout).toContain('HEDERA_ACCOUNT_ID');
  expect(await parley.run(['ledger', 'anchor', 'nothing'])).toMatchObject({ code: 1 });
  expect((await parley.run(['part', 'list'])).stdout).toContain('hedera: transcripts on the Hedera Consensus Service');
  expect(await parley.run(['part', 'install', 'warp'])).toMatchObject({ code: 1, stderr: expect.stringContaining('There are: hedera') as string });
});
