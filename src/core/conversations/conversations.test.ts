import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../base/ids.ts';
import { openTestStorage, engines, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import { addViewer, readToEnd, startConversations } from './testing.ts';
import type { Conversations } from './contract.ts';
import type { ConversationEvent } from './types.ts';

const options = { dialect: 'test' };
const page = { limit: 50, offset: 0 };

describe.each(engines)('conversations on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let conversations: Conversations;
  let ann: Viewer;
  let bob: Viewer;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    ann = await addViewer(store.storage, 'ann');
    bob = await addViewer(store.storage, 'bob', 'admin');
    house = await startConversations(store.storage);
    conversations = house.conversations;
    house.models.answerWith(['fine']);
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  const follow = (viewer: Viewer, id: string) => readToEnd(conversations.attach(viewer, id, 0, new AbortController().signal));
  async function say(viewer: Viewer, id: string, content: string) {
    const sent = await conversations.send(viewer, id, { content, ...options });
    await follow(viewer, sent.answer!.id);
    return sent;
  }

  test('are numbered for each owner and listed by their last activity', async () => {
    const first = await conversations.create(ann, { title: 'first', origin: 'test' });
    const second = await conversations.create(ann, { title: 'second', origin: 'test' });
    const other = await conversations.create(bob, { title: 'other', origin: 'test' });
    expect([first.number, second.number, other.number]).toEqual([1, 2, 1]);
    await say(ann, first.id, 'hello');
    expect((await conversations.list(ann, page)).map((item) => item.title)).toEqual(['first', 'second']);
    expect(await conversations.list(ann, { limit: 1, offset: 1 })).toMatchObject([{ title: 'second', messageCount: 0, participantCount: 1 }]);
  });

  test('nobody else can read, change, follow or stop anything of them, an admin neither', async () => {
    const chat = await conversations.create(ann, { title: 'private', origin: 'test' });
    const { userMessage, answer } = await say(ann, chat.id, 'my secret');
    const attempts: (() => Promise<unknown>)[] = [
      () => conversations.get(bob, chat.id),
      () => conversations.messages(bob, chat.id, page),
      () => conversations.message(bob, answer!.id),
      () => conversations.participants(bob, chat.id),
      () => conversations.change(bob, chat.id, { title: 'mine' }),
      () => conversations.delete(bob, chat.id),
      () => conversations.typing(bob, chat.id),
      () => conversations.send(bob, chat.id, { content: 'let me in', ...options }),
      () => conversations.edit(bob, userMessage.id, 'changed', options),
      () => conversations.regenerate(bob, answer!.id, options),
      () => conversations.continue(bob, answer!.id, options),
      () => conversations.cancel(bob, answer!.id),
      () => conversations.selectBranch(bob, answer!.id),
      () => follow(bob, answer!.id),
      () => conversations.watch(bob, chat.id, () => undefined),
    ];
    for (const attempt of attempts) await expect(attempt(), attempt.toString()).rejects.toMatchObject({ code: 'forbidden' });
    expect(await conversations.list(bob, page)).toEqual([]);
    expect(await conversations.get(ann, chat.id)).toMatchObject({ title: 'private', messageCount: 2 });
  });

  test('unknown and ill-formed ids are not found', async () => {
    for (const id of [newId(), 'nonsense', '', "' or 1=1 --"]) {
      await expect(conversations.get(ann, id)).rejects.toMatchObject({ code: 'not_found' });
      await expect(conversations.message(ann, id)).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  test('take their title from the first message, until a person gives one', async () => {
    const chat = await conversations.create(ann, { origin: 'test' });
    await say(ann, chat.id, '# How do trees\ndrink?');
    expect(await conversations.get(ann, chat.id)).toMatchObject({ title: 'How do trees', titleSource: 'first-message' });
    await conversations.change(ann, chat.id, { title: 'Trees' });
    await say(ann, chat.id, 'And now?');
    expect(await conversations.get(ann, chat.id)).toMatchObject({ title: 'Trees', titleSource: 'user' });
  });

  test('are paged from the newest, in order inside the page', async () => {
    const chat = await conversations.create(ann, { title: 'pages', origin: 'test' });
    for (let n = 1; n <= 5; n += 1) await conversations.send(ann, chat.id, { content: `${n}`, answer: false, ...options });
    const texts = async (limit: number, offset: number) => (await conversations.messages(ann, chat.id, { limit, offset })).map((item) => item.content).join('');
    expect([await texts(2, 0), await texts(2, 2), await texts(2, 4), await texts(2, 6)]).toEqual(['45', '23', '1', '']);
  });

  test('deleted, they are gone with their messages, and an answer in the making is stopped; the usage stays', async () => {
    const chat = await conversations.create(ann, { title: 'gone', origin: 'test' });
    await say(ann, chat.id, 'hello');
    house.models.answerWith(null);
    await conversations.send(ann, chat.id, { content: 'again', ...options });
    await conversations.delete(ann, chat.id);
    await expect(conversations.get(ann, chat.id)).rejects.toMatchObject({ code: 'not_found' });
    for (const table of ['messages', 'turns', 'turn_log', 'participants'] as const) {
      expect(await store.storage.read.selectFrom(table).selectAll().execute(), table).toEqual([]);
    }
    expect((await store.storage.read.selectFrom('usage').selectAll().execute()).length).toBeGreaterThan(0);
  });

  test('tell those who watch what happens, in order', async () => {
    const chat = await conversations.create(ann, { title: 'watched', origin: 'test' });
    const events: ConversationEvent[] = [];
    const ended = Promise.withResolvers<void>();
    const stop = await conversations.watch(ann, chat.id, (event) => {
      events.push(event);
      if (event.type === 'turn_ended') ended.resolve();
    });
    const { userMessage, answer } = await conversations.send(ann, chat.id, { content: 'hello', ...options });
    await ended.promise;
    expect(events.map((event) => event.type)).toEqual(['message', 'turn', 'turn_ended']);
    expect(events[0]).toMatchObject({ message: { id: userMessage.id, content: 'hello' } });
    expect(events[2]).toMatchObject({ message: { id: answer!.id, content: 'fine', status: 'DELIVERED' } });
    stop();
    const at = await conversations.typing(ann, chat.id);
    expect(at).toBeGreaterThan(0);
    expect(events).toHaveLength(3);
  });

  describe('found by a sent history', () => {
    const fields = { origin: 'openai' };
    const user = (content: string) => ({ role: 'user' as const, content });
    const assistant = (content: string) => ({ role: 'assistant' as const, content });
    const system = { role: 'system' as const, content: 'Be brief.' };

    async function ask(viewer: Viewer, history: Parameters<Conversations['sendWithHistory']>[2], content: string) {
      const sent = await conversations.sendWithHistory(viewer, fields, history, { content, ...options });
      await follow(viewer, sent.answer!.id);
      return sent.conversationId;
    }

    test('go on where the history ends', async () => {
      const first = await ask(ann, [system], 'one');
      const second = await ask(ann, [system, user('one'), assistant('fine')], 'two');
      const third = await ask(ann, [system, user('one'), assistant('fine'), user('two'), assistant('fine')], 'three');
      expect([second, third]).toEqual([first, first]);
      expect((await conversations.get(ann, first)).messageCount).toBe(6);
    });

    test('are new ones when text, prompt, role or owner differ, and hold the history then', async () => {
      const first = await ask(ann, [], 'one');
      const others = [
        await ask(ann, [], 'one'),
        await ask(ann, [user('one'), assistant('fine!')], 'two'),
        await ask(ann, [system, user('one'), assistant('fine')], 'two'),
        await ask(bob, [user('one'), assistant('fine')], 'two'),
      ];
      expect(new Set([first, ...others]).size).toBe(5);
      expect((await conversations.messages(ann, others[1]!, page)).map((item) => item.content)).toEqual(['one', 'fine!', 'two', 'fine']);
    });

    test('are not joined when their system prompt or persona was changed since', async () => {
      const first = await ask(ann, [system], 'one');
      const history = [system, user('one'), assistant('fine')];
      await conversations.change(ann, first, { systemPrompt: 'Be long.' });
      expect(await ask(ann, history, 'two')).not.toBe(first);
      await conversations.change(ann, first, { systemPrompt: 'Be brief.', persona: 'a pirate' });
      expect(await ask(ann, history, 'three')).not.toBe(first);
    });

    test('count the messages of the sender, those of the history too', async () => {
      const id = await ask(ann, [user('one'), assistant('fine!'), user('two'), assistant('fine!')], 'three');
      expect(await conversations.participants(ann, id)).toMatchObject([{ messageCount: 3 }]);
    });

    test('two equal requests at the same time never end in one conversation', async () => {
      await ask(ann, [], 'one');
      const both = await Promise.all([1, 2].map(() => ask(ann, [user('one'), assistant('fine')], 'two')));
      expect(both[0]).not.toBe(both[1]);
    });
  });

  test('a call that is not kept leaves a row of its usage and nothing else', async () => {
    const reply = await conversations.answerUnstored(ann, { model: null, messages: [{ role: 'user', content: 'hi' }], ...options }, new AbortController().signal);
    let text = '';
    for await (const batch of reply.events) for (const event of batch) if (event.type === 'text') text += event.text;
    expect(text).toBe('fine');
    await house.stop();
    const usage = await store.storage.read.selectFrom('usage').selectAll().execute();
    expect(usage).toMatchObject([{ user_id: ann.userId, tokens_in: 7, tokens_out: 3, message_id: null, outcome: 'DELIVERED' }]);
    expect(await store.storage.read.selectFrom('messages').selectAll().execute()).toEqual([]);
  });

  test('vectors leave a row of their usage, also when they fail', async () => {
    const ask = (texts: string[]) => conversations.embedUnstored(ann, { model: null, texts, ...options }, new AbortController().signal);
    expect(await ask(['a', 'b'])).toMatchObject({ model: 'scripted/one', tokensIn: 2, vectors: [Float32Array.of(1, 0), Float32Array.of(1, 0)] });
    await expect(ask(['fail'])).rejects.toMatchObject({ code: 'provider_error' });
    await house.stop();
    const usage = await store.storage.read.selectFrom('usage').selectAll().orderBy('id').execute();
    expect(usage).toMatchObject([{ kind: 'embedding', tokens_in: 2, outcome: 'DELIVERED' }, { kind: 'embedding', tokens_in: null, outcome: 'FAILED' }]);
  });

  test('opens at its newest page quickly however long it is', async () => {
    const chat = await conversations.create(ann, { title: 'long', origin: 'test' });
    for (let n = 0; n < 300; n += 1) await conversations.send(ann, chat.id, { content: `${n}`, answer: false, ...options });
    const newest = await conversations.messages(ann, chat.id, { limit: 10, offset: 0 });
    expect(newest.map((item) => item.depth)).toEqual([291, 292, 293, 294, 295, 296, 297, 298, 299, 300]);
  });
});
