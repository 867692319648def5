import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answerWith, field, hasBrowser, openedChat, startWorld, type World } from './world.ts';

async function fillSignUp(page: Page, username: string, password: string): Promise<void> {
  await page.getByLabel('Username').fill(username);
  await page.getByLabel('Name', { exact: true }).fill('Ada Lovelace');
  await page.getByLabel('Email').fill('ada@example.org');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Password, once more').fill(password);
}

describe.skipIf(!hasBrowser)('Signing in on the page', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('needs nothing on the machine itself; a password makes the owner’s account of it, with everything said before', async () => {
    const page = await openedChat(world, 'Said before the account', 'Kept.');
    await page.getByRole('button', { name: /Owner of this machine/ }).click();
    await page.getByRole('menuitem', { name: 'Set a password' }).click();
    await fillSignUp(page, 'ada', 'correct horse battery');
    await page.getByLabel('Password, once more').fill('another');
    await page.getByLabel('Password, once more').fill('another one');
    await page.getByRole('button', { name: /Make the owner/ }).click();
    await page.getByText('The two passwords differ.').waitFor();
    await page.getByLabel('Password, once more').fill('correct horse battery');
    await page.getByRole('button', { name: /Make the owner/ }).click();
    await page.getByRole('button', { name: /Ada Lovelace/ }).waitFor();
    await page.getByRole('link', { name: 'Said before the account' }).click();
    await answerWith(page, 'Kept.');
    await field(page).fill('A secret draft');

    await page.getByRole('button', { name: /Ada Lovelace/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
    expect(await page.evaluate("Object.keys(localStorage).filter((name) => name.includes('draft'))")).toEqual([]);
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();

    await page.getByLabel('Username').fill('ada');
    await page.getByLabel('Password').fill('wrong password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alert').getByText('Invalid credentials').waitFor();
    await page.getByLabel('Password').fill('correct horse battery');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await answerWith(page, 'Kept.');
  });

  it('shows somebody else only what is theirs', async () => {
    const page = await world.open();
    await page.getByRole('button', { name: /Ada Lovelace/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign up' }).click();
    await fillSignUp(page, 'grace', 'another long password');
    await page.getByRole('button', { name: 'Sign up', exact: true }).click();
    await page.getByText('No chats yet.').waitFor();
    await page.goto(`${world.url}/setup`);
    await page.getByText('Models are added by those who run this server.').waitFor();
  });

  it('goes back to the owner of the machine at a click', async () => {
    const page = await world.open();
    await page.getByRole('button', { name: /Ada Lovelace/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Continue as the owner of this machine' }).click();
    await page.getByRole('link', { name: 'Said before the account' }).waitFor();
  });

  it('asks to sign in again in every tab when the sign-in is over', async () => {
    const page = await world.open();
    const other = await world.tab(page, '/setup');
    await other.getByRole('heading', { name: 'What can answer' }).waitFor();
    await page.bringToFront();
    await page.getByRole('button', { name: /Ada Lovelace/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
    // A browser draws a tab that nobody looks at when it has time.
    await other.bringToFront();
    await other.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
  });
});

describe.skipIf(!hasBrowser)('Signing in where the machine itself is not trusted', () => {
  it('asks for the set-up code first', async () => {
    const world = await startWorld({ settings: { LOCAL_TRUST: 'off' } });
    try {
      const page = await world.open();
      await page.getByRole('heading', { name: 'Sign up' }).waitFor();
      expect(await page.getByRole('button', { name: /Continue as the owner/ }).count()).toBe(0);
      await fillSignUp(page, 'ada', 'correct horse battery');
      await page.getByLabel('Set-up code').fill('not the code');
      await page.getByRole('button', { name: /Make the owner/ }).click();
      await page.getByRole('alert').waitFor();
      await page.getByLabel('Set-up code').fill(world.parts().accounts.setupCode()!);
      await page.getByRole('button', { name: /Make the owner/ }).click();
      await page.getByRole('button', { name: /Ada Lovelace/ }).waitFor();
      expect(world.complaints()).toEqual([]);
    } finally {
      await world.close();
    }
  });
});
