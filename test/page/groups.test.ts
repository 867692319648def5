import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answers, answerWith, eventually, field, hasBrowser, say, startWorld, type World } from './world.ts';

interface Made {
  title: string;
  people?: string;
  kind?: 'Group' | 'Channel';
  isPublic?: boolean;
  nobodyAnswers?: boolean;
}

/** Makes a group on the page of groups, and waits until it is open. */
async function make(page: Page, { title, people = '', kind = 'Group', isPublic = false, nobodyAnswers = false }: Made): Promise<void> {
  await page.getByRole('link', { name: 'Groups' }).click();
  await page.getByRole('button', { name: 'New group' }).click();
  const dialog = page.getByRole('dialog', { name: 'New group' });
  await dialog.getByLabel('Name').fill(title);
  await dialog.getByRole('radio', { name: kind }).check({ force: true });
  await dialog.getByLabel('People').fill(people);
  if (isPublic) await dialog.getByRole('checkbox').check();
  if (nobodyAnswers) {
    await dialog.getByRole('button', { name: /^Model:/ }).click();
    await page.getByRole('menuitemradio', { name: /^Nobody/ }).click();
  }
  await dialog.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('heading', { name: title, level: 1 }).waitFor();
}

const openPeople = async (page: Page) => {
  await page.getByRole('button', { name: /^People: / }).click();
  return page.getByRole('dialog', { name: /^People/ });
};

