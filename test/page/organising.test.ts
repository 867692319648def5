import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answerWith, eventually, field, hasBrowser, openedChat, say, startWorld, type World } from './world.ts';

/** Opens the menu of a chat in the list and chooses from it. */
async function choose(page: Page, chat: string, entry: string): Promise<void> {
  await page.getByRole('button', { name: `More for ${chat}` }).click();
  await page.getByRole('menuitem', { name: entry }).click();
}

const link = (page: Page, name: string) => page.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name });

describe.skipIf(!hasBrowser)('Keeping chats in order', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('puts pinned chats on top, in every tab, and lets them go again', async () => {
    await openedChat(world, 'Pinned and old', 'One');
    const page = await openedChat(world, 'Newer than that', 'Two');
    const other = await world.tab(page, '/');
    await page.bringToFront();
    await choose(page, 'Pinned and old', 'Pin');
    const pinned = page.getByRole('region', { name: 'Pinned' });
    await pinned.getByRole('link', { name: 'Pinned and old' }).waitFor();
    expect(await page.locator('[data-chat-link]').first().textContent()).toBe('Pinned and old');
    await other.bringToFront();
    await other.getByRole('region', { name: 'Pinned' }).getByRole('link', { name: 'Pinned and old' }).waitFor();
    await page.bringToFront();
    await page.reload();
    await pinned.getByRole('link', { name: 'Pinned and old' }).waitFor();
    await choose(page, 'Pinned and old', 'Unpin');
    await pinned.waitFor({ state: 'detached' });
  });

  it('moves a chat to the trash at once and brings it back on Undo, open as it was', async () => {
    const page = await openedChat(world, 'Trashed by mistake', 'Yes');
    const address = page.url();
    await choose(page, 'Trashed by mistake', 'Move to trash');
    await link(page, 'Trashed by mistake').waitFor({ state: 'detached' });
    await page.getByText('What would you like to talk about?').waitFor();
    await page.getByRole('status').filter({ hasText: '“Trashed by mistake” is in the trash.' }).getByRole('button', { name: 'Undo', exact: true }).click();
    await link(page, 'Trashed by mistake').waitFor();
    await answerWith(page, 'Yes');
    await eventually(() => page.url()).toBe(address);
  });

  it('takes Ctrl+Z for Undo, but not out of a field', async () => {
    const page = await openedChat(world, 'Undone by keyboard', 'Yes');
    await choose(page, 'Undone by keyboard', 'Archive');
    await page.getByText('“Undone by keyboard” is in the archive.').waitFor();
    await field(page).focus();
    await page.keyboard.press('Control+z');
    await page.getByRole('link', { name: 'Skip to the conversation' }).focus();
    expect(await link(page, 'Undone by keyboard').count()).toBe(0);
    await page.keyboard.press('Control+z');
    await link(page, 'Undone by keyboard').waitFor();
  });

  it('shows the archive, and takes out of it', async () => {
    const page = await openedChat(world, 'For later', 'Yes');
    const other = await world.tab(page, new URL(page.url()).pathname);
    await answerWith(other, 'Yes');
    await page.bringToFront();
    await page.getByRole('link', { name: 'Archive', exact: true }).click();
    await page.getByText('The archive is empty.').waitFor();
    await choose(page, 'For later', 'Archive');
    const row = page.getByRole('listitem', { name: 'For later' });
    await row.getByText(/2 messages · archived/).waitFor();
    await other.bringToFront();
    await other.getByText('This chat is not here').waitFor();
    await page.bringToFront();
    await row.getByRole('button', { name: 'Restore' }).click();
    await page.getByText('The archive is empty.').waitFor();
    await page.getByText('“For later” is back in the list.').waitFor();
    await page.getByRole('button', { name: 'Open' }).click();
    await answerWith(page, 'Yes');
  });

  it('shows the trash, asks before it deletes for good, and then the chat is gone everywhere', async () => {
    const page = await openedChat(world, 'To be deleted', 'Yes');
    const address = new URL(page.url()).pathname;
    await choose(page, 'To be deleted', 'Move to trash');
    await page.getByRole('link', { name: 'Trash', exact: true }).click();
    await page.getByText(/deleted for good after 30 days/).waitFor();
    await page.getByRole('listitem', { name: 'To be deleted' }).getByRole('button', { name: 'Delete for good…' }).click();
    const question = page.getByRole('dialog', { name: 'Delete this chat for good?' });
    await question.getByText('This cannot be undone.').waitFor();
    await question.getByRole('button', { name: 'Keep it' }).click();
    await page.getByRole('button', { name: 'Delete for good…' }).click();
    await question.getByRole('button', { name: 'Delete for good', exact: true }).click();
    await page.getByText('The trash is empty.').waitFor();
    await page.goto(world.url + address);
    await page.getByText('This chat is not here').waitFor();
  });

  it('does all of it by keys in the list', async () => {
    const page = await openedChat(world, 'Below', 'One');
    await page.getByRole('button', { name: 'New chat' }).first().click();
    world.standIn.next({ pieces: ['Two'] });
    await say(page, 'Above');
    await answerWith(page, 'Two');
    await link(page, 'Above').focus();
    await page.keyboard.press('p');
    await page.getByRole('region', { name: 'Pinned' }).getByRole('link', { name: 'Above' }).waitFor();
    await link(page, 'Below').focus();
    await page.keyboard.press('F2');
    await page.getByRole('textbox', { name: 'New title' }).fill('Below, renamed');
    await page.keyboard.press('Enter');
    await link(page, 'Below, renamed').focus();
    await page.keyboard.press('a');
    await page.getByText('“Below, renamed” is in the archive.').waitFor();
    expect(await page.evaluate("document.activeElement.matches('[data-chat-link]')")).toBe(true);
    await link(page, 'Above').focus();
    await page.keyboard.press('Delete');
    await page.getByText('“Above” is in the trash.').waitFor();
    await page.getByText('What would you like to talk about?').waitFor();
  });

  it('opens the menu of a row by the right button, and of the open chat from its head', async () => {
    const page = await openedChat(world, 'Has a menu', 'Yes');
    await link(page, 'Has a menu').click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Rename' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'More for this chat' }).click();
    await page.getByRole('menuitem', { name: 'Pin', exact: true }).click();
    await page.getByRole('region', { name: 'Pinned' }).getByRole('link', { name: 'Has a menu' }).waitFor();
    await page.getByRole('button', { name: 'More for this chat' }).click();
    await page.getByRole('menuitem', { name: 'Unpin' }).click();
    await page.getByRole('region', { name: 'Pinned' }).waitFor({ state: 'detached' });
  });

  it('says so when nothing could be changed, and shows the chat again', async () => {
    const page = await openedChat(world, 'Stays here', 'Yes');
    await page.route('**/trash', (route) => (route.request().method() === 'POST' ? route.fulfill({ status: 503, contentType: 'application/json', body: '{"detail":"The database cannot be written."}' }) : route.continue()));
    await choose(page, 'Stays here', 'Move to trash');
    await page.getByRole('alert').filter({ hasText: 'Nothing was changed. The database cannot be written.' }).waitFor();
    await answerWith(page, 'Yes');
    await link(page, 'Stays here').waitFor();
  });

  it('offers Undo over the drawer of a phone', async () => {
    await openedChat(world, 'Put away on a phone', 'Yes');
    const page = await world.open('/', { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true });
    await page.getByRole('button', { name: 'Chats' }).click();
    await choose(page, 'Put away on a phone', 'Move to trash');
    await page.getByRole('button', { name: 'Undo', exact: true }).click();
    await page.getByRole('dialog', { name: 'Chats' }).getByRole('link', { name: 'Put away on a phone' }).waitFor();
  });
});
