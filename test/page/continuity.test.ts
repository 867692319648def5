import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answers, eventually, answerWith, field, hasBrowser, openedChat, say, startWorld, type World } from './world.ts';

describe.skipIf(!hasBrowser)('An answer outlives the page that asked for it', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('goes on where it was after a reload in the middle', async () => {
    const script = world.standIn.next({ gated: true, pieces: ['One ', 'two ', 'three ', 'four.'] });
    const page = await world.open();
    await say(page, 'Count');
    script.release(2);
    await answerWith(page, 'One two');
    await page.reload();
    const answer = await answerWith(page, 'One two');
    await eventually(() => answer.getAttribute('data-status')).toBe('PROCESSING');
    script.release(1);
    await answerWith(page, 'One two three');
    script.release(1);
    await answers(page, 'DELIVERED').waitFor();
    await eventually(() => answer.locator('.markdown').textContent()).toBe('One two three four.');
  });

  it('grows in two tabs, and either can stop it', async () => {
    const script = world.standIn.next({ gated: true, pieces: ['Alpha ', 'beta ', 'gamma'] });
    const first = await world.open();
    await say(first, 'Greek letters');
    script.release(1);
    await answerWith(first, 'Alpha');
    const second = await world.tab(first, new URL(first.url()).pathname);
    await answerWith(second, 'Alpha');
    script.release(1);
    await Promise.all([answerWith(first, 'Alpha beta'), answerWith(second, 'Alpha beta')]);
    await second.getByRole('button', { name: 'Stop the answer' }).click();
    await Promise.all([answers(first, 'CANCELLED').waitFor(), answers(second, 'CANCELLED').waitFor()]);
    await eventually(() => answers(first).locator('.markdown').textContent()).toBe(await answers(second).locator('.markdown').textContent());
  });

  it('shows in one tab what is said, answered and branched in the other', async () => {
    const first = await openedChat(world, 'Begin here', 'Begun.');
    const second = await world.tab(first, new URL(first.url()).pathname);
    await answerWith(second, 'Begun.');
    world.standIn.next({ pieces: ['Both see this.'] });
    await say(second, 'From the second tab');
    await Promise.all([answerWith(first, 'Both see this.'), answerWith(second, 'Both see this.')]);
    await eventually(() => first.locator('[data-type="USER"]').last().textContent()).toContain('From the second tab');
    world.standIn.next({ pieces: ['Another one.'] });
    await second.getByRole('button', { name: 'Answer again' }).last().click();
    await answerWith(first, 'Another one.');
    await first.bringToFront();
    await first.getByRole('button', { name: 'Earlier version' }).click();
    await Promise.all([answerWith(first, 'Both see this.'), answerWith(second, 'Both see this.')]);
  });

  it('connects again when the server comes back, and shows what became of the answer', async () => {
    const script = world.standIn.next({ gated: true, pieces: ['Before the ', 'stop'] });
    const page = await world.open();
    await say(page, 'Restart');
    script.release(1);
    await answerWith(page, 'Before the');
    await world.stopServer();
    await page.getByText('The server cannot be reached.').waitFor();
    await world.startServer();
    await page.getByRole('button', { name: 'Now' }).click({ timeout: 3000 }).catch((error: unknown) => {
      // It may have come back by itself meanwhile.
      if (!(error instanceof Error) || error.name !== 'TimeoutError') throw error;
    });
    const answer = answers(page, 'INTERRUPTED');
    await answer.waitFor();
    await eventually(() => answer.textContent()).toContain('Before the');
    await page.getByText('The server cannot be reached.').waitFor({ state: 'detached' });
    world.standIn.next({ pieces: ['and after it.'] });
    await answer.getByRole('button', { name: 'Go on', exact: true }).click();
    await answerWith(page, 'Before the and after it.');
  });

  it('keeps a message that could not be sent, and sends it once when the server is back', async () => {
    const page = await openedChat(world, 'Are you there?', 'I am.');
    await world.stopServer();
    await page.getByText('The server cannot be reached.').waitFor();
    await say(page, 'Said while nobody listened');
    await page.getByText('Not sent. It is sent when the server is back.').waitFor();
    await eventually(() => field(page).inputValue()).toBe('');
    world.standIn.next({ pieces: ['Heard it now.'] });
    await world.startServer();
    await answerWith(page, 'Heard it now.');
    await eventually(() => page.locator('[data-outgoing]').count()).toBe(0);
    await page.reload();
    await answerWith(page, 'Heard it now.');
    await eventually(() => page.locator('[data-type="USER"]').allTextContents()).toHaveLength(2);
  });

  it('does not send twice when only the answer to the request is lost', async () => {
    const page = await openedChat(world, 'First', 'Yes.');
    world.standIn.next({ pieces: ['Only once.'] });
    let isCut = true;
    await page.route('**/messages?include=answer', async (route) => {
      if (!isCut) return route.continue();
      isCut = false;
      await route.fetch();
      return route.abort('connectionreset');
    });
    await say(page, 'Second');
    await page.getByRole('button', { name: 'Send again' }).click();
    await answerWith(page, 'Only once.');
    await page.locator('[data-outgoing]').waitFor({ state: 'detached' });
    await page.reload();
    await answerWith(page, 'Only once.');
    await eventually(() => page.locator('[data-type="USER"]').count()).toBe(2);
  });

  it('takes a refused message back to be changed', async () => {
    const page = await openedChat(world, 'Hello', 'Hello.');
    await page.route('**/messages?include=answer', (route) => route.fulfill({ status: 429, contentType: 'application/json', headers: { 'retry-after': '3' }, body: '{"detail":"Too many requests. Try again later."}' }));
    await say(page, 'Too much');
    await page.getByText('Not sent. Too many requests. Try again later.').waitFor();
    await page.getByRole('button', { name: 'Take back and edit' }).click();
    await eventually(() => field(page).inputValue()).toBe('Too much');
    await eventually(() => page.locator('[data-outgoing]').count()).toBe(0);
  });
});
