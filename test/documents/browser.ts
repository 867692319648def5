import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';

const emptyPage = '<!doctype html><title>A client</title>';

/** Whether this machine has a browser. */
export const hasBrowser = Boolean(process.env['CHROMIUM_PATH']);

/** A browser for which the address of a document is that of the server under test. */
export interface DocumentBrowser {
  /** An empty page that stands at an address of its own, as a client that somebody else serves. */
  elsewhere(): Promise<Page>;
  /** An empty page of another server of this very machine, under the machine's own name. */
  nextDoor(): Promise<Page>;
  /** An empty page at the server itself: relative addresses of a listing mean the server. */
  atServer(): Promise<Page>;
  close(): Promise<void>;
}

/** @param documented host and port as the document prints them, such as `localhost:8000` */
export async function startDocumentBrowser(url: string, documented: string): Promise<DocumentBrowser> {
  const browser: Browser = await chromium.launch({
    executablePath: process.env['CHROMIUM_PATH']!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run',
      // A page that a test fulfils counts as one of the internet, which may not reach this machine.
      '--disable-features=LocalNetworkAccessChecks', `--host-resolver-rules=MAP ${documented} ${new URL(url).host}`],
  });
  const host = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end(emptyPage));
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  const newPage = async (address: string): Promise<Page> => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(address);
    return page;
  };
  return {
    elsewhere: () => newPage(`http://127.0.0.1:${(host.address() as AddressInfo).port}/`),
    nextDoor: () => newPage(`http://localhost:${(host.address() as AddressInfo).port}/`),
    async atServer() {
      const page = await (await browser.newContext()).newPage();
      // A page of a client of one's own that a proxy serves beside the server: without the policy of Parley's own page.
      await page.route(`${url}/client`, (route) => route.fulfill({ contentType: 'text/html', body: emptyPage }));
      await page.goto(`${url}/client`);
      return page;
    },
    async close() {
      await browser.close();
      await new Promise((resolve) => host.close(resolve));
    },
  };
}
