import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { whitePng } from '../stand-in/index.ts';
import { answers, eventually, hasBrowser, openedChat, startWorld, type World } from './world.ts';

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
});
