import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answers, answerWith, eventually, field, hasBrowser, openedChat, say, standInModel, startWorld, type World } from './world.ts';

describe.skipIf(!hasBrowser)('Talking to a model on the page', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('answers at once, without any set-up', async () => {
    const page = await world.open();
    await page.getByRole('button', { name: 'Model:' }).click();
    await page.getByRole('menuitemradio', { name: /builtin\/parley/ }).click();
    await page.getByText('It is not a language model').waitFor();
    await say(page, 'Hello!');
    const answer = await answerWith(page, 'not a language model');
    await eventually(() => answer.getByText('Built-in responder').count()).toBeGreaterThan(0);
    expect(new URL(page.url()).pathname).toMatch(/^\/c\/[0-9a-f-]{36}$/);
    await page.getByRole('link', { name: 'Hello!' }).waitFor();
    await eventually(() => page.title()).toBe('Hello! – Parley');
  });

  it('says before anything is sent whether the model is on this machine', async () => {
    const page = await world.open();
    const model = (await world.parts().models.list({ userId: '', role: 'owner' })).find((entry) => entry.id === standInModel)!;
    const note = model.location === 'remote' ? 'what you send in this chat leaves this machine' : 'Nothing leaves it';
    await page.getByText(note).waitFor();
  });

  it('shows the answer while it grows, with Markdown and coloured code to copy', async () => {
    const script = world.standIn.next({ gated: true, pieces: ['# Sum', '\n\nIn **Python**:\n\n```python\n', 'def add(a, b):\n', '    return a + b\n```\n', '\nDone.'] });
    const page = await world.open('/', { permissions: ['clipboard-read', 'clipboard-write'] });
    await say(page, 'How do I add?');
    script.release(2);
    const answer = await answerWith(page, 'In Python');
    await eventually(() => answer.locator('h1').textContent()).toBe('Sum');
    await eventually(() => answer.getAttribute('data-status')).toBe('PROCESSING');
    script.release(Infinity);
    await answers(page, 'DELIVERED').waitFor();
    await answer.locator('.hljs-keyword', { hasText: 'return' }).waitFor();
    await answer.getByRole('button', { name: 'Copy python code' }).click();
    await answer.getByText('Copied').waitFor();
    await eventually(() => page.evaluate('navigator.clipboard.readText()')).toBe('def add(a, b):\n    return a + b\n');
  });

  it('stops, and goes on from there', async () => {
    const script = world.standIn.next({ gated: true, pieces: ['One, ', 'two, ', 'three.'] });
    const page = await world.open();
    await say(page, 'Count to three');
    const request = await script.request;
    script.release(1);
    await answerWith(page, 'One,');
    await page.getByRole('button', { name: 'Stop the answer' }).click();
    await answers(page, 'CANCELLED').waitFor();
    await request.aborted;
    const next = world.standIn.next({ pieces: ['two and three.'] });
    await page.getByRole('button', { name: 'Go on with this answer' }).click();
    await next.request;
    const whole = await answerWith(page, 'One, two and three.');
    await eventually(() => whole.getByRole('group', { name: 'Version 2 of 2' }).count()).toBe(1);
  });

  it('stops with Escape, when nothing else is open that takes it', async () => {
    const script = world.standIn.next({ gated: true, pieces: ['Long', ' story'] });
    const page = await world.open();
    await say(page, 'Tell me');
    script.release(1);
    await answerWith(page, 'Long');
    await page.getByRole('button', { name: /^Model:/ }).click();
    await page.getByRole('menu').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('menu').waitFor({ state: 'detached' });
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog', { name: 'Find a chat' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await eventually(() => answers(page, 'PROCESSING').count()).toBe(1);
    await page.keyboard.press('Escape');
    await answers(page, 'CANCELLED').waitFor();
  });

  it('answers again, edits a question, and steps through the versions', async () => {
    const page = await openedChat(world, 'First question', 'First answer');
    world.standIn.next({ pieces: ['Second answer'] });
    await page.getByRole('button', { name: 'Answer again' }).click();
    const second = await answerWith(page, 'Second answer');
    await eventually(() => answers(page).count()).toBe(1);
    await second.getByRole('group', { name: 'Version 2 of 2' }).waitFor();
    await page.getByRole('button', { name: 'Earlier version' }).click();
    await answerWith(page, 'First answer');
    await page.getByRole('group', { name: 'Version 1 of 2' }).waitFor();

    world.standIn.next({ pieces: ['Answer to another'] });
    await page.locator('[data-type="USER"]').hover();
    await page.getByRole('button', { name: 'Edit message' }).click();
    const edit = page.getByRole('textbox', { name: 'Edit message' });
    await edit.fill('Another question');
    await edit.press('Enter');
    await answerWith(page, 'Answer to another');
    const question = page.locator('[data-type="USER"]');
    await eventually(() => question.textContent()).toContain('Another question');
    // The newest answer to the first question, whichever was shown when it was edited.
    await question.getByRole('button', { name: 'Earlier version' }).click();
    await answerWith(page, 'Second answer');
    await page.reload();
    await answerWith(page, 'Second answer');
    await eventually(() => question.textContent()).toContain('First question');
  });

  it('lets messages wait while an answer is made, and cancels one that waits', async () => {
    const first = world.standIn.next({ gated: true, pieces: ['Answer one'] });
    const page = await world.open();
    await say(page, 'Question one');
    await first.request;
    await answers(page, 'PROCESSING').waitFor();
    await say(page, 'Question two');
    await answers(page, 'QUEUED').waitFor();
    await say(page, 'Question three');
    await eventually(() => answers(page, 'QUEUED').count()).toBe(2);
    await answers(page, 'QUEUED').first().getByRole('button', { name: 'Cancel' }).click();
    await answers(page, 'CANCELLED').waitFor();
    world.standIn.next({ pieces: ['Answer three'] });
    first.release(Infinity);
    await answerWith(page, 'Answer three');
    await eventually(() => page.evaluate("[...document.querySelectorAll('[data-message]')].map((row) => row.dataset.status)")).toEqual([
      'DELIVERED', 'DELIVERED', 'DELIVERED', 'CANCELLED', 'DELIVERED', 'DELIVERED',
    ]);
  });

  it('shows what a model thinks before it speaks', async () => {
    const script = world.standIn.next({ gated: true, reasoning: ['First I ', 'consider.'], pieces: ['Then I speak.'] });
    const page = await world.open();
    await say(page, 'Think');
    script.release(1);
    await page.getByText('First I').waitFor();
    await page.getByText('Thinking…').waitFor();
    script.release(Infinity);
    await answers(page, 'DELIVERED').waitFor();
    await page.getByText('Thoughts').click();
    await page.getByText('First I consider.').waitFor();
  });

  it('says what went wrong and tries again', async () => {
    world.standIn.next({ status: 400, errorBody: { error: { message: 'This model is out of order.' } } });
    const page = await world.open();
    await say(page, 'Anything');
    const failed = answers(page, 'FAILED');
    await failed.waitFor();
    await eventually(() => failed.getByRole('alert').textContent()).not.toBe('');
    world.standIn.next({ pieces: ['It works now.'] });
    await failed.getByRole('button', { name: 'Try again' }).click();
    await answerWith(page, 'It works now.');
  });

  it('keeps what was said when the service breaks off in the middle', async () => {
    world.standIn.next({ pieces: ['The first half', ' and the rest'], fault: { kind: 'cut', after: 1 } });
    const page = await world.open();
    await say(page, 'Anything');
    const failed = answers(page, 'FAILED');
    await failed.waitFor();
    await eventually(() => failed.textContent()).toContain('The first half');
    world.standIn.next({ pieces: [' and the second.'] });
    await failed.getByRole('button', { name: 'Go on', exact: true }).click();
    await answerWith(page, 'The first half and the second.');
  });

  it('shows the figures of an answer', async () => {
    world.standIn.next({ pieces: ['Four', ' words', ' of', ' text'], usage: { tokensIn: 1234, tokensOut: 4 } });
    const page = await world.open();
    await say(page, 'Figures');
    await answers(page, 'DELIVERED').waitFor();
    await page.getByRole('button', { name: 'Figures of this answer' }).click();
    const figures = page.getByRole('dialog', { name: 'Figures of this answer' });
    await figures.waitFor();
    const text = await figures.textContent();
    expect(text).toContain('1,234');
    expect(text).toContain(standInModel);
    expect(text).toMatch(/First token after\d/);
  });

  it('writes several lines with Shift+Enter and keeps what is not sent', async () => {
    const page = await openedChat(world, 'Begin', 'Yes?');
    await field(page).fill('One line');
    await field(page).press('Shift+Enter');
    await field(page).pressSequentially('and another');
    await eventually(() => field(page).inputValue()).toBe('One line\nand another');
    await page.reload();
    await eventually(() => field(page).inputValue()).toBe('One line\nand another');
    await page.getByRole('button', { name: 'New chat' }).first().click();
    await eventually(() => field(page).inputValue()).toBe('');
    await page.goBack();
    await eventually(() => field(page).inputValue()).toBe('One line\nand another');
  });
});
