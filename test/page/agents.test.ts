import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually, hasBrowser, startWorld, type World } from './world.ts';

/** Makes a pair by one click on the page of agents, and waits until its session is open. */
async function makePair(page: Page, name = 'Plan a journey'): Promise<void> {
  await page.getByRole('link', { name: 'Agents' }).first().click();
  await page.getByRole('button', { name: new RegExp(`^${name}`) }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
  await page.getByText('Nothing was said yet').waitFor();
}

const said = (page: Page) => page.getByRole('region', { name: 'What was said' }).getByRole('article');

/** Turns off that the other agent answers. */
const alone = (page: Page): Promise<void> => page.getByRole('checkbox', { name: /answers$/ }).uncheck();

describe.skipIf(!hasBrowser)('Two agents', () => {
  let world: World;
  let page: Page;
  beforeAll(async () => {
    world = await startWorld();
    page = await world.open('/agents');
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('are explained where none have talked yet, and made by one click with a first sentence to begin with', async () => {
    await page.getByText('No two agents have talked yet').waitFor();
    await makePair(page);
    expect(page.url()).toMatch(/\/agents\/[\w-]+$/);
    const field = page.getByRole('textbox', { name: 'Message as traveller' });
    expect(await field.inputValue()).toContain('ten days in spring');
    world.standIn.next({ pieces: ['When do you want to leave?'] });
    world.standIn.next({ pieces: ['In April. I suggest we look at Slovenia.'] });
    await page.getByRole('spinbutton', { name: 'Replies' }).fill('2');
    await page.getByRole('button', { name: 'Say it and let them talk' }).click();
    await page.getByText('They stopped: all the replies you asked for were made.').waitFor();
    await eventually(() => said(page).count()).toBe(3);
    expect(await said(page).nth(0).getAttribute('aria-label')).toBe('Traveller, said by a person');
    await page.getByRole('article', { name: 'Travel agent' }).getByText('When do you want to leave?').waitFor();
    await page.getByRole('article', { name: 'Travel agent' }).getByText(/^asks · .*demo/).waitFor();
    await page.getByRole('article', { name: 'Traveller', exact: true }).getByText('In April.').waitFor();
    expect(await field.inputValue()).toBe('');
  });

  it('are stepped in for, in the name of either, and answer when they are asked', async () => {
    await makePair(page, 'Debate');
    await page.getByRole('textbox', { name: 'Message as advocate' }).fill('Cars are loud.');
    world.standIn.next({ pieces: ['So are people.'] });
    await page.keyboard.press('Enter');
    await page.getByRole('article', { name: 'Critic', exact: true }).getByText('So are people.').waitFor();
    await page.getByRole('radio', { name: 'As critic' }).check({ force: true });
    await alone(page);
    await page.getByRole('textbox', { name: 'Message as critic' }).fill('And dogs.');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('article', { name: 'Critic, said by a person' }).getByText('And dogs.').waitFor();
    await page.getByRole('button', { name: 'Let critic answer' }).click();
    await page.getByText(/^Critic did not answer: it spoke last itself/).waitFor();
    const script = world.standIn.next({ gated: true, pieces: ['Dogs sleep at night.'] });
    await page.getByRole('button', { name: 'Let advocate answer' }).click();
    await page.getByText('is answering…').waitFor();
    script.release(Infinity);
    await page.getByRole('article', { name: 'Advocate', exact: true }).getByText('Dogs sleep at night.').waitFor();
    expect(await page.locator('[data-announcer]').textContent()).toContain('Advocate: Dogs sleep at night.');
    await page.getByText('Limits', { exact: true }).click();
    await page.getByRole('progressbar', { name: 'Replies: 2 of 100' }).waitFor();
    await page.getByRole('progressbar', { name: 'In a row without you: 1 of 6' }).waitFor();
  });

  it('talk by themselves until they are paused, go on, and are stopped in the middle of a reply', async () => {
    await makePair(page, 'Interview');
    const first = world.standIn.next({ gated: true, pieces: ['By the stars.'] });
    await page.getByRole('button', { name: 'Say it and let them talk' }).click();
    await page.getByText('is answering…').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Paused: 9 replies left.').waitFor();
    first.release(Infinity);
    await page.getByRole('article', { name: 'Expert' }).getByText('By the stars.').waitFor();
    const second = world.standIn.next({ gated: true, pieces: ['And when it is cloudy?'] });
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('They talk by themselves: 8 replies left.').waitFor();
    await page.getByText('is answering…').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped.', { exact: true }).waitFor();
    second.release(Infinity);
    expect(await said(page).count()).toBe(2);
  });

  it('are seen by everybody who looks; what was missed while the server was away is there afterwards, once', async () => {
    await makePair(page, 'Review a text');
    const other = await world.open(new URL(page.url()).pathname);
    await other.getByRole('textbox', { name: 'Message as writer' }).fill('Come on Saturday.');
    await alone(other);
    await other.keyboard.press('Enter');
    await page.getByRole('article', { name: 'Writer, said by a person' }).getByText('Come on Saturday.').waitFor();
    await world.stopServer();
    await page.getByText('The connection is lost.').waitFor();
    await world.startServer();
    await page.getByText('The connection is lost.').waitFor({ state: 'detached' });
    expect(await said(page).count()).toBe(1);
    await page.getByRole('textbox', { name: 'Message as writer' }).fill('There is cake.');
    await alone(page);
    await page.getByRole('button', { name: 'Send' }).click();
    await eventually(() => said(page).count()).toBe(2);
    await eventually(() => said(other).count()).toBe(2);
    await other.context().close();
  });

  it('are ended after asking; what was said stays, and nothing can be said any more', async () => {
    await page.getByRole('link', { name: 'Agents' }).first().click();
    await page.getByRole('region', { name: 'Going on' }).getByRole('link', { name: /^Debate/ }).click();
    await eventually(() => said(page).count()).toBe(4);
    await page.getByRole('button', { name: 'End…' }).click();
    const dialog = page.getByRole('dialog', { name: 'End this session?' });
    await dialog.getByRole('button', { name: 'Let it go on' }).click();
    await page.getByRole('button', { name: 'End…' }).click();
    await dialog.getByRole('button', { name: 'End it' }).click();
    await page.getByText('Ended', { exact: true }).waitFor();
    await page.getByRole('form', { name: 'Step in' }).waitFor({ state: 'detached' });
    await page.reload();
    await eventually(() => said(page).count()).toBe(4);
    await page.getByRole('link', { name: 'Agents' }).first().click();
    await page.getByRole('region', { name: 'Ended' }).getByRole('link', { name: /^Debate/ }).waitFor();
  });

  it('are made with roles, instructions and limits of one’s own', async () => {
    await page.getByRole('link', { name: 'Agents' }).first().click();
    await page.getByRole('button', { name: 'Your own pair' }).click();
    const dialog = page.getByRole('dialog', { name: 'Your own pair' });
    await dialog.getByLabel('Title').fill('Two of the same');
    await dialog.getByRole('group', { name: 'First agent (yours)' }).getByLabel('Role').fill('cook');
    const second = dialog.getByRole('group', { name: 'Second agent' });
    await second.getByLabel('Role').fill('cook');
    await second.getByLabel('Account').fill('0.0.1001');
    await dialog.getByLabel('Replies').fill('1');
    await dialog.getByRole('button', { name: 'Make it' }).click();
    await dialog.getByRole('alert').filter({ hasText: 'two different agents' }).waitFor();
    await second.getByLabel('Account').fill('0.0.7');
    await dialog.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('heading', { name: 'Two of the same', level: 1 }).waitFor();
    await page.getByRole('textbox', { name: 'Message as cook 0.0.1001' }).fill('Salt?');
    world.standIn.next({ pieces: ['Always.'] });
    await page.keyboard.press('Enter');
    await page.getByRole('article', { name: 'Cook 0.0.7' }).getByText('Always.').waitFor();
    await page.getByRole('button', { name: 'Let cook 0.0.1001 answer' }).click();
    await page.getByText('Cook 0.0.1001 did not answer: all replies that this session may have were made.').waitFor();
  });

  it('fit a phone, in the dark', async () => {
    const phone = await world.open('/agents', { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true, colorScheme: 'dark' });
    await phone.getByRole('region', { name: 'Going on' }).getByRole('link', { name: /^Plan a journey/ }).click();
    await eventually(() => said(phone).count()).toBe(3);
    expect(await phone.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await phone.getByRole('link', { name: 'Agents' }).click();
    await phone.getByRole('button', { name: 'Your own pair' }).click();
    await phone.getByRole('dialog', { name: 'Your own pair' }).waitFor();
    expect(await phone.evaluate("document.querySelector('dialog').scrollWidth <= document.querySelector('dialog').clientWidth")).toBe(true);
  });

  it('say what is missing where the session is not there', async () => {
    await page.goto(`${world.url}/agents/0190a0a0-0000-7000-8000-000000000000`);
    await page.getByRole('alert').filter({ hasText: 'Session not found' }).waitFor();
  });
});

describe.skipIf(!hasBrowser)('Two agents without a model', () => {
  it('say how to set one up, and can be spoken for all the same', async () => {
    const world = await startWorld({ settings: { DEFAULT_MODEL: '', COMPATIBLE_SERVERS: '' } });
    try {
      const page = await world.open('/agents');
      await page.getByRole('note').filter({ hasText: 'No language model is set up yet' }).getByRole('link', { name: 'Set up a model' }).waitFor();
      await makePair(page);
      await page.getByRole('note').filter({ hasText: 'No language model is set up yet' }).waitFor();
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByRole('article', { name: 'Traveller, said by a person' }).waitFor();
      await page.getByRole('alert').waitFor();
      expect(world.complaints()).toEqual([]);
    } finally {
      await world.close();
    }
  });
});
