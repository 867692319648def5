import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer, type TestUser } from '../testing.ts';

const executablePath = process.env['CHROMIUM_PATH'];

describe.skipIf(!executablePath)('An EventSource of a browser', { timeout: 60_000 }, () => {
  let server: TestServer;
  let browser: Browser;
  let ann: TestUser;
  beforeAll(async () => {
    server = await startTestServer();
    ann = await server.user('ann');
    browser = await chromium.launch({ executablePath: executablePath! });
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  it('that never closes, because it does not know the last event, sends its message once', async () => {
    const page = await browser.newPage();
    const answers: number[] = [];
    page.on('response', (response) => response.url().includes('/api/chat/stream') && answers.push(response.status()));
    await page.goto(`${server.url}/docs`);
    server.models.answerWith(["That's ", 'wonderful ', 'to ', 'hear!']);
    const told = await page.evaluate(
      (address) =>
        new Promise<string[]>((resolve) => {
          const words: string[] = [];
          const source = new EventSource(address);
          source.onmessage = ({ data }) => words.push(data as string);
          source.onerror = () => source.readyState === EventSource.CLOSED && resolve(words);
        }),
      `/api/chat/stream?message=Hello&token=${ann.token}`,
    );
    expect(told).toEqual(["That's", 'wonderful', 'to', 'hear!']);
    expect(answers).toEqual([200, 204]);
    expect(server.models.calls).toHaveLength(1);
    const history = await server.request('GET', '/api/chat/history', { as: ann });
    expect(history.json.messages.map(({ content }: { content: string }) => content)).toEqual(['Hello', "That's wonderful to hear!"]);
    await page.close();
  });

  it('is not spoken for by the cookie of whoever visits a foreign page', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/docs`);
    await page.evaluate((body) => fetch('/api/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body }), JSON.stringify({ username: 'ann', password: ann.password }));
    const count = async (): Promise<number> => (await server.request('GET', '/api/chat/history', { as: ann })).json.stats.message_count;
    const before = await count();
    // Another port of the same machine is the same site: its cookies are sent, and no Origin with a picture.
    const foreign = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><img src="${server.url}/api/chat/stream?message=Hello" alt="">`);
    });
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    try {
      await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
    } finally {
      foreign.closeAllConnections();
      foreign.close();
    }
    // The browser keeps what comes from the page that asked for it, so the server says what it answered.
    const { values } = await server.parts.metrics.httpRequests.get();
    expect(values.filter(({ labels }) => labels.route === '/api/chat/stream' && labels.status === '403')).toMatchObject([{ value: 1 }]);
    expect(await count()).toBe(before);
    await page.close();
  });
});
