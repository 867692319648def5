import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import type { Download, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answerWith, hasBrowser, openedChat, startWorld, transferFile, type World } from './world.ts';

async function saved(page: Page, act: () => Promise<unknown>): Promise<{ name: string; text: string }> {
  const [download] = await Promise.all([page.waitForEvent('download') as Promise<Download>, act()]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
}

/** A file as ChatGPT exports it, with one conversation. */
function exported(title: string, text: string): string {
  const node = (id: string, parent: string | null, children: string[], message: unknown) => [id, { id, parent, children, message }] as const;
  const said = (id: string, role: string, content: string) => ({ id, author: { role }, create_time: 1_700_000_000, content: { content_type: 'text', parts: [content] }, metadata: {} });
  return JSON.stringify([
    {
      title, conversation_id: `id of ${title}`, create_time: 1_700_000_000, update_time: 1_700_000_100, current_node: 'c',
      mapping: Object.fromEntries([node('a', null, ['b'], null), node('b', 'a', ['c'], said('b', 'user', text)), node('c', 'b', [], said('c', 'assistant', `You said ${text}`))]),
    },
  ]);
}

/** An archive with one file in it, packed as most are. */
function zipped(name: string, text: string): Buffer {
  const content = Buffer.from(text);
  const packed = deflateRawSync(content);
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(8, 8);
  head.writeUInt32LE(packed.length, 18);
  head.writeUInt32LE(content.length, 22);
  head.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(8, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(content.length, 24);
  entry.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length + packed.length, 16);
  return Buffer.concat([head, Buffer.from(name), packed, entry, Buffer.from(name), end]);
}

const give = (page: Page, name: string, content: string | Buffer) => page.getByLabel('File of chats').setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(content) });

describe.skipIf(!hasBrowser)('Chats as files', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('saves one chat under its title, to be read and to be imported', async () => {
    const page = await openedChat(world, 'Bread: how long?', 'Forty minutes.');
    const open = () => page.getByRole('button', { name: 'More for this chat' }).click();
    await open();
    const markdown = await saved(page, () => page.getByRole('menuitem', { name: 'Export as Markdown' }).click());
    expect(markdown.name).toBe('Bread how long.md');
    expect(markdown.text).toContain('Forty minutes.');
    await open();
    const json = await saved(page, () => page.getByRole('menuitem', { name: 'Export as JSON' }).click());
    expect(json.name).toBe('Bread how long.json');
    expect(JSON.parse(json.text)).toMatchObject({ format: 'parley-export', conversations: [{ title: 'Bread: how long?' }] });
  });

  it('says why a chat was not exported', async () => {
    const page = await openedChat(world, 'Not exported', 'Yes');
    await page.route('**/export?*', (route) => route.fulfill({ status: 429, json: { detail: 'At most 2 files at the same time.' } }));
    await page.getByRole('button', { name: 'More for this chat' }).click();
    await page.getByRole('menuitem', { name: 'Export as JSON' }).click();
    await page.getByRole('alert').filter({ hasText: 'The chat was not exported. At most 2 files at the same time.' }).waitFor();
  });

  it('saves everything, and takes it in again in another account, saying what came', async () => {
    await openedChat(world, 'Goes along', 'Yes');
    const page = await world.open('/');
    await page.getByRole('button', { name: /Owner of this machine/ }).click();
    await page.getByRole('menuitem', { name: 'Export and import' }).click();
    const everything = await saved(page, () => page.getByRole('link', { name: 'Export everything' }).click());
    expect(everything.name).toBe('chats.json');
    await give(page, 'chats.json', everything.text);
    const report = page.getByRole('region', { name: 'Result of the import' });
    await report.getByText(/^0 chats imported, with 0 messages; \d were here already\.$/).waitFor();
    await report.getByText('Already here').first().waitFor();
  });

  it('imports what ChatGPT exports, also out of its archive, and opens it', async () => {
    const page = await world.open('/files');
    await give(page, 'export.zip', zipped('conversations.json', exported('From elsewhere', 'hello there')));
    const report = page.getByRole('region', { name: 'Result of the import' });
    await report.getByText('1 chat imported, with 2 messages.').waitFor();
    await page.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name: 'From elsewhere' }).waitFor();
    await report.getByRole('link', { name: 'From elsewhere' }).click();
    await answerWith(page, 'You said hello there');
  });

  it('takes a dropped file', async () => {
    const page = await world.open('/files');
    await transferFile(page, { target: '[data-drop-zone]', kind: 'drop', name: 'conversations.json', type: 'application/json', content: Buffer.from(exported('Dropped', 'hi')) });
    await page.getByText('1 chat imported, with 2 messages.').waitFor();
  });

  it('names what could not be taken', async () => {
    const page = await world.open('/files');
    const whole = JSON.parse(exported('Whole', 'hi')) as unknown[];
    await give(page, 'conversations.json', JSON.stringify([...whole, { title: 'Broken', conversation_id: 'b', mapping: 'none' }]));
    const report = page.getByRole('region', { name: 'Result of the import' });
    await report.getByText(/1 could not be taken/).waitFor();
    const first = report.getByRole('list', { name: 'Chats of the file' }).getByRole('listitem').first();
    await first.getByText('Broken').waitFor();
    await first.getByText('Skipped').waitFor();
  });

  it('says what is wrong with a file', async () => {
    const page = await world.open('/files');
    await give(page, 'empty.json', '');
    await page.getByRole('alert').filter({ hasText: 'This file is empty.' }).waitFor();
    await give(page, 'pictures.zip', zipped('cat.png', 'no picture'));
    await page.getByRole('alert').filter({ hasText: 'There is no conversations.json in this archive.' }).waitFor();
    await give(page, 'notes.json', '{"shopping": ["milk"]}');
    await page.getByRole('region', { name: 'Result of the import' }).getByRole('alert').waitFor();
  });

  it('shows how far an import is, and stops it', async () => {
    const page = await world.open('/files');
    let state = 'running';
    const shape = () => ({ id: 'i', state, progress: 0.4, imported: 3, present: 0, skipped: 0, messages: 12, chats: [], unlisted: 0, error: null, created_at: '2026-01-01T00:00:00.000Z', ended_at: null });
    await page.route('**/api/v1/chat/import', (route) => route.fulfill({ status: 202, json: shape() }));
    await page.route('**/api/v1/chat/imports/i', (route) => route.fulfill({ json: shape() }));
    await page.route('**/api/v1/chat/imports/i/cancel', (route) => {
      state = 'cancelled';
      return route.fulfill({ json: shape() });
    });
    await give(page, 'chats.json', '[]');
    await page.getByText('Importing… 3 chats so far').waitFor();
    expect(await page.getByRole('progressbar', { name: 'Imported' }).getAttribute('value')).toBe('0.4');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Cancelled. What was imported whole until then stays.').waitFor();
    await page.getByText('3 chats imported, with 12 messages.').waitFor();
  });

  it('stops sending', async () => {
    const page = await world.open('/files');
    await page.route('**/api/v1/chat/import', () => {});
    const path = join(world.dataDir, 'large.json');
    await writeFile(path, '[]');
    await page.getByLabel('File of chats').setInputFiles(path);
    await page.getByText('Sending large.json…').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Sending large.json…').waitFor({ state: 'detached' });
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  });
});