describe.skipIf(!hasBrowser)('Chats of several people', () => {
  let world: World;
  let ada: Page;
  let bob: Page;
  beforeAll(async () => {
    world = await startWorld();
    ada = await world.openAs('ada');
    bob = await world.openAs('bob');
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('show who writes, and who is typing', async () => {
    await make(ada, { title: 'Just the two', people: 'bob', nobodyAnswers: true });
    await ada.getByText('No model answers in this chat.').waitFor();
    await bob.reload();
    await bob.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name: 'Just the two' }).click();
    await field(bob).waitFor();
    await ada.getByRole('button', { name: 'People: 2' }).waitFor();
    await bob.getByRole('button', { name: 'People: 2' }).waitFor();
    await field(bob).pressSequentially('Hello, Ada');
    await ada.getByText('bob is typing…').waitFor();
    expect(await bob.getByText('is typing…').count()).toBe(0);
    await field(bob).press('Enter');
    const message = ada.getByRole('article', { name: 'Message of bob' });
    await message.getByText('Hello, Ada').waitFor();
    await ada.getByText('bob is typing…').waitFor({ state: 'detached' });
    await bob.getByRole('article', { name: 'Your message' }).getByText('Hello, Ada').waitFor();
    expect(await answers(ada).count()).toBe(0);
    expect(await message.getByRole('button', { name: 'Edit message' }).count()).toBe(0);
  });

  it('say which names nobody has, and are made all the same', async () => {
    await make(ada, { title: 'With a wrong name', people: '@bob, nobody-of-that-name' });
    await ada.getByRole('alert').filter({ hasText: 'Not brought in: nobody-of-that-name: There is no such user.' }).waitFor();
    await ada.getByRole('button', { name: 'People: 2' }).waitFor();
    await ada.getByRole('button', { name: 'Close' }).click();
  });

  it('have a model that answers everybody', async () => {
    await make(ada, { title: 'With a model', people: 'bob' });
    world.standIn.next({ pieces: ['Both of you are right.'] });
    await say(ada, 'Who is right?');
    await answerWith(ada, 'Both of you are right.');
    await bob.reload();
    await bob.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name: 'With a model' }).click();
    await answerWith(bob, 'Both of you are right.');
    await bob.getByRole('article', { name: 'Message of ada' }).waitFor();
  });

  it('can be found and joined when they are public, and left again', async () => {
    await make(ada, { title: 'Open to all', isPublic: true });
    await bob.getByRole('link', { name: 'Groups' }).click();
    await bob.reload();
    await bob.getByRole('listitem', { name: 'Open to all' }).getByRole('button', { name: 'Join' }).click();
    await bob.getByRole('heading', { name: 'Open to all', level: 1 }).waitFor();
    await ada.getByRole('button', { name: 'People: 2' }).waitFor();
    await bob.getByRole('button', { name: 'More for this chat' }).click();
    await bob.getByRole('menuitem', { name: 'Leave…' }).click();
    await bob.getByRole('dialog', { name: 'Leave this chat?' }).getByRole('button', { name: 'Leave' }).click();
    await bob.getByText('What would you like to talk about?').waitFor();
    await bob.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name: 'Open to all' }).waitFor({ state: 'detached' });
    await ada.getByRole('button', { name: 'People: 1' }).waitFor();
  });

  it('let members of a channel read, until they are let write', async () => {
    await make(ada, { title: 'Announcements', kind: 'Channel', people: 'bob', nobodyAnswers: true });
    await say(ada, 'Read this.');
    await bob.reload();
    await bob.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name: 'Announcements' }).click();
    await bob.getByText('You can read here.').waitFor();
    expect(await field(bob).count()).toBe(0);
    const people = await openPeople(ada);
    await people.getByRole('listitem', { name: 'bob' }).getByText('Member · only reads').waitFor();
    await people.getByRole('button', { name: 'Change bob' }).click();
    await ada.getByRole('menuitem', { name: 'Let write' }).click();
    await field(bob).waitFor();
    await ada.keyboard.press('Escape');
    await people.waitFor({ state: 'detached' });
  });

  it('have roles, which the owner gives, and can be handed over', async () => {
    await make(ada, { title: 'Handed over', people: 'bob' });
    const people = await openPeople(ada);
    const row = people.getByRole('listitem', { name: 'bob' });
    await people.getByRole('button', { name: 'Change bob' }).click();
    await ada.getByRole('menuitem', { name: 'Make admin' }).click();
    await row.getByText('Admin').waitFor();
    await people.getByRole('button', { name: 'Change bob' }).click();
    await ada.getByRole('menuitem', { name: 'Hand over the chat…' }).click();
    await ada.getByRole('dialog', { name: 'Hand over to bob?' }).getByRole('button', { name: 'Hand over' }).click();
    await row.getByText('Owner').waitFor();
    await people.getByRole('listitem', { name: 'ada' }).getByText('Admin').waitFor();
    expect(await people.getByRole('button', { name: 'Change bob' }).count()).toBe(0);
    await ada.keyboard.press('Escape');
    await ada.getByRole('button', { name: 'More for this chat' }).click();
    await ada.getByRole('menuitem', { name: 'Leave…' }).waitFor();
    await ada.keyboard.press('Escape');
  });

  it('are lost at once by whoever is taken out; the words stay, with the name', async () => {
    await make(ada, { title: 'Taken out', people: 'bob', nobodyAnswers: true });
    await bob.reload();
    await bob.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name: 'Taken out' }).click();
    await say(bob, 'I was here');
    await ada.getByRole('article', { name: 'Message of bob' }).waitFor();
    const people = await openPeople(ada);
    await people.getByRole('button', { name: 'Change bob' }).click();
    await ada.getByRole('menuitem', { name: 'Remove…' }).click();
    await ada.getByRole('dialog', { name: 'Remove bob?' }).getByRole('button', { name: 'Remove' }).click();
    await bob.getByText('This chat is not here').waitFor();
    await bob.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name: 'Taken out' }).waitFor({ state: 'detached' });
    await ada.keyboard.press('Escape');
    await ada.getByRole('article', { name: 'Message of bob' }).getByText('I was here').waitFor();
    await eventually(() => ada.getByRole('button', { name: 'People: 1' }).count()).toBe(1);
  });

  it('say what is wrong with a name', async () => {
    await make(ada, { title: 'Nobody yet' });
    const people = await openPeople(ada);
    await people.getByLabel('Username').fill('no-such-person');
    await people.getByRole('button', { name: 'Bring in' }).click();
    await people.getByRole('alert').filter({ hasText: 'There is no such user.' }).waitFor();
    await people.getByLabel('Username').fill('@bob');
    await people.getByLabel('Username').press('Enter');
    await people.getByText('bob is in this chat.').waitFor();
    await people.getByRole('checkbox', { name: /Everybody on this server may join/ }).check();
    await ada.keyboard.press('Escape');
    await ada.getByRole('link', { name: 'Groups' }).click();
    await ada.getByRole('listitem', { name: 'Nobody yet' }).waitFor();
  });
});
