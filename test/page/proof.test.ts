import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, startWorld, transferFile, type World } from './world.ts';

interface Entry {
  record: { kind: string; text?: string };
}

interface Sealed {
  entries: Entry[];
  seal: { statement: { session: string } };
}

const verdict = (page: Page, name: string) => page.locator(`[data-verdict="${name}"]`);

describe.skipIf(!hasBrowser)('Transcripts in the page', () => {
  let world: World;
  /** The file of a session of three messages, as it was downloaded. */
  let sealed: string;
  let keys: string;
  let page: Page;

  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  /** Drops a file as the transcript to be checked, in place of the one before. */
  async function drop(on: Page, text: string): Promise<void> {
    const before = on.getByRole('button', { name: 'Take away: Transcript' });
    if ((await before.count()) > 0) await before.click();
    await transferFile(on, { target: '[data-drop-zone]', kind: 'drop', name: 'transcript.json', type: 'application/json', content: Buffer.from(text) });
  }

  const changed = (change: (file: Sealed) => unknown): string => {
    const file = JSON.parse(sealed) as Sealed;
    change(file);
    return JSON.stringify(file);
  };

  it('are sealed when a session is ended, say where they are anchored, and are downloaded', async () => {
    page = await world.open('/agents');
    await page.getByRole('button', { name: /^Debate/ }).click();
    await page.getByRole('checkbox', { name: /answers$/ }).uncheck();
    for (const text of ['One.', 'Two. 🚆', 'Three.']) {
      await page.getByRole('textbox', { name: 'Message as advocate' }).fill(text);
      await page.keyboard.press('Enter');
      await page.getByRole('article').filter({ hasText: text }).waitFor();
    }
    await page.getByRole('button', { name: 'End…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
    await page.getByRole('region', { name: 'The transcript is sealed' }).waitFor();
    await page.getByRole('list', { name: 'Where it is anchored' }).getByText('This server’s log').waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download' }).click()]);
    expect(download.suggestedFilename()).toMatch(/^transcript-.*\.json$/);
    sealed = await readFile(await download.path(), 'utf8');
    keys = await (await fetch(`${world.url}/api/agent-chat/ledger/keys`)).text();
    expect((JSON.parse(sealed) as Sealed).entries.map(({ record }) => record.text ?? record.kind)).toEqual(['session', 'One.', 'Two. 🚆', 'Three.']);
  });

  it('are checked without a network, by the keys of this server', async () => {
    await page.getByRole('link', { name: 'Check a file' }).click();
    await page.getByText('By the keys of this server (1).').waitFor();
    await page.context().setOffline(true);
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    await drop(page, sealed);
    await verdict(page, 'valid').getByRole('heading', { name: 'Genuine: nothing in it was changed' }).waitFor();
    await verdict(page, 'valid').getByText('3', { exact: true }).waitFor();
    expect(requests).toEqual([]);
  });

  it.each<[string, string, number, (file: Sealed) => unknown]>([
    ['altered', 'A message was changed', 2, (file: Sealed) => (file.entries[2]!.record.text = 'Two!')],
    ['removed', 'A message was taken out', 1, (file: Sealed) => file.entries.splice(1, 1)],
    ['truncated', 'The end is missing', 3, (file: Sealed) => file.entries.pop()],
    ['added', 'A message was put in', 3, (file: Sealed) => file.entries.splice(3, 0, structuredClone(file.entries[1]!))],
    ['reordered', 'The messages stand in another order', 1, (file: Sealed) => file.entries.splice(1, 2, file.entries[2]!, file.entries[1]!)],
  ])('are %s: the page says so at its place', async (name, title, position, change) => {
    await drop(page, changed(change));
    await verdict(page, name).getByRole('heading', { name: title }).waitFor();
    const first = page.locator('[data-first]');
    expect(await first.count()).toBe(1);
    expect(await first.getAttribute('data-position')).toBe(String(position));
  });

  it('are no transcripts when they are something else', async () => {
    await drop(page, '{"hello": "world"}');
    await verdict(page, 'malformed').getByText(/This is no transcript of Parley/).waitFor();
    await drop(page, changed((file) => Object.assign(file, { entries: 7 })));
    await verdict(page, 'malformed').waitFor();
  });

  it('are compared with a second copy, which has to be of the same session', async () => {
    await drop(page, sealed);
    await page.getByText('Compare with more').click();
    await page.getByLabel('Second copy').setInputFiles({ name: 'other.json', mimeType: 'application/json', buffer: Buffer.from(sealed) });
    await verdict(page, 'valid').waitFor();
    await page.getByRole('button', { name: 'Take away: Second copy' }).click();
    const foreign = changed((file) => (file.seal.statement.session = 'another one'));
    await page.getByLabel('Second copy').setInputFiles({ name: 'other.json', mimeType: 'application/json', buffer: Buffer.from(foreign) });
    await verdict(page, 'wrong_session').getByText('The other file is of the session another one.').waitFor();
    await page.getByRole('button', { name: 'Take away: Second copy' }).click();
  });

  it('are checked by a file of keys, and by nobody’s where there is none', async () => {
    const stranger = { ...(JSON.parse(keys) as object), keys: [] };
    await page.getByLabel('File of keys').setInputFiles({ name: 'keys.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(stranger)) });
    await page.getByText('By the keys in your file (0).').waitFor();
    await verdict(page, 'unknown_key').getByRole('heading', { name: 'Signed by a key that nobody here vouches for' }).waitFor();
    await page.getByRole('button', { name: 'Take away: File of keys' }).click();
    await verdict(page, 'valid').waitFor();
    await page.getByLabel('File of keys').setInputFiles({ name: 'keys.json', mimeType: 'application/json', buffer: Buffer.from('no keys') });
    await page.getByRole('alert').filter({ hasText: 'This is no file of keys of Parley' }).waitFor();
    await page.context().setOffline(false);
  });

  it('are checked by whoever has no account, by a file of keys where the server keeps silent', async () => {
    const stranger = await world.open('/', {});
    await stranger.getByRole('button', { name: /Owner of this machine/ }).click();
    await stranger.getByRole('menuitem', { name: 'Sign out' }).click();
    await stranger.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
    await stranger.route('**/api/agent-chat/ledger/keys', (route) => route.abort());
    await stranger.goto(`${world.url}/verify`);
    await stranger.getByText('The keys of this server cannot be had').waitFor();
    await drop(stranger, sealed);
    await stranger.getByLabel('File of keys').setInputFiles({ name: 'keys.json', mimeType: 'application/json', buffer: Buffer.from(keys) });
    await verdict(stranger, 'valid').waitFor();
    expect(await stranger.getByRole('link', { name: 'Sign in' }).count()).toBe(1);
  });

  describe('in a browser that cannot check signatures', () => {
    let old: Page;
    beforeAll(async () => {
      old = await world.open('/agents');
      await old.addInitScript('Object.defineProperty(Crypto.prototype, "subtle", { value: undefined })');
      await old.goto(`${world.url}/verify`);
      await old.getByText('This browser cannot check signatures on this page').waitFor();
    });

    it('are checked by the server, whose verdict is never shown beside another file', async () => {
      const answer = Promise.withResolvers<void>();
      await old.route('**/api/agent-chat/ledger/check', async (route) => {
        await answer.promise;
        await route.continue();
      });
      await drop(old, sealed);
      const checked = old.waitForResponse('**/api/agent-chat/ledger/check');
      await old.getByRole('button', { name: 'Send it to this server' }).click();
      await drop(old, changed((file) => (file.entries[2]!.record.text = 'Two!')));
      answer.resolve();
      await (await checked).finished();
      await old.evaluate('new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 100)))');
      expect(await verdict(old, 'valid').count()).toBe(0);
      await old.getByRole('button', { name: 'Send it to this server' }).click();
      await verdict(old, 'altered').waitFor();
    });

    it('are not said to be checked by other keys than those of the server', async () => {
      await old.getByLabel('File of keys').setInputFiles({ name: 'keys.json', mimeType: 'application/json', buffer: Buffer.from(keys) });
      await old.getByText('not by those in your file').waitFor();
      expect(await old.getByRole('button', { name: 'Send it to this server' }).count()).toBe(0);
    });
  });

  it('that are no UTF-8 are refused, as parley verify does', async () => {
    await page.getByRole('button', { name: 'Take away: File of keys' }).click();
    await page.getByRole('button', { name: 'Take away: Transcript' }).click();
    await transferFile(page, { target: '[data-drop-zone]', kind: 'drop', name: 'transcript.json', type: 'application/json', content: Buffer.concat([Buffer.from(sealed), Buffer.of(0xff)]) });
    await page.getByRole('alert').filter({ hasText: 'is no text in UTF-8' }).waitFor();
    await drop(page, `\ufeff${sealed}`);
    await verdict(page, 'malformed').waitFor();
  });

  it('fit a phone', async () => {
    const phone = await world.open('/verify', { viewport: { width: 360, height: 720 }, isMobile: true, hasTouch: true });
    await drop(phone, changed((file) => (file.entries[1]!.record.text = 'averyveryveryverylongword'.repeat(20))));
    await verdict(phone, 'altered').waitFor();
    expect(await phone.evaluate('document.documentElement.scrollWidth')).toBe(360);
  });
});
