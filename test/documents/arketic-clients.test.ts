import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRequest, type Json, type TestUser } from '../../src/dialects/testing.ts';
import { startContractWorld, type ContractWorld } from '../contract/world.ts';
import { hasBrowser, startDocumentBrowser, type DocumentBrowser } from './browser.ts';
import { documents, fencedListings, filled } from './listings.ts';

const printedToken = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...';
const printedChat = '123e4567-e89b-12d3-a456-426614174000';
const run = promisify(execFile);

describe.skipIf(!documents)('The clients that the document of arketic prints', () => {
  let world: ContractWorld;
  let ann: TestUser;
  let folder: string;
  let chatId: string;
  const listings = documents === undefined ? [] : fencedListings('arketic-chat', 'bash').filter(({ code }) => code.includes('curl'));

  beforeAll(async () => {
    world = await startContractWorld();
    ann = await world.user('ann');
    chatId = await newChat();
    folder = await mkdtemp(join(tmpdir(), 'parley-curl-'));
    // The printed address is where the server of this test listens; each answer is followed by its status.
    await writeFile(join(folder, '.curlrc'), `silent\nconnect-to = "localhost:8000:127.0.0.1:${world.port}"\nwrite-out = "\\n%{http_code}\\n"\nmax-time = 30\n`);
  });
  afterAll(async () => {
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function newChat(): Promise<string> {
    return (await sendRequest(world.url, 'POST', '/api/v1/chat/chats', { as: ann, body: { title: 'Listed', ai_model: 'gpt-4' } })).json.id;
  }

  /** Runs a listing in a shell, with the token and the chat filled in; the answers of its calls, in order. */
  async function shell(code: string): Promise<{ status: number; json: Json }[]> {
    const names = { [printedToken]: ann.token, ...(code.includes(printedChat) ? { [printedChat]: chatId } : {}) };
    const { stdout } = await run('bash', ['-c', filled(code, names)], { env: { PATH: process.env['PATH'], CURL_HOME: folder }, timeout: 60_000 });
    const lines = stdout.trim().split('\n');
    return lines.flatMap((line, at) => (at % 2 === 1 ? [] : [{ status: Number(lines[at + 1]), json: JSON.parse(line) }]));
  }

  it('prints seven calls of curl', () => {
    expect(listings.flatMap(({ code }) => code.match(/^curl /gm) ?? [])).toHaveLength(7);
  });

  it.each(listings)('$heading', async ({ heading, code }) => {
    const answers = await shell(code);
    for (const answer of answers) expect(answer, heading).toMatchObject({ status: 200 });
    if (code.includes('ai-message')) {
      expect(answers[0]!.json.data.ai_response.content).toBe('Hello from the stand-in.');
      expect(answers[1]!.json).toMatchObject({ streaming: true, data: { stream_via: 'websocket' } });
    }
  });

  it.skipIf(!hasBrowser)('the WebSocket client shows messages and pieces of answers', async () => {
    const [listing] = fencedListings('arketic-chat', 'javascript');
    const browser: DocumentBrowser = await startDocumentBrowser(world.url, 'localhost:8000');
    try {
      const watched = await newChat();
      const page = await browser.elsewhere();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await page.addScriptTag({ content: 'const pieces = []; const messages = []; const appendToResponse = (piece) => pieces.push(piece); const displayMessage = (message) => messages.push(message);' });
      const code = filled(listing!.code, { your_jwt_token: ann.token, [printedChat]: watched });
      await page.addScriptTag({ content: code });
      // As printed, the ping is sent before the socket can be open: browsers refuse that, and everything before it stands.
      expect(errors.every((message) => /CONNECTING/i.test(message))).toBe(true);
      await page.waitForFunction('websocket.readyState === WebSocket.OPEN');
      await page.evaluate('void (window.pong = new Promise((resolve) => websocket.addEventListener("message", ({ data }) => { if (JSON.parse(data).type === "pong") resolve(JSON.parse(data)); })))');
      const ping = code.slice(code.indexOf('websocket.send('));
      await page.evaluate(ping);
      expect(await page.evaluate('pong')).toMatchObject({ type: 'pong' });
      await sendRequest(world.url, 'POST', `/api/v1/chat/chats/${watched}/messages`, { as: ann, body: { content: 'Hello everyone!' } });
      await page.waitForFunction('pieces.join("") === "Hello from the stand-in."');
      expect(await page.evaluate('messages.map((message) => message.content)')).toEqual(['Hello everyone!']);
    } finally {
      await browser.close();
    }
  });
});
