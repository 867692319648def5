import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openServer, type OneServer } from './one-server.ts';
import { modelId } from './upstream.ts';

describe('A model service that dies in the middle of an answer', () => {
  let folder: string;
  let server: OneServer;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-upstream-'));
    server = await openServer(folder);
    server.upstream.pace(5);
  });
  afterEach(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it('ends the answer FAILED with a message that helps and the text so far; the next one is whole again', async () => {
    const chatId = await server.makeChat();
    const answer = await server.send(chatId, 'q1 what comes next?');
    let seen = '';
    await server.follow(chatId, answer.id, (text) => (seen = text).length > 10);
    server.upstream.breakOff(true);
    const ended = await server.follow(chatId, answer.id);
    expect(ended).toMatchObject({ status: 'FAILED', error: { code: 'provider_error', message: expect.stringContaining('before the answer was complete') } });
    expect(ended!.content.startsWith(seen)).toBe(true);
    expect(server.upstream.answers.get(1)!.text.startsWith(ended!.content)).toBe(true);
    // Something was said already: it is not asked again behind the reader's back.
    expect(server.upstream.answers.size).toBe(1);

    server.upstream.breakOff(false);
    const next = await server.send(chatId, 'q2 and now?');
    expect(await server.follow(chatId, next.id)).toMatchObject({ status: 'DELIVERED', content: server.upstream.answers.get(2)!.text });
  });

  it('is told inside the stream of the OpenAI dialect, which then has no [DONE]', async () => {
    server.upstream.breakOff(true);
    const broken = await server.complete('q1 what comes next?');
    expect(broken).toMatchObject({ done: false, error: { type: 'server_error', code: 'provider_error', message: expect.stringContaining('before the answer was complete') } });
    expect(broken.text.length).toBeGreaterThan(0);
    expect(server.upstream.answers.get(1)!.text.startsWith(broken.text)).toBe(true);

    server.upstream.breakOff(false);
    const whole = await server.complete('q2 and now?');
    expect(whole).toEqual({ text: server.upstream.answers.get(2)!.text, error: null, done: true });
  });

  it('and is gone for good is a clear error in each form, and what was asked is kept', async () => {
    await server.upstream.close();
    const chatId = await server.makeChat();
    const answer = await server.send(chatId, 'q1 is anybody there?');
    expect(await server.follow(chatId, answer.id)).toMatchObject({ status: 'FAILED', content: '', error: { code: 'provider_unavailable' } });
    const whole = await server.ask('POST', '/v1/chat/completions', { model: modelId, store: true, messages: [{ role: 'user', content: 'q2 and here?' }] });
    expect(whole).toMatchObject({ status: 503, body: { error: { type: 'server_error', code: 'provider_unavailable' } } });
    const history = await server.ask('GET', `/api/v1/chat/chats/${chatId}`);
    expect(history.body).toMatchObject({ messages: [{ content: 'q1 is anybody there?', status: 'DELIVERED' }, { status: 'FAILED' }] });
  });
});
