import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing.ts';

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
    const operations = Object.values<object>(json.paths).flatMap((methods) => Object.keys(methods).filter((method) => method !== 'head'));
    // Of many routes the page draws only those that are in view, and goes on to draw while it is scrolled.
    const seen = new Set<string>();
    await expect.poll(async () => {
      for (const id of await page.locator('.opblock').evaluateAll((blocks) => blocks.map((block) => block.id))) seen.add(id);
      await page.mouse.wheel(0, 500);
      return seen.size;
    }, { timeout: 30_000, interval: 30 }).toBeGreaterThanOrEqual(operations.length);
    expect(new Set(asked.filter((host) => host !== ''))).toEqual(new Set([`127.0.0.1:${server.port}`]));
    expect(complaints).toEqual([]);
  });
});
