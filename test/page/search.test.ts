import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answers, answerWith, eventually, field, hasBrowser, openedChat, say, startWorld, type World } from './world.ts';

async function search(page: Page, words: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Find a chat or a message' }).fill(words);
}

describe.skipIf(!hasBrowser)('Search over messages', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('shows where the words stand, and opens the message', async () => {
    const page = await openedChat(world, 'Where do otters sleep?', 'Otters hold hands, floating in kelp forests.');
    await page.getByRole('button', { name: 'New chat' }).first().click();
    await field(page).waitFor();
    await search(page, 'KELP hands');
    const hit = page.getByRole('option').filter({ hasText: 'floating in' });
    await hit.waitFor();
    expect(await hit.locator('mark').allTextContents()).toEqual(['hands', 'kelp']);
    await hit.getByText('Where do otters sleep?').waitFor();
    await page.keyboard.press('Enter');
    await answerWith(page, 'Otters hold hands');
    await eventually(() => page.evaluate("document.activeElement.dataset.type ?? ''")).toBe('AI');
    await eventually(() => new URL(page.url()).search).toBe('');
  });

  it('finds what stands on another branch, and shows that branch', async () => {
    const page = await openedChat(world, 'First wording about marmots', 'The first answer.');
    world.standIn.next({ pieces: ['The second answer.'] });
    await page.locator('[data-type="USER"]').hover();
    await page.getByRole('button', { name: 'Edit message' }).click();
    await page.getByRole('textbox', { name: 'Edit message' }).fill('Second wording about badgers');
    await page.keyboard.press('Enter');
    await answerWith(page, 'The second answer.');
    await search(page, 'wording marmots');
    await page.getByRole('option').filter({ has: page.locator('mark') }).click();
    await answerWith(page, 'The first answer.');
    await page.getByText('1/2').waitFor();
  });

  it('goes as far back as a message is old', async () => {
    const page = await openedChat(world, 'A needle in the hay', 'Noted.');
    const chatId = new URL(page.url()).pathname.slice(3);
    const viewer = (await world.parts().storage.read.selectFrom('users').selectAll().executeTakeFirstOrThrow()).id;
    const { conversations } = world.parts();
    for (let count = 0; count < 130; count += 1) {
      await conversations.send(
        { userId: viewer, username: 'owner', role: 'owner', scopes: [], via: 'internal', credentialId: null, expiresAt: null },
        chatId, { content: `Straw ${count}`, answer: false, dialect: 'arketic' },
      );
    }
    await page.reload();
    await page.getByText('Straw 129').waitFor();
    expect(await page.getByText('A needle in the hay', { exact: true }).and(page.locator('article *')).count()).toBe(0);
    await search(page, 'needle hay');
    await page.getByRole('option').filter({ has: page.locator('mark') }).first().click();
    const row = page.locator('[data-type="USER"]').filter({ hasText: 'A needle in the hay' });
    await row.waitFor();
    await eventually(async () => {
      const box = await row.boundingBox();
      return box !== null && box.y > 0 && box.y < 800;
    }).toBe(true);
  });

  it('looks in this chat alone, when told so', async () => {
    await openedChat(world, 'Elsewhere: porcupine', 'One');
    const page = await openedChat(world, 'Here: porcupine', 'Two');
    await search(page, 'porcupine');
    await page.getByRole('option').filter({ hasText: 'Elsewhere' }).first().waitFor();
    await page.getByRole('button', { name: 'This chat', exact: true }).click();
    await page.getByRole('option').filter({ hasText: 'Elsewhere' }).first().waitFor({ state: 'detached' });
    await page.getByRole('option').filter({ hasText: 'Here' }).first().waitFor();
  });

  it('says that nothing was found', async () => {
    const page = await world.open();
    await field(page).waitFor();
    await search(page, 'xyzzy plugh');
    await page.getByText('No chat and no message has all of these words.').waitFor();
  });

  it('goes on by itself while a search is cut short, and offers to look further back', async () => {
    const page = await world.open();
    await field(page).waitFor();
    let asked = 0;
    const hit = { chat_id: 'c', title: 'Long ago', message_id: 'm', message_type: 'USER', created_at: '2020-01-01T00:00:00.000Z', snippet: 'a rare word', matches: [{ start: 2, end: 6 }] };
    await page.route('**/api/v1/chat/search?*', (route) => {
      asked += 1;
      const body = asked < 3 ? { hits: [], complete: false, cursor: `1_${asked}` } : asked === 3 ? { hits: [hit], complete: false, cursor: '1_3' } : { hits: [], complete: true, cursor: null };
      return route.fulfill({ json: body });
    });
    await search(page, 'rare');
    await page.getByRole('option').filter({ hasText: 'Long ago' }).waitFor();
    expect(asked).toBe(3);
    await page.getByRole('option', { name: 'Not everything was looked at yet. Look further back' }).click();
    await page.getByRole('option', { name: /Look further back/ }).waitFor({ state: 'detached' });
    expect(asked).toBe(4);
  });

  it('says what is wrong with a search', async () => {
    const page = await world.open();
    await field(page).waitFor();
    await page.route('**/api/v1/chat/search?*', (route) => route.fulfill({ status: 429, json: { detail: 'Too many searches are under way. Try again in a moment.' } }));
    await search(page, 'anything');
    await page.getByRole('alert').filter({ hasText: 'Too many searches are under way.' }).waitFor();
  });

  it('says so when the message has been deleted meanwhile', async () => {
    const page = await openedChat(world, 'Has nothing of that', 'Yes');
    await page.goto(`${page.url()}?message=01234567-89ab-7def-8123-456789abcdef`);
    await page.getByRole('alert').waitFor();
    await eventually(() => new URL(page.url()).search).toBe('');
    await say(page, 'And goes on');
    await eventually(() => answers(page, 'DELIVERED').count()).toBe(2);
  });
});
