import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { startStandIn, type StandIn } from '../stand-in/index.ts';

/** Whether this machine has a browser for the suites of this folder. */
export const hasBrowser = Boolean(process.env.CHROMIUM_PATH);

/** The model that the stand-in offers, as the page names it. */
export const standInModel = 'stand-in/demo';

export interface WorldOptions {
  /** More settings of the server; DEFAULT_MODEL empty leaves the built-in responder as the default. */
  settings?: Record<string, string>;
}

/** A server with its own data folder, a model service beside it, and a browser. */
export interface World {
  /** Address of the page, without a slash at its end. */
  readonly url: string;
  readonly standIn: StandIn;
  readonly dataDir: string;
  /** The running server; another one after `restart`. */
  parts(): Parts;
  /** A page of a browser that knows nothing yet; `path` is opened in it. */
  open(path?: string, options?: BrowserContextOptions): Promise<Page>;
  /** A page of somebody with an account of that name, which is made the first time. The first one of a server is its owner. */
  openAs(username: string, path?: string, options?: BrowserContextOptions): Promise<Page>;
  /** A further tab of the same browser. */
  tab(page: Page, path: string): Promise<Page>;
  stopServer(): Promise<void>;
  /** Starts the server anew, on the same port and data. */
  startServer(): Promise<void>;
  /** What browsers complained of since the last call: errors of scripts and of the policy, requests to elsewhere. */
  complaints(): string[];
  close(): Promise<void>;
}

const browserArguments = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];

export async function startWorld({ settings = {} }: WorldOptions = {}): Promise<World> {
  if (!existsSync(fileURLToPath(new URL('../../web/dist/index.html', import.meta.url)))) {
    throw new Error('The page is not built. Run the tests with `npm test`, or build it: npx vite build web');
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-page-'));
  const standIn = await startStandIn({ models: ['demo'] });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH!, args: browserArguments });
  const environment = {
    PORT: '0', DATA_DIR: dataDir, OLLAMA_URLS: 'off', LOG_LEVEL: 'silent', DRAIN_SECONDS: '0', DEFAULT_MODEL: standInModel,
    COMPATIBLE_SERVERS: `stand-in=${standIn.url}/v1`, ...settings,
  };
  let parts = createParts(readConfig(environment));
  await parts.start();
  const { port } = parts.http.addresses()[0]!;
  const url = `http://localhost:${port}`;
  const complaints: string[] = [];
  return {
    url,
    standIn,
    dataDir,
    parts: () => parts,
    async open(path = '/', options = {}) {
      return openPage(browser, url, path, options, complaints);
    },
    async openAs(username, path = '/', options = {}) {
      return openPage(browser, url, path, options, complaints, username);
    },
    async tab(page, path) {
      const tab = await page.context().newPage();
      listen(tab, url, complaints);
      await tab.goto(url + path);
      return tab;
    },
    stopServer: () => parts.stop(),
    async startServer() {
      parts = createParts(readConfig({ ...environment, PORT: String(port) }));
      await parts.start();
    },
    complaints: () => complaints.splice(0),
    async close() {
      await browser.close();
      await parts.stop();
      await standIn.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function openPage(browser: Browser, url: string, path: string, options: BrowserContextOptions, complaints: string[], username?: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  context.setDefaultTimeout(15_000);
  if (username !== undefined) await signIn(context, url, username);
  const page = await context.newPage();
  listen(page, url, complaints);
  await page.goto(url + path);
  return page;
}

async function signIn(context: BrowserContext, url: string, username: string): Promise<void> {
  const password = `the password of ${username}`;
  const made = await context.request.post(`${url}/api/auth/register`, { data: { username, password, name: username, email: `${username}@example.org` } });
  if (made.ok()) return;
  const entered = await context.request.post(`${url}/api/auth/login`, { data: { username, password } });
  if (!entered.ok()) throw new Error(`${username} cannot sign in: ${await entered.text()}`);
}

/** Writes down what a page should not do. Answers with an error status are part of life and not counted. */
function listen(page: Page, url: string, complaints: string[]): void {
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource') && !/WebSocket connection to .* failed/.test(message.text())) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`)) complaints.push(`request to ${request.url()}`);
  });
}

/** The message field of a page. */
export const field = (page: Page): Locator => page.getByRole('textbox', { name: 'Message' });

/** Writes a message and sends it. */
export async function say(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await field(page).press('Enter');
}

/** Answers shown, in order; of one state if given. */
export function answers(page: Page, status?: string): Locator {
  return page.locator(status ? `[data-type="AI"][data-status="${status}"]` : '[data-type="AI"]');
}

/** Waits for the last answer to hold a text. */
export async function answerWith(page: Page, text: string): Promise<Locator> {
  const answer = answers(page).filter({ hasText: text }).last();
  await answer.waitFor();
  return answer;
}

/** Opens a new page, says something, and waits until the answer is complete. Returns the page. */
export async function openedChat(world: World, question: string, answer: string): Promise<Page> {
  world.standIn.next({ pieces: [answer] });
  const page = await world.open();
  await say(page, question);
  await answers(page, 'DELIVERED').filter({ hasText: answer }).waitFor();
  return page;
}

/** Looks again and again, for ten seconds, until what is seen is as expected: a busy machine is slow. */
export function eventually<Seen>(look: () => Seen | Promise<Seen>) {
  return expect.poll(look, { timeout: 10_000 });
}

export interface GivenFile {
  /** Selector of the element that gets it. */
  target: string;
  kind: 'drop' | 'paste';
  name: string;
  type: string;
  content: Buffer;
}

/** Drops or pastes a file, as a person does from elsewhere on the machine. */
export async function transferFile(page: Page, { content, ...given }: GivenFile): Promise<void> {
  await page.locator(given.target).waitFor();
  await page.evaluate(`((given) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(given.base64), (character) => character.charCodeAt(0))], given.name, { type: given.type }));
    const options = { bubbles: true, cancelable: true };
    document.querySelector(given.target).dispatchEvent(
      given.kind === 'drop' ? new DragEvent('drop', { dataTransfer: transfer, ...options }) : new ClipboardEvent('paste', { clipboardData: transfer, ...options }),
    );
  })(${JSON.stringify({ ...given, base64: content.toString('base64') })})`);
}
