import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRequest, type TestUser } from '../../src/dialects/testing.ts';
import { startContractWorld, type ContractWorld } from '../contract/world.ts';
import { hasBrowser, startDocumentBrowser, type DocumentBrowser } from './browser.ts';
import { documents, fencedListings, filled } from './listings.ts';

const printedId = 'conversation-uuid';

describe.skipIf(!documents || !hasBrowser)('The clients that the document of studio prints', () => {
  let world: ContractWorld;
  let ann: TestUser;
  let browser: DocumentBrowser;
  const listings = documents === undefined ? [] : fencedListings('autogent-studio', 'javascript');
  const events = listings.slice(0, 5).map(({ code }) => code);
  const whole = listings[5]?.code ?? '';

  beforeAll(async () => {
    world = await startContractWorld();
    ann = await world.user('ann');
    browser = await startDocumentBrowser(world.url, 'localhost:8000');
  });
  afterAll(async () => {
    await browser.close();
    await world.stop();
  });

  async function newConversation(): Promise<string> {
    const { status, json } = await sendRequest(world.url, 'POST', '/api/chat/conversations', { as: ann, body: { title: 'Talk', model_provider: 'openai', model_name: 'gpt-4o' } });
    expect(status).toBe(201);
    return json.id;
  }

  /** A page of the server's own, signed in, with the client of Socket.IO that the listings expect, and the names they leave open. */
  async function openPage(): Promise<Page> {
    const page = await browser.atServer();
    await page.evaluate(
      ({ username, password }) => fetch('/api/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username, password }) }).then(() => undefined),
      { username: ann.username, password: ann.password },
    );
    await page.addScriptTag({ url: '/socket.io/socket.io.js' });
    await page.addScriptTag({ content: 'const shown = []; const typing = []; const displayMessage = (content) => shown.push(content); const showTypingIndicator = (user) => typing.push(user);' });
    return page;
  }

  /** Runs a listing in a page; a name it declares stays known there. */
  const run = (page: Page, code: string): Promise<unknown> => page.addScriptTag({ content: code });
  const joined = (page: Page, id: string): Promise<void> =>
    page.waitForFunction(`new Promise((resolve) => socket.emit('join_conversation', { conversation_id: '${id}' }, (answer) => resolve(answer.ok)))`).then(() => undefined);

  it('prints five pieces and one whole client', () => {
    expect(listings).toHaveLength(6);
    expect(whole).toContain('const socket = io();');
  });

  it('the whole client sends, shows the answer, and sees who types', async () => {
    const id = await newConversation();
    const [one, two] = [await openPage(), await openPage()];
    for (const page of [one, two]) {
      await run(page, filled(whole, { [printedId]: id }));
      await joined(page, id);
    }
    await one.evaluate('sendMessage("Hello AI!")');
    for (const page of [one, two]) {
      await page.waitForFunction('shown.length > 0');
      expect(await page.evaluate('shown')).toEqual(['Hello from the stand-in.']);
    }
    await one.evaluate('sendTypingIndicator(true)');
    await two.waitForFunction('typing.length > 0');
    expect(await two.evaluate('typing')).toEqual([ann.userId]);
    expect(await one.evaluate('typing')).toEqual([]);
    const { json } = await sendRequest(world.url, 'GET', `/api/chat/conversations/${id}/messages`, { as: ann });
    expect(json.map(({ role, content }: { role: string; content: string }) => [role, content])).toEqual([['user', 'Hello AI!'], ['assistant', 'Hello from the stand-in.']]);
  });

  it('each event as printed: join, send, hear, type, leave', async () => {
    const id = await newConversation();
    const [one, two] = [await openPage(), await openPage()];
    const [join, leave, send, hear, type] = events.map((code) => (code.includes(printedId) ? filled(code, { [printedId]: id }) : code));
    const lines: string[] = [];
    one.on('console', (message) => lines.push(message.text()));
    for (const page of [one, two]) {
      await run(page, 'const socket = io();');
      await run(page, join!);
      await joined(page, id);
    }
    await run(one, hear!);
    await run(one, type!);
    await expect.poll(() => lines).toEqual([]);
    await run(two, type!);
    await expect.poll(() => lines).toContain(`User is typing: ${ann.userId}`);
    await run(one, send!);
    await expect.poll(() => lines.filter((line) => line.startsWith('New message:')), { timeout: 15_000 }).toEqual(['New message: Hello AI!', 'New message: Hello from the stand-in.']);
    await run(one, leave!);
    await one.evaluate('new Promise((resolve) => socket.emit("leave_conversation", { conversation_id: "none" }, resolve))');
    await sendRequest(world.url, 'POST', `/api/chat/conversations/${id}/messages`, { as: ann, body: { content: 'Nobody there?' } });
    await one.evaluate('new Promise((resolve) => socket.emit("leave_conversation", { conversation_id: "none" }, resolve))');
    expect(lines.filter((line) => line.startsWith('New message:'))).toHaveLength(2);
  });
});
