import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { newId } from '../../base/ids.ts';
import { engines, openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import { addViewer, readToEnd, startConversations, textOf } from './testing.ts';
import type { ConversationEvent } from './types.ts';

const page = { limit: 50, offset: 0 };

describe.each(engines)('appended messages on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let ann: Viewer;
  let bob: Viewer;
  let chat: string;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    ann = await addViewer(store.storage, 'ann');
    bob = await addViewer(store.storage, 'bob');
    house = await startConversations(store.storage);
    chat = (await house.conversations.create(ann, { origin: 'test' })).id;
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  test('stand in order, with what is said of them, and nothing is asked of a model', async () => {
    const { conversations } = house;
    const system = await conversations.append(ann, chat, { role: 'system', content: 'Be brief.' });
    const question = await conversations.append(ann, chat, { role: 'user', content: 'Hello AI!', tokens: 5, metadata: { note: 1 } });
    const answer = await conversations.append(ann, chat, { role: 'assistant', content: 'Hello!', model: 'gpt-4o', tokens: 12 });
    expect(await conversations.messages(ann, chat, page)).toEqual([system, question, answer]);
    expect(system).toMatchObject({ role: 'system', senderId: null, status: 'DELIVERED', parentId: null, seq: 1, tokensIn: null, tokensOut: null, model: null });
    expect(question).toMatchObject({ role: 'user', senderId: ann.userId, parentId: system.id, seq: 2, tokensIn: 5, tokensOut: null, metadata: { note: 1 } });
    expect(answer).toMatchObject({ role: 'assistant', senderId: null, parentId: question.id, seq: 3, tokensIn: 0, tokensOut: 12, model: 'gpt-4o', costMicros: null, durationMs: null });
    expect(answer.endedAt).toBe(answer.createdAt);
    expect(house.models.calls).toHaveLength(0);
    expect(await store.storage.read.selectFrom('usage').selectAll().execute()).toEqual([]);
    expect(await conversations.get(ann, chat)).toMatchObject({ messageCount: 3, headId: answer.id, title: 'Hello AI!', titleSource: 'first-message' });
    expect((await conversations.participants(ann, chat))[0]!.messageCount).toBe(1);
  });

  test('are part of what a model is asked next, and are found again by their history', async () => {
    const { conversations, models } = house;
    models.answerWith(['fine']);
    await conversations.append(ann, chat, { role: 'user', content: 'one' });
    await conversations.append(ann, chat, { role: 'assistant', content: 'two' });
    const history = [{ role: 'user' as const, content: 'one' }, { role: 'assistant' as const, content: 'two' }];
    const sent = await conversations.sendWithHistory(ann, { origin: 'test' }, history, { content: 'three', dialect: 'test' });
    expect(sent.conversationId).toBe(chat);
    await readToEnd(conversations.attach(ann, sent.answer!.id, 0, new AbortController().signal));
    expect(models.calls[0]!.request.messages).toEqual([...history, { role: 'user', content: 'three' }]);
  });

  test('are heard by those who watch, and can be attached to', async () => {
    const heard: ConversationEvent[] = [];
    const leave = await house.conversations.watch(ann, chat, (event) => heard.push(event));
    const question = await house.conversations.append(ann, chat, { role: 'user', content: 'question' });
    const answer = await house.conversations.append(ann, chat, { role: 'assistant', content: 'answer' });
    await vi.waitFor(() => expect(heard.filter((event) => event.type === 'message' || event.type === 'turn_ended')).toMatchObject([{ message: { id: question.id } }, { message: { id: answer.id, content: 'answer' } }]));
    leave();
    const events = await readToEnd(house.conversations.attach(ann, answer.id, 0, new AbortController().signal));
    expect(textOf(events)).toBe('answer');
    expect(events.at(-1)).toMatchObject({ kind: 'end', status: 'DELIVERED' });
  });

  test('come behind an answer in the making without disturbing it', async () => {
    const { conversations, models } = house;
    const { answer } = await conversations.send(ann, chat, { content: 'question', dialect: 'test' });
    const call = await models.call();
    const note = await conversations.append(ann, chat, { role: 'user', content: 'a note' });
    call.text('done');
    call.finish();
    await readToEnd(conversations.attach(ann, answer!.id, 0, new AbortController().signal));
    expect(note.parentId).toBe(answer!.id);
    expect((await conversations.messages(ann, chat, page)).map((message) => message.content)).toEqual(['question', 'done', 'a note']);
  });

  test.each([
    ['invalid_request', { role: 'tool' as 'user', content: 'text' }],
    ['empty_message', { role: 'user' as const, content: ' \n' }],
    ['invalid_request', { role: 'user' as const, content: 'a\0b' }],
    ['invalid_request', { role: 'assistant' as const, content: 'a', tokens: -1 }],
    ['invalid_request', { role: 'assistant' as const, content: 'a', tokens: 1.5 }],
    ['invalid_request', { role: 'assistant' as const, content: 'a', tokens: 1e12 }],
  ])('are refused with %s: %j', async (code, message) => {
    await expect(house.conversations.append(ann, chat, message)).rejects.toMatchObject({ code });
    expect(await house.conversations.messages(ann, chat, page)).toEqual([]);
  });

  test('need a part in the conversation, whose owner is known', async () => {
    const { conversations } = house;
    await expect(conversations.append(bob, chat, { role: 'user', content: 'hi' })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(conversations.append(ann, newId(), { role: 'user', content: 'hi' })).rejects.toMatchObject({ code: 'not_found' });
    expect(await conversations.ownerOf(chat)).toBe(ann.userId);
    expect(await conversations.ownerOf(newId())).toBeNull();
    expect(await conversations.ownerOf("' or 1=1")).toBeNull();
  });

  test('beside a server that runs turns, an answer is left to that server', async () => {
    house.models.answerWith(['from', ' the', ' server']);
    const beside = await startConversations(store.storage, { runsTurns: false });
    try {
      const { answer } = await beside.conversations.send(ann, chat, { content: 'question', dialect: 'test' });
      expect(answer).toMatchObject({ status: 'QUEUED' });
      await vi.waitFor(async () => expect(await beside.conversations.message(ann, answer!.id)).toMatchObject({ status: 'DELIVERED', content: 'from the server' }), { timeout: 8000, interval: 50 });
      expect(beside.models.calls).toHaveLength(0);
    } finally {
      await beside.stop();
    }
  });

  test('a process beside a server interrupts nothing that the server runs', async () => {
    const { answer } = await house.conversations.send(ann, chat, { content: 'question', dialect: 'test' });
    const call = await house.models.call();
    const beside = await startConversations(store.storage, { runsTurns: false });
    await beside.stop();
    call.text('still here');
    call.finish();
    const events = await readToEnd(house.conversations.attach(ann, answer!.id, 0, new AbortController().signal));
    expect(textOf(events)).toBe('still here');
    expect(events.at(-1)).toMatchObject({ kind: 'end', status: 'DELIVERED' });
  });
});
