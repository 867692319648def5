import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Viewer } from '../../src/core/accounts/index.ts';
import { answers, field, hasBrowser, openedChat, say, startWorld, type World } from './world.ts';

describe.skipIf(!hasBrowser)('Usage and budgets', () => {
  let world: World;
  let owner: Viewer;
  beforeAll(async () => {
    world = await startWorld();
    const { id, username, role } = await world.parts().accounts.owner();
    owner = { userId: id, username, role, scopes: ['read', 'write', 'chat', 'admin'], via: 'internal', credentialId: null, expiresAt: null };
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  const setBudget = (bounds: { requests: number | null; tokens?: number }) =>
    world.parts().budgets.set(owner, { kind: 'user', id: owner.userId }, 'month', { tokens: null, costMicros: null, ...bounds });

  it('are a page of their own, reached by keyboard: this month by day and by model, and what is left', async () => {
    const page = await openedChat(world, 'What is an oak?', 'A tree.');
    await page.getByRole('button', { name: /Owner of this machine/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('menuitem', { name: 'Usage' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Usage', level: 1 }).waitFor();
    const month = page.getByRole('region', { name: 'This month' });
    await month.getByText(/tokens in 1 call\./).waitFor();
    await page.getByRole('region', { name: 'By model' }).getByRole('rowheader', { name: 'stand-in/demo' }).waitFor();
    expect(await page.getByRole('region', { name: 'What you may use' }).count()).toBe(0);

    await setBudget({ requests: 4, tokens: 100_000 });
    await page.reload();
    const budgets = page.getByRole('region', { name: 'What you may use' });
    await budgets.getByRole('progressbar', { name: 'Requests: 3 left of 4' }).waitFor();
    await budgets.getByText(/Starts anew/).waitFor();
  });

  it('say in the chat when a budget is used up, and keep what was typed', async () => {
    await setBudget({ requests: null });
    const page = await openedChat(world, 'What is an elm?', 'Another tree.');
    await setBudget({ requests: 1 });
    await say(page, 'And a beech?');
    await page.getByText(/Not sent\. Your budget of 1 request a month is used up\. It starts anew at \d{4}-\d\d-01 00:00 UTC\./).waitFor();
    await setBudget({ requests: 100 });
    world.standIn.next({ pieces: ['A tree, too.'] });
    await page.getByRole('button', { name: 'Send again' }).click();
    await answers(page, 'DELIVERED').filter({ hasText: 'A tree, too.' }).waitFor();
    expect(await field(page).inputValue()).toBe('');
  });
});
