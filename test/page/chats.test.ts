import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answers, answerWith, eventually, field, hasBrowser, openedChat, say, startWorld, type World } from './world.ts';

describe.skipIf(!hasBrowser)('The list of chats', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('is empty at first and says so', async () => {
    const page = await world.open();
    await page.getByText('No chats yet.').waitFor();
  });

  it('names a chat by its first message and puts the latest first', async () => {
    const page = await openedChat(world, 'The older chat', 'One');
    await page.getByRole('link', { name: 'The older chat' }).waitFor();
    await page.getByRole('button', { name: 'New chat' }).first().click();
    world.standIn.next({ pieces: ['Two'] });
    await say(page, 'The newer chat');
    await answerWith(page, 'Two');
    const links = page.locator('[data-chat-link]');
    await eventually(() => links.allTextContents()).toEqual(['The newer chat', 'The older chat']);
    await page.getByRole('link', { name: 'The older chat' }).click();
    await answerWith(page, 'One');
    world.standIn.next({ pieces: ['Three'] });
    await say(page, 'More');
    await answerWith(page, 'Three');
    await eventually(() => links.allTextContents()).toEqual(['The older chat', 'The newer chat']);
  });

  it('renames a chat in place, in every tab', async () => {
    const page = await openedChat(world, 'To be renamed', 'Yes');
    const other = await world.tab(page, '/');
    await page.bringToFront();
    await page.getByRole('button', { name: 'More for To be renamed' }).click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    const title = page.getByRole('textbox', { name: 'New title' });
    await title.fill('A better name');
    await title.press('Enter');
    await page.getByRole('link', { name: 'A better name' }).waitFor();
    await page.getByRole('heading', { name: 'A better name', level: 1 }).waitFor();
    await eventually(() => page.title()).toBe('A better name – Parley');
    await other.bringToFront();
    await other.getByRole('link', { name: 'A better name' }).waitFor();
    await page.bringToFront();
  });

  it('shows what an API client did with tools', async () => {
    const page = await world.open();
    world.standIn.next({ pieces: ['It rains in Bonn.'] });
    const messages = [
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Bonn"}' } }] },
      { role: 'tool', tool_call_id: 'call_1', content: 'rain <b>all day</b>' },
      { role: 'user', content: 'In one sentence.' },
    ];
    const answered = await fetch(`${world.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ store: true, messages }) });
    expect(answered.status).toBe(200);
    await page.reload();
    await page.getByRole('link', { name: 'Weather?' }).click();
    await answerWith(page, 'It rains in Bonn.');
    await page.getByText('rain <b>all day</b>').waitFor();
    await page.getByText('Calls weather').click();
    await page.getByText('"city": "Bonn"').waitFor();
  });

  it('leaves the title alone on Escape', async () => {
    const page = await openedChat(world, 'Keeps its name', 'Yes');
    await page.getByRole('button', { name: 'More for Keeps its name' }).click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await page.getByRole('textbox', { name: 'New title' }).fill('Something else');
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Keeps its name' }).waitFor();
  });

  it('finds a chat by typing', async () => {
    const page = await openedChat(world, 'Crème brûlée recipe', 'Sugar.');
    await page.getByRole('button', { name: 'New chat' }).first().click();
    await field(page).waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Find a chat or a message' }).fill('brulee');
    await page.getByRole('option', { name: /Crème brûlée recipe/ }).waitFor();
    await page.keyboard.press('Enter');
    await answerWith(page, 'Sugar.');
  });

  it('remembers the model chosen for a chat', async () => {
    const page = await openedChat(world, 'Change who answers', 'Demo speaking.');
    await page.getByRole('button', { name: /^Model:/ }).click();
    await page.getByRole('menuitemradio', { name: /builtin\/parley/ }).click();
    await page.getByText('It is not a language model').waitFor();
    await page.reload();
    await page.getByText('It is not a language model').waitFor();
    await say(page, 'Hello');
    await answers(page).filter({ hasText: 'not a language model' }).waitFor();
  });

  it('says so when a change is refused, and shows what is true', async () => {
    const page = await openedChat(world, 'Not to be changed', 'Yes');
    await page.route('**/api/v1/chat/chats/*', (route) => (route.request().method() === 'PATCH' ? route.fulfill({ status: 503, contentType: 'application/json', body: '{"detail":"The database cannot be written. Nothing was saved."}' }) : route.continue()));
    await page.getByRole('button', { name: /^Model:/ }).click();
    await page.getByRole('menuitemradio', { name: /builtin\/parley/ }).click();
    await page.getByText('The model was not changed. The database cannot be written.').waitFor();
    await page.getByRole('button', { name: 'Model: demo' }).waitFor();
    await page.getByRole('button', { name: 'More for Not to be changed' }).click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await page.getByRole('textbox', { name: 'New title' }).fill('Changed');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'Nothing was saved.' }).last().waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Not to be changed' }).waitFor();
  });
});
