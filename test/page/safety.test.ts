import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answers, eventually, hasBrowser, openedChat, say, startWorld, type World } from './world.ts';

/** Attempts to run something, or to call somewhere, out of what a model, a person or a title says. */
const attempts = [
  '<script>window.__ran = 1</script>',
  '<img src=x onerror="window.__ran = 2">',
  '<svg/onload="window.__ran = 3">',
  '<iframe src="javascript:window.top.__ran = 4"></iframe>',
  '[click](javascript:window.__ran=5)',
  '[click](data:text/html,<script>window.__ran=6</script>)',
  '![picture](https://tracker.example/pixel.png)',
  '<https://safe.example/> and <javascript:window.__ran=7>',
  '<style>body { display: none }</style>',
  '<form action="https://evil.example"><input name=q><button>Send</button></form>',
  '<a href="https://evil.example" onclick="window.__ran = 8">link</a>',
  '```html\n<script>window.__ran = 9</script>\n```',
  '```"><img src=x onerror="window.__ran = 10">\ncode\n```',
  '| a |\n|---|\n| <img src=x onerror="window.__ran=11"> |',
  '[ref]: javascript:window.__ran=12\n\n[ref]',
  '<math><mtext></mtext><mglyph><img src=x onerror="window.__ran=13"></mglyph></math>',
];

async function check(page: Page): Promise<void> {
  expect(await page.evaluate('window.__ran')).toBeUndefined();
  for (const tag of ['script:not([src])', 'iframe', 'style', '.markdown img', '.markdown form', '.markdown input:not([type=checkbox])', '[onerror]', '[onclick]', 'a[href^="javascript"]', 'a[href^="data"]']) {
    expect(await page.locator(tag).count(), tag).toBe(0);
  }
}

describe.skipIf(!hasBrowser)('What models and people say on the page', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  it('never runs, and calls nowhere', async () => {
    const everything = attempts.join('\n\n');
    const page = await openedChat(world, everything, 'Understood');
    world.standIn.next({ pieces: attempts.flatMap((attempt) => [...(attempt.match(/.{1,7}/gs) ?? []), '\n\n']), delayMs: 1 });
    await say(page, 'Say it all');
    await eventually(() => answers(page, 'DELIVERED').count()).toBe(2);
    for (const link of await page.locator('.markdown a').all()) {
      expect(await link.getAttribute('href')).toMatch(/^(https?:|mailto:)/);
      expect(await link.getAttribute('rel')).toBe('noopener noreferrer nofollow');
    }
    await check(page);
    await page.reload();
    await eventually(() => answers(page, 'DELIVERED').count()).toBe(2);
    await check(page);
    expect(world.complaints()).toEqual([]);
  });

  it.each(attempts.slice(0, 5))('is only text in a title: %s', async (attempt) => {
    const page = await openedChat(world, 'Harmless', 'Yes');
    await page.getByRole('button', { name: 'More for Harmless' }).first().click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await page.getByRole('textbox', { name: 'New title' }).fill(attempt);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1 }).filter({ hasText: attempt }).waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('option').filter({ hasText: attempt }).first().waitFor();
    await check(page);
    expect(world.complaints()).toEqual([]);
  });

  it('says so itself: the page allows no script, style or address but its own', async () => {
    const response = await fetch(world.url, { headers: { accept: 'text/html' } });
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("style-src 'self'");
    expect(policy).not.toContain('unsafe');
  });
});
