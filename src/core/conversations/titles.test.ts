import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import { titleFrom } from './sending.ts';
import { addViewer, readToEnd, startConversations } from './testing.ts';
import { cleanTitle } from './titles.ts';

describe('the title of a new conversation', () => {
  test.each([
    ['How do trees drink?', 'How do trees drink?'],
    ['  ## A heading \n and more', 'A heading'],
    ['\n\n', 'New chat'],
    ['word '.repeat(40), 'word word word word word word word word word word word word…'],
    ['x'.repeat(100), `${'x'.repeat(60)}…`],
    ['😀'.repeat(70), `${'😀'.repeat(60)}…`],
  ])('of %j is %j', (content, title) => {
    expect(titleFrom(content)).toBe(title);
  });

  test.each([
    ['"How Trees Drink"', 'How Trees Drink'],
    ['Title: **Trees**\nBecause they are trees', 'Trees'],
    ['<think>a title, hm</think>\nTrees', 'Trees'],
    ['', null],
    ['a'.repeat(200), null],
  ])('asked of a model, %j becomes %j', (said, title) => {
    expect(cleanTitle(said)).toBe(title);
  });
});

describe('a title asked of the model', () => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let ann: Viewer;

  beforeEach(async () => {
    store = await openTestStorage('sqlite');
    ann = await addViewer(store.storage, 'ann');
    house = await startConversations(store.storage, { autoTitles: 'model' });
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  async function answered(content: string) {
    const chat = await house.conversations.create(ann, { origin: 'test' });
    const sent = await house.conversations.send(ann, chat.id, { content, dialect: 'test' });
    const call = await house.models.call();
    call.text('By their roots.');
    call.finish();
    await readToEnd(house.conversations.attach(ann, sent.answer!.id, 0, new AbortController().signal));
    return chat;
  }

  /** Resolves when the conversation has changed as wanted. */
  async function changedTo(id: string, source: string): Promise<string> {
    const changed = Promise.withResolvers<string>();
    const look = async () => {
      const { title, titleSource } = await house.conversations.get(ann, id);
      if (titleSource === source) changed.resolve(title);
    };
    const stop = await house.conversations.watch(ann, id, (event) => void (event.type === 'changed' && look()));
    await look();
    const title = await changed.promise;
    stop();
    return title;
  }

  test('replaces the beginning of the first message, and what it used is noted', async () => {
    const chat = await answered('How do trees drink?');
    const asked = await house.models.call();
    expect(asked.request.messages[0]!.content).toContain('How do trees drink?');
    asked.text('How Trees Drink');
    asked.finish();
    expect(await changedTo(chat.id, 'model')).toBe('How Trees Drink');
    const usage = await store.storage.read.selectFrom('usage').select(['dialect', 'tokens_out']).orderBy('created_at').execute();
    expect(usage).toEqual([{ dialect: 'test', tokens_out: 3 }, { dialect: 'title', tokens_out: 3 }]);
  });

  test('never replaces what a person wrote', async () => {
    const chat = await answered('How do trees drink?');
    const asked = await house.models.call();
    await house.conversations.change(ann, chat.id, { title: 'Mine' });
    asked.text('Another');
    asked.finish();
    const done = await house.jobs.list({ kind: 'conversation-title' }, 1);
    await house.jobs.wait(done[0]!.id);
    expect((await house.conversations.get(ann, chat.id)).title).toBe('Mine');
  });
});
