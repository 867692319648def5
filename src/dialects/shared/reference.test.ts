import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing.ts';

/** Method and path of each operation in sight: an expression for the browser. */
const shown = `[...document.querySelectorAll('.opblock-summary')].map((line) =>
  line.querySelector('.opblock-summary-method').textContent + ' ' + line.querySelector('.opblock-summary-path').dataset.path)`;

const executablePath = process.env['CHROMIUM_PATH'];

describe.skipIf(!executablePath)('The API reference in a browser', () => {
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    server = await startTestServer();
    browser = await chromium.launch({ executablePath: executablePath! });
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  it('shows every route, under its policy, and asks no other host', { timeout: 60_000 }, async () => {
    const page = await browser.newPage();
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).host));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${server.url}/docs`);
    await page.getByText('/v1/chat/completions').first().waitFor();
    const { json } = await server.request('GET', '/docs/json');
    const operations = Object.entries<object>(json.paths).flatMap(([path, methods]) => Object.keys(methods).filter((method) => method !== 'head').map((method) => `${method.toUpperCase()} ${path}`));
    // Of a long list the page draws what is in sight.
    const seen = new Set<string>();
    await expect.poll(async () => {
      for (const operation of await page.evaluate<string[]>(shown)) seen.add(operation);
      await page.evaluate('scrollBy(0, innerHeight / 2); if (scrollY + innerHeight >= document.documentElement.scrollHeight - 1) scrollTo(0, 0)');
      return operations.filter((operation) => !seen.has(operation));
    }, { timeout: 18_000, interval: 30 }).toEqual([]);
    expect(new Set(asked.filter((host) => host !== ''))).toEqual(new Set([`127.0.0.1:${server.port}`]));
    expect(complaints).toEqual([]);
  });
});
