import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answers, answerWith, eventually, field, hasBrowser, openedChat, say, startWorld, type World } from './world.ts';

/** Goes on with Tab until the focused element has this name, at most `most` times. */
async function tabTo(page: Page, name: string | RegExp, most = 40): Promise<void> {
  for (let count = 0; count < most; count += 1) {
    await page.keyboard.press('Tab');
    const focused: string = await page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent ?? ''");
    if (typeof name === 'string' ? focused.trim() === name : name.test(focused)) return;
  }
  throw new Error(`The keyboard does not reach ${String(name)}.`);
}

const background = (page: Page): Promise<string> => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');

describe.skipIf(!hasBrowser)('The page on every screen', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('fits a phone: the list is a drawer, and nothing is wider than the screen', async () => {
    await openedChat(world, 'Said on a desk', 'Yes');
    const page = await world.open('/', { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true });
    world.standIn.next({ pieces: ['A wide table:\n\n| one | two | three | four | five | six | seven |\n|---|---|---|---|---|---|---|\n| aaaaaaaaaa | bbbbbbbbbb | cccccccccc | dddddddddd | eeeeeeeeee | ffffffffff | gggggggggg |\n\n`averyveryveryverylongwordwithoutanyspacesinitwhatsoeverbecausethathappens`'] });
    await field(page).fill('On a phone');
    await page.getByRole('button', { name: 'Send' }).click();
    await answerWith(page, 'A wide table');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await page.getByRole('button', { name: 'Chats' }).click();
    const drawer = page.getByRole('dialog', { name: 'Chats' });
    await drawer.getByRole('button', { name: 'More for Said on a desk' }).click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await drawer.getByRole('textbox', { name: 'New title' }).fill('Renamed on a phone');
    await page.keyboard.press('Enter');
    await drawer.getByRole('link', { name: 'Renamed on a phone' }).click();
    await drawer.waitFor({ state: 'detached' });
    await answerWith(page, 'Yes');
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByText('What would you like to talk about?').waitFor();
  });

  it('is light or dark as the system is, or as chosen, from the first picture on', async () => {
    const light = await world.open('/', { colorScheme: 'light' });
    const dark = await world.open('/', { colorScheme: 'dark' });
    await Promise.all([field(light).waitFor(), field(dark).waitFor()]);
    expect(await background(light)).toBe('rgb(251, 250, 247)');
    expect(await background(dark)).toBe('rgb(23, 25, 28)');
    await light.getByRole('button', { name: /Owner of this machine/ }).click();
    await light.getByRole('menuitemradio', { name: 'Dark' }).click();
    expect(await background(light)).toBe('rgb(23, 25, 28)');
    // Before the app itself runs: held back here, the colours are there already.
    await light.route('**/assets/*.js', () => {});
    await light.reload({ waitUntil: 'commit' });
    await eventually(() => light.evaluate('document.documentElement.dataset.theme')).toBe('dark');
    await light.unrouteAll({ behavior: 'ignoreErrors' });
  });

  it('can be used without a mouse', async () => {
    const page = await world.open();
    await field(page).waitFor();
    await page.locator('[data-chat-link]').first().waitFor();
    expect(await page.locator('a, button, input, textarea').first().textContent()).toBe('Skip to the conversation');
    await tabTo(page, 'Skip to the conversation');
    expect(await page.getByRole('link', { name: 'Skip to the conversation' }).boundingBox()).toMatchObject({ width: expect.closeTo(200, -2) as number });
    await page.keyboard.press('Enter');
    await tabTo(page, 'Message');
    world.standIn.next({ pieces: ['Typed and answered.'] });
    await page.keyboard.type('By keyboard');
    await page.keyboard.press('Enter');
    await answerWith(page, 'Typed and answered.');
    world.standIn.next({ pieces: ['Once more.'] });
    await page.evaluate('document.activeElement.blur()');
    await page.locator('[data-scroller]').focus();
    await tabTo(page, 'Edit message');
    await page.keyboard.press('Enter');
    await page.getByRole('textbox', { name: 'Edit message' }).fill('Edited by keyboard');
    await page.keyboard.press('Enter');
    await answerWith(page, 'Once more.');
    await page.keyboard.press('Control+k');
    await page.keyboard.press('Enter');
    await page.getByText('What would you like to talk about?').waitFor();
    expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement.matches('textarea')")).toBe(true);
  });

  it('walks through the list by arrow keys', async () => {
    const page = await openedChat(world, 'Bottom of the list', 'Yes');
    await page.getByRole('button', { name: 'New chat' }).first().click();
    world.standIn.next({ pieces: ['Also'] });
    await say(page, 'Top of the list');
    await answers(page, 'DELIVERED').waitFor();
    await page.getByRole('link', { name: 'Top of the list' }).focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await answerWith(page, 'Yes');
    await page.getByRole('heading', { name: 'Bottom of the list' }).waitFor();
  });

  it('tells readers of the screen what is answered, once it is complete', async () => {
    const script = world.standIn.next({ gated: true, pieces: ['Read ', 'me ', 'aloud.'] });
    const page = await world.open();
    await say(page, 'Announce');
    const announcer = page.locator('[data-announcer]');
    script.release(1);
    await eventually(() => announcer.textContent()).toContain('is answering');
    script.release(Infinity);
    await eventually(() => announcer.textContent()).toBe('Answer: Read me aloud.');
    expect(await announcer.getAttribute('aria-live')).toBe('polite');
  });

  it('stands still where movement is not wanted', async () => {
    const page = await world.open('/', { reducedMotion: 'reduce' });
    const script = world.standIn.next({ gated: true, pieces: ['Still'] });
    await say(page, 'Quiet');
    await answers(page, 'PROCESSING').waitFor();
    expect(await page.evaluate("getComputedStyle(document.querySelector('.typing-dot')).animationIterationCount")).toBe('1');
    script.release(Infinity);
    await answers(page, 'DELIVERED').waitFor();
  });
});
