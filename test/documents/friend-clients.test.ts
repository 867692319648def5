import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRequest, type TestUser } from '../../src/dialects/testing.ts';
import { startContractWorld, type ContractWorld } from '../contract/world.ts';
import { hasBrowser, startDocumentBrowser, type DocumentBrowser } from './browser.ts';
import { documents, filled, wordMarkedListings } from './listings.ts';

describe.skipIf(!documents || !hasBrowser)('The clients that the document of friend prints', () => {
  let world: ContractWorld;
  let john: TestUser;
  let browser: DocumentBrowser;
  const [eventSourceListing = '', webSocketListing = ''] = documents === undefined ? [] : wordMarkedListings('ai-friend');

  beforeAll(async () => {
    world = await startContractWorld({ DEFAULT_MODEL: 'openai/gpt-4o' });
    john = await world.user('john_doe');
    browser = await startDocumentBrowser(world.url, 'localhost:8000');
  });
  afterAll(async () => {
    await browser.close();
    await world.stop();
  });

  /** What the page logs, as texts. */
  function logged(page: Page): string[] {
    const lines: string[] = [];
    page.on('console', (message) => lines.push(message.text()));
    return lines;
  }

  it('prints two of them', () => {
    expect([eventSourceListing.includes('new EventSource('), webSocketListing.includes('new WebSocket(')]).toEqual([true, true]);
  });

  it('the EventSource client gets the words and never asks again', async () => {
    const page = await browser.atServer();
    const lines = logged(page);
    const requests: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/api/chat/stream')) requests.push(request.url());
    });
    const signedIn = await page.evaluate(
      ({ username, password }) => fetch('/api/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username, password }) }).then(({ status }) => status),
      { username: john.username, password: john.password },
    );
    expect(signedIn).toBe(200);
    const asked = (): number => world.standIn.requests.filter(({ endpoint }) => endpoint === 'chat').length;
    const before = asked();
    await page.addScriptTag({ content: eventSourceListing });
    // The listing never closes: the browser comes back by itself, and is told with 204 that there is nothing more.
    await page.waitForFunction('eventSource.readyState === EventSource.CLOSED', undefined, { timeout: 30_000 });
    expect(lines.filter((line) => line.startsWith('Token:'))).toEqual(['Token: Hello', 'Token: from', 'Token: the', 'Token: stand-in.']);
    expect(asked()).toBe(before + 1);
    expect(requests.length).toBeGreaterThan(1);
    const history = await sendRequest(world.url, 'GET', '/api/chat/history', { as: john });
    expect(history.json.messages.map(({ role, content }: { role: string; content: string }) => [role, content])).toEqual([['user', 'Hello'], ['assistant', 'Hello from the stand-in.']]);
  });

  it('the WebSocket client gets its answer', async () => {
    const page = await browser.elsewhere();
    const lines = logged(page);
    await page.addScriptTag({ content: filled(webSocketListing, { '<jwt>': john.token }) });
    await expect.poll(() => lines, { timeout: 15_000 }).toContain('AI: Hello from the stand-in.');
    expect(lines).toEqual(['AI: Hello from the stand-in.']);
  });
});
