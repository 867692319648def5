import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createCommandLine } from './testing.ts';

let folder: string;
let parley: ReturnType<typeof createCommandLine>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-transfer-'));
  parley = createCommandLine({ DATA_DIR: join(folder, 'data'), OLLAMA_URLS: 'off', LOG_LEVEL: 'warn' });
});
afterEach(async () => {
  await parley.close();
  rmSync(folder, { recursive: true, force: true });
});

it('parley import reads conversations, and parley export writes them, for one account', { timeout: 60_000 }, async () => {
  const given = join(folder, 'conversations.json');
  const node = (id: string, parent: string | null, role: string, text: string) => ({ id, parent, children: [], message: { author: { role }, create_time: 1_700_000_000, content: { content_type: 'text', parts: [text] } } });
  const talk = { conversation_id: 'c1', title: 'Old talk', create_time: 1_700_000_000, current_node: 'b', mapping: { a: node('a', null, 'user', 'Hello?'), b: node('b', 'a', 'assistant', 'Hello.') } };
  writeFileSync(given, JSON.stringify([talk, { title: 'Broken' }]));
  await parley.run(['user', 'add', 'anna'], 'a long enough secret 1\n');
  expect(await parley.run(['import', given, '--user', 'anna'])).toEqual({ code: 0, stderr: '', stdout: '1 imported (2 messages), 0 there already, 1 skipped.\n  "Broken": It has no tree of messages (`mapping`).\n' });
  expect(JSON.parse((await parley.run(['import', given, '--user', 'anna', '--json'])).stdout)).toMatchObject({ counts: { imported: 0, present: 1, skipped: 1 } });

  const file = join(folder, 'out.json');
  expect(await parley.run(['export', file, '--user', 'anna'])).toMatchObject({ code: 0, stdout: expect.stringContaining(`Saved to ${file}`) });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const written = JSON.parse(readFileSync(file, 'utf8'));
  expect(written).toMatchObject({ format: 'parley-export', exported_by: 'anna', conversations: [{ title: 'Old talk', origin: 'chatgpt', messages: [{ content: 'Hello?', sender: 'anna' }, { content: 'Hello.' }] }] });
  expect(await parley.run(['export', file, '--user', 'anna'])).toMatchObject({ code: 1, stderr: expect.stringContaining('is there already') });
  expect((await parley.run(['export', file, '--user', 'anna', '--force'])).code).toBe(0);

  // The owner has an account of the owner's own.
  expect((await parley.run(['import', file])).stdout).toBe('1 imported (2 messages), 0 there already, 0 skipped.\n');
  for (const [name, text, problem] of [['missing.json', null, 'There is no file'], ['other.json', '{"hello": []}', 'neither'], ['text.txt', 'hello', 'not a file of conversations']] as const) {
    if (text !== null) writeFileSync(join(folder, name), text);
    const refused = await parley.run(['import', join(folder, name)]);
    expect([refused.code, refused.stderr], name).toEqual([1, expect.stringContaining(problem)]);
  }
  expect((await parley.run(['export', join(folder, 'x.json'), '--user', 'nobody'])).stderr).toContain('no account named nobody');
});
