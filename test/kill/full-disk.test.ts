import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openServer, type OneServer, type WholeMessage } from './one-server.ts';
import { modelId } from './upstream.ts';

const canMount = process.platform === 'linux' && process.getuid?.() === 0;

/** Takes every byte that is left in a folder; the returned function gives them back. */
function fillDisk(folder: string): () => void {
  const path = join(folder, 'ballast');
  const file = openSync(path, 'w');
  try {
    for (const size of [65_536, 4096, 1]) {
      const block = Buffer.alloc(size);
      for (let full = false; !full;) {
        try {
          writeSync(file, block);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          full = true;
        }
      }
    }
  } finally {
    closeSync(file);
  }
  return () => unlinkSync(path);
}

describe.skipIf(!canMount)('A server whose disk is full', () => {
  let folder: string;
  let server: OneServer;
  let chatId: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', folder]);
    server = await openServer(folder);
    chatId = await server.makeChat();
  });
  afterEach(async () => {
    await server.close();
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  });

  const long = (word: string): string => `${word} ${'x'.repeat(40_000)}`;
  /** Sends messages until one is refused: the log of the database has some room of its own. */
  async function sendUntilRefused(make = long): Promise<{ status: number; body: unknown; stored: string[] }> {
    const stored: string[] = [];
    for (;;) {
      const content = make(`q${1000 + stored.length}`);
      const sent = await server.ask('POST', `/api/v1/chat/chats/${chatId}/messages`, { content, answer: false });
      if (sent.status !== 200) return { status: sent.status, body: sent.body, stored };
      stored.push(content);
    }
  }
  const history = async (): Promise<WholeMessage[]> => ((await server.ask('GET', `/api/v1/chat/chats/${chatId}?limit=1000`)).body as { messages: WholeMessage[] }).messages;
  const expectSound = (): void => {
    const database = new DatabaseSync(join(folder, 'parley.db'), { readOnly: true });
    expect(database.prepare('pragma integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    database.close();
  };

  it('says so in the form of each dialect, keeps what it has, and works again when there is room', async () => {
    const first = await server.send(chatId, 'q1 what comes next?');
    const before = await server.follow(chatId, first.id);
    expect(before?.status).toBe('DELIVERED');

    const freeDisk = fillDisk(folder);
    const { status, body, stored } = await sendUntilRefused();
    expect({ status, body }).toEqual({ status: 507, body: { detail: 'The data folder is full. Nothing was saved; free some space and try again.' } });
    const completion = await server.ask('POST', '/v1/chat/completions', { model: modelId, store: true, messages: [{ role: 'user', content: long('q2') }] });
    expect(completion).toMatchObject({ status: 507, body: { error: { message: expect.stringContaining('full'), type: 'server_error', code: 'storage_full' } } });
    // What was acknowledged can be read all the same.
    expect((await history()).map(({ content }) => content)).toEqual(['q1 what comes next?', before!.content, ...stored]);

    freeDisk();
    const answer = await server.send(chatId, 'q3 and now?');
    expect((await server.follow(chatId, answer.id))?.status).toBe('DELIVERED');
    await server.stop('SIGTERM');
    expectSound();
  });

  it('ends an answer that it cannot store any more, and keeps what was seen of it', async () => {
    server.upstream.pace(100);
    const answer = await server.send(chatId, 'q1 what comes next?');
    let seen = '';
    await server.follow(chatId, answer.id, (text) => (seen = text).length > 20);
    const freeDisk = fillDisk(folder);
    await sendUntilRefused();
    await sendUntilRefused((word) => word);
    const ending = server.follow(chatId, answer.id);
    // The model is stopped at once; the end is stored as soon as it can be.
    await server.upstream.quiet();
    freeDisk();
    const ended = await ending;
    expect(ended).toMatchObject({ status: 'FAILED', error: { code: expect.stringMatching(/^storage_(full|unavailable)$/), message: expect.stringContaining('stored') } });
    expect(ended!.content.startsWith(seen)).toBe(true);
    expect(server.upstream.answers.get(1)!.text.startsWith(ended!.content)).toBe(true);
    expect(ended!.content.length).toBeLessThan(server.upstream.answers.get(1)!.text.length);
    server.upstream.pace(null);
    const next = await server.send(chatId, 'q99 and now?');
    expect((await server.follow(chatId, next.id))?.status).toBe('DELIVERED');
    await server.stop('SIGTERM');
    expectSound();
  });

  it('starts with a clear message or not at all, and loses nothing of what it had', async () => {
    server.upstream.pace(100);
    const answer = await server.send(chatId, 'q1 what comes next?');
    let seen = '';
    await server.follow(chatId, answer.id, (text) => (seen = text).length > 20);
    const freeDisk = fillDisk(folder);
    const { stored } = await sendUntilRefused();
    await server.stop('SIGKILL');
    const started = await server.start().then(() => true, (error: Error) => error.message);
    if (started !== true) {
      expect(started).toContain('Parley cannot start');
      expect(started).toContain('full');
    }
    freeDisk();
    if (started !== true) await server.start();
    expect(await server.follow(chatId, answer.id)).toMatchObject({ content: expect.stringContaining(seen) });
    expect((await history()).map(({ content }) => content).filter((content) => content.includes('xxx'))).toEqual(stored);
    await server.stop('SIGTERM');
    expectSound();
  });
});
