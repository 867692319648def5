import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Viewer } from '../../src/core/accounts/index.ts';
import { answers, answerWith, eventually, hasBrowser, say, startWorld, type World } from './world.ts';

const pairs = 1200;

/** Scroll position and height of the conversation. */
const measure = (page: Page): Promise<{ top: number; height: number; view: number }> =>
  page.evaluate("(() => { const box = document.querySelector('[data-scroller]'); return { top: box.scrollTop, height: box.scrollHeight, view: box.clientHeight }; })()");

/** Which message is seen first, and where. */
const look = `(() => {
  const edge = document.querySelector('[data-scroller]').getBoundingClientRect().top;
  const first = [...document.querySelectorAll('[data-message]')].find((row) => row.getBoundingClientRect().bottom > edge);
  return { id: first.dataset.message, y: first.getBoundingClientRect().y };
})()`;

/** Resolves when the next two pictures have been drawn. */
const drawn = 'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))';

describe.skipIf(!hasBrowser)('A conversation of 2,400 messages', () => {
  let world: World;
  let address: string;
  beforeAll(async () => {
    world = await startWorld();
    const owner = await world.parts().accounts.owner();
    const viewer: Viewer = { userId: owner.id, username: owner.username, role: owner.role, scopes: ['read', 'write', 'chat'], via: 'internal', credentialId: null, expiresAt: null };
    const history = [...Array(pairs).keys()].flatMap((at) => [
      { role: 'user' as const, content: `Question ${at}` },
      { role: 'assistant' as const, content: `Answer ${at}\n\n- a point\n- another\n\n\`\`\`js\nconst answer = ${at};\n\`\`\`` },
    ]);
    const made = await world.parts().conversations.sendWithHistory(viewer, { title: 'Long', origin: 'test' }, history, { content: 'The last question', answer: false, dialect: 'test' });
    address = `/c/${made.conversationId}`;
  });
  afterAll(() => world.close());

  it('opens with its end in sight, quickly', async () => {
    const page = await world.open();
    await page.getByRole('link', { name: 'Long' }).waitFor();
    const began = performance.now();
    await page.getByRole('link', { name: 'Long' }).click();
    await page.getByText('The last question', { exact: true }).waitFor();
    const took = performance.now() - began;
    const { top, height, view } = await measure(page);
    expect(height - top - view).toBeLessThan(40);
    expect(await page.locator('[data-message]').count()).toBeLessThanOrEqual(101);
    // Generous: this machine may be busy. What it takes alone is far less.
    expect(took).toBeLessThan(3000);
    expect(world.complaints()).toEqual([]);
  });

  it('goes to its very beginning when a search asks for it', async () => {
    const { id } = await world.parts().storage.read.selectFrom('messages').select('id').where('content', '=', 'Question 0').executeTakeFirstOrThrow();
    const page = await world.open();
    await page.getByRole('link', { name: 'Long' }).waitFor();
    await page.goto(`${world.url}${address}?message=${id}`);
// Generous: all of its messages are drawn, and this machine may be busy.
    await expect.poll(() => page.evaluate('document.activeElement.dataset.message'), { timeout: 45_000 }).toBe(id);
    await page.evaluate(drawn);
    const { y } = await page.evaluate<{ y: number }>(`document.querySelector('[data-message="${id}"]').getBoundingClientRect().toJSON()`);
    expect(y).toBeGreaterThan(0);
    expect(y).toBeLessThan(800);
    expect(world.complaints()).toEqual([]);
  });

  it('loads older messages as one scrolls up, and what is read stays where it is', async () => {
    const page = await world.open(address);
    await page.getByText('The last question', { exact: true }).waitFor();
    for (let step = 0; step < 4; step += 1) {
      const before = await page.locator('[data-message]').count();
      const asked = Promise.withResolvers<void>();
      const held = Promise.withResolvers<void>();
      await page.route(/offset=[1-9]/, async (route) => {
        asked.resolve();
        await held.promise;
        await route.continue();
      }, { times: 1 });
      await page.evaluate("document.querySelector('[data-scroller]').scrollTop = 300");
      await asked.promise;
      await page.evaluate(drawn);
      const seen = await page.evaluate<{ id: string; y: number }>(look);
      held.resolve();
      await eventually(() => page.locator('[data-message]').count()).toBeGreaterThan(before);
      await page.evaluate(drawn);
      const now = (await page.locator(`[data-message="${seen.id}"]`).boundingBox())!.y;
      expect(Math.abs(now - seen.y)).toBeLessThan(3);
    }
    await page.getByRole('button', { name: 'Jump to latest' }).click();
    await eventually(async () => {
      const { top, height, view } = await measure(page);
      return height - top - view;
    }).toBeLessThan(40);
    expect(world.complaints()).toEqual([]);
  });

  it('keeps the end in sight while an answer grows, unless one has scrolled up', async () => {
    const script = world.standIn.next({ gated: true, pieces: [...Array(60).keys()].map((at) => `Line ${at} of the answer.\n\n`) });
    const page = await world.open(address);
    await page.getByText('The last question', { exact: true }).waitFor();
    await say(page, 'A long answer, please');
    script.release(20);
    await answerWith(page, 'Line 19');
    await eventually(async () => {
      const { top, height, view } = await measure(page);
      return height - top - view;
    }).toBeLessThan(40);
    await page.mouse.move(700, 400);
    await page.mouse.wheel(0, -600);
    await page.getByRole('button', { name: 'Jump to latest' }).waitFor();
    const { top } = await measure(page);
    script.release(Infinity);
    await answers(page, 'DELIVERED').filter({ hasText: 'Line 59' }).waitFor();
    expect(Math.abs((await measure(page)).top - top)).toBeLessThan(3);
  });
});
