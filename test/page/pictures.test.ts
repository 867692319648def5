import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { whitePng } from '../stand-in/index.ts';
import { answers, answerWith, eventually, field, hasBrowser, openedChat, startWorld, transferFile, type World } from './world.ts';

describe.skipIf(!hasBrowser)('Pictures on the page', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('are shown with their message; those that are elsewhere are links, and nothing is loaded from there', async () => {
    const page = await openedChat(world, 'Hello?', 'Hi.');
    const chatId = new URL(page.url()).pathname.slice(3);
    const images = [`data:image/png;base64,${whitePng(30, 20).toString('base64')}`, 'https://pictures.example/cat.png'];
    const status = await page.evaluate(async ({ path, body, csrf }) => (await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf }, body })).status, {
      path: `/api/v1/chat/chats/${chatId}/messages`, body: JSON.stringify({ content: 'What is this?', images }),
      csrf: (await page.context().cookies()).find(({ name }) => name === 'parley_csrf')!.value,
    });
    expect(status).toBe(200);
    const picture = page.getByRole('img', { name: 'Picture 1' });
    await picture.waitFor();
    await eventually(() => picture.evaluate((image) => `${(image as unknown as { naturalWidth: number }).naturalWidth}`)).toBe('30');
    expect(await page.getByRole('link', { name: 'Picture at pictures.example' }).getAttribute('rel')).toBe('noreferrer noopener');
    await eventually(() => answers(page, 'DELIVERED').count()).toBe(2);
    expect(world.standIn.requests.at(-1)!.body.messages!.at(-1)).toMatchObject({ content: [{ type: 'image_url' }, { type: 'image_url', image_url: { url: images[1] } }, { type: 'text', text: 'What is this?' }] });
  });

  const file = (name: string, width = 8) => ({ name, mimeType: 'image/png', buffer: whitePng(width, 6) });
  const toSend = (page: Page) => page.getByRole('list', { name: 'Pictures to send' }).getByRole('img');
  const sentParts = () => world.standIn.requests.at(-1)!.body.messages!.at(-1)!.content;

  it('are chosen, taken out again, and sent with the first message of a chat', async () => {
    const page = await world.open();
    await page.getByLabel('Pictures', { exact: true }).setInputFiles([file('one.png'), file('two.png', 9)]);
    await eventually(() => toSend(page).count()).toBe(2);
    await page.getByRole('button', { name: 'Remove picture 1' }).click();
    await eventually(() => toSend(page).count()).toBe(1);
    world.standIn.next({ pieces: ['A white rectangle.'] });
    await field(page).fill('What do you see?');
    await field(page).press('Enter');
    await answerWith(page, 'A white rectangle.');
    expect(await toSend(page).count()).toBe(0);
    const shown = page.getByRole('article', { name: 'Your message' }).getByRole('img');
    await eventually(() => shown.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBe(9);
    expect(sentParts()).toMatchObject([{ type: 'image_url' }, { type: 'text', text: 'What do you see?' }]);
  });

  it('are pasted, and sent without a word', async () => {
    const page = await openedChat(world, 'Pasting', 'Go on.');
    await transferFile(page, { target: 'textarea', kind: 'paste', name: 'pasted.png', type: 'image/png', content: whitePng(7, 7) });
    await eventually(() => toSend(page).count()).toBe(1);
    world.standIn.next({ pieces: ['Seen.'] });
    await page.getByRole('button', { name: 'Send' }).click();
    await answerWith(page, 'Seen.');
    expect(sentParts()).toMatchObject([{ type: 'image_url' }]);
  });

  it('are dropped anywhere; what is no picture is refused by name', async () => {
    const page = await openedChat(world, 'Dropping', 'Go on.');
    await transferFile(page, { target: 'main', kind: 'drop', name: 'white.png', type: 'image/png', content: whitePng(5, 5) });
    await eventually(() => toSend(page).count()).toBe(1);
    await transferFile(page, { target: 'main', kind: 'drop', name: 'notes.txt', type: 'text/plain', content: Buffer.from('hello') });
    await page.getByRole('alert').filter({ hasText: 'notes.txt is no picture. Only pictures can be sent.' }).waitFor();
    await eventually(() => toSend(page).count()).toBe(1);
  });

  it('are made smaller before they are sent, when they are large', async () => {
    const page = await openedChat(world, 'A large one', 'Go on.');
    // Noise, which no format makes small.
    const large = await page.evaluate<number>(`(async () => {
      const canvas = new OffscreenCanvas(2600, 1300);
      const context = canvas.getContext('2d');
      const noise = context.createImageData(2600, 1300);
      for (let at = 0; at < noise.data.length; at += 65536) crypto.getRandomValues(noise.data.subarray(at, at + 65536));
      context.putImageData(noise, 0, 0);
      const file = new File([await canvas.convertToBlob({ type: 'image/png' })], 'large.png', { type: 'image/png' });
      const transfer = new DataTransfer();
      transfer.items.add(file);
      dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
      return file.size;
    })()`);
    expect(large).toBeGreaterThan(4_000_000);
    await toSend(page).waitFor();
    const sent = await toSend(page).evaluate((image) => ({ width: (image as unknown as { naturalWidth: number }).naturalWidth, type: (image as unknown as { src: string }).src.slice(0, 15) }));
    expect(sent).toEqual({ width: 2048, type: 'data:image/jpeg' });
  });

  it('wait with their message until the server is back', async () => {
    const page = await openedChat(world, 'Before the outage', 'Go on.');
    await page.getByLabel('Pictures', { exact: true }).setInputFiles([file('late.png')]);
    await toSend(page).waitFor();
    await world.stopServer();
    await field(page).fill('Sent late');
    await field(page).press('Enter');
    await page.getByText('Not sent. It is sent when the server is back.').waitFor();
    world.standIn.next({ pieces: ['Better late.'] });
    await world.startServer();
    await answerWith(page, 'Better late.');
    expect(sentParts()).toMatchObject([{ type: 'image_url' }, { type: 'text', text: 'Sent late' }]);
  });
});
