import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestStorage, engines, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import type { ModelMessage } from '../models/index.ts';
import { addViewer, readToEnd, startConversations } from './testing.ts';
import type { Conversations } from './contract.ts';
import type { Message } from './types.ts';

const options = { dialect: 'test' };
const page = { limit: 50, offset: 0 };
const fields = { origin: 'test' };

describe.each(engines)('chains of answers on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let conversations: Conversations;
  let ann: Viewer;
  let bob: Viewer;
  /** Calls of the model that a test has asked for. */
  let taken: number;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    ann = await addViewer(store.storage, 'ann');
    bob = await addViewer(store.storage, 'bob', 'admin');
    house = await startConversations(store.storage);
    conversations = house.conversations;
    house.models.answerWith(['fine']);
    taken = 0;
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  const follow = (id: string) => readToEnd(conversations.attach(ann, id, 0, new AbortController().signal));
  /** The messages that the model was asked with the last time. */
  const asked = () => house.models.calls.at(-1)!.request.messages;
  async function ask(content: string, history: ModelMessage[] = []): Promise<Message> {
    const { answer } = await conversations.sendWithHistory(ann, fields, history, { content, ...options });
    await follow(answer!.id);
    return answer!;
  }
  async function askAfter(answer: Message, content: string): Promise<Message> {
    const sent = await conversations.sendAfter(ann, answer.id, { content, ...options });
    await follow(sent.answer!.id);
    return sent.answer!;
  }
  /** From here on the test answers. Resolves to the next call that is made. */
  function byHand() {
    const earlier = house.models.calls.length;
    house.models.answerWith(null);
    return async () => {
      for (; taken < earlier; taken += 1) await house.models.call();
      taken += 1;
      return house.models.call();
    };
  }
  const contents = async (id: string) => (await conversations.messages(ann, id, page)).map((message) => message.content);

  /** An answer that calls two tools. */
  async function answerWithCalls(): Promise<Message> {
    house.models.answerWith(null);
    const sent = await conversations.sendWithHistory(ann, fields, [], { content: 'weather?', ...options });
    const call = await house.models.call();
    call.say({ type: 'tool', index: 0, id: 'a', name: 'weather', arguments: '{}' }, { type: 'tool', index: 1, id: 'b', name: 'time', arguments: '{}' }, { type: 'finish', reason: 'tool' });
    await follow(sent.answer!.id);
    house.models.answerWith(['fine']);
    return conversations.message(ann, sent.answer!.id);
  }

  test('grow behind the last answer and branch behind an older one', async () => {
    const first = await ask('one');
    const second = await askAfter(first, 'two');
    expect(second.conversationId).toBe(first.conversationId);
    const beside = await askAfter(first, 'two again');
    expect(beside.conversationId).toBe(first.conversationId);
    expect(asked().map((message) => message.content)).toEqual(['one', 'fine', 'two again']);
    expect(await contents(first.conversationId)).toEqual(['one', 'fine', 'two again', 'fine']);
    await askAfter(second, 'three');
    expect(await contents(first.conversationId)).toEqual(['one', 'fine', 'two', 'fine', 'three', 'fine']);
    expect((await conversations.pathTo(ann, beside.id, page)).map((message) => message.content)).toEqual(['one', 'fine', 'two again', 'fine']);
    expect((await conversations.pathTo(ann, beside.id, { limit: 2, offset: 1 })).map((message) => message.content)).toEqual(['fine', 'two again']);
  });

  test('wait for the last answer, and refuse to branch while it is being made', async () => {
    const first = await ask('one');
    const nextCall = byHand();
    const running = await conversations.sendAfter(ann, first.id, { content: 'two', ...options });
    const call = await nextCall();
    const waiting = await conversations.sendAfter(ann, running.answer!.id, { content: 'three', before: [{ role: 'user', content: 'and' }], ...options });
    expect(waiting.answer!.status).toBe('QUEUED');
    await expect(conversations.sendAfter(ann, first.id, { content: 'other', ...options })).rejects.toMatchObject({ code: 'conflict' });
    house.models.answerWith(['fine']);
    call.text('done');
    call.finish();
    await follow(waiting.answer!.id);
    expect(asked().map((message) => message.content)).toEqual(['one', 'fine', 'two', 'done', 'and', 'three']);
    // What waited has its place among sent histories, too.
    const history: ModelMessage[] = (await conversations.messages(ann, first.conversationId, page)).map(({ role, content }) => ({ role, content }));
    expect((await ask('four', history)).conversationId).toBe(first.conversationId);
  });

  test('hold the results of tools, and are found again by a history with them', async () => {
    const answer = await answerWithCalls();
    const results: ModelMessage[] = [{ role: 'tool', toolCallId: 'a', content: 'rain' }];
    const sent = await conversations.sendAfter(ann, answer.id, { before: results, content: '', toolCallId: 'b', ...options });
    await follow(sent.answer!.id);
    expect(asked()).toEqual([
      { role: 'user', content: 'weather?' },
      { role: 'assistant', content: '', toolCalls: answer.toolCalls },
      { role: 'tool', toolCallId: 'a', content: 'rain' },
      { role: 'tool', toolCallId: 'b', content: '' },
    ]);
    expect(await conversations.messages(ann, answer.conversationId, page)).toMatchObject([
      { role: 'user' }, { role: 'assistant', toolCalls: [{ id: 'a' }, { id: 'b' }] }, { role: 'tool', toolCallId: 'a' }, { role: 'tool', toolCallId: 'b' }, { content: 'fine' },
    ]);
    const history = [...asked(), { role: 'assistant' as const, content: 'fine' }];
    expect((await ask('thanks', history)).conversationId).toBe(answer.conversationId);
  });

  test('never show a model calls without results, or results without calls', async () => {
    const answer = await answerWithCalls();
    await askAfter(answer, 'never mind');
    expect(asked()).toEqual([{ role: 'user', content: 'weather?' }, { role: 'user', content: 'never mind' }]);
    const half = await conversations.sendAfter(ann, answer.id, { before: [{ role: 'tool', toolCallId: 'x', content: 'foreign' }, { role: 'tool', toolCallId: 'b', content: 'noon' }], content: 'go on', ...options });
    await follow(half.answer!.id);
    expect(asked().slice(1)).toEqual([
      { role: 'assistant', content: '', toolCalls: [answer.toolCalls![1]] }, { role: 'tool', toolCallId: 'b', content: 'noon' }, { role: 'user', content: 'go on' },
    ]);
  });

  test('fail rather than ask with neither call nor result, when the call does not fit into the context', async () => {
    const answer = await answerWithCalls();
    house.models.contextLength = 64;
    const results: ModelMessage[] = [{ role: 'tool', toolCallId: 'a', content: 'rain '.repeat(20) }];
    const sent = await conversations.sendAfter(ann, answer.id, { before: results, content: 'noon', toolCallId: 'b', ...options });
    expect((await follow(sent.answer!.id)).at(-1)).toMatchObject({ status: 'FAILED', error: { code: 'context_overflow' } });
  });

  test('fail rather than ask with nothing, when a result belongs to no call', async () => {
    const { answer } = await conversations.sendWithHistory(ann, fields, [], { content: 'noon', toolCallId: 'x', ...options });
    expect((await follow(answer!.id)).at(-1)).toMatchObject({ status: 'FAILED', error: { code: 'invalid_request', message: 'No tool call "x" stands before this result.' } });
  });

  test('take instructions for one answer only, and keep what belongs to it', async () => {
    const chat = await conversations.create(ann, { ...fields, systemPrompt: 'Be brief.' });
    const sent = await conversations.send(ann, chat.id, { content: 'one', instructions: 'Be long.', answerMetadata: { response: { text: 'plain' } }, ...options });
    await follow(sent.answer!.id);
    expect(asked()[0]).toEqual({ role: 'system', content: 'Be long.' });
    expect((await conversations.message(ann, sent.answer!.id)).metadata).toEqual({ response: { text: 'plain' } });
    const second = await conversations.sendAfter(ann, sent.answer!.id, { content: 'two', instructions: null, ...options });
    await follow(second.answer!.id);
    expect(asked()[0]).toEqual({ role: 'user', content: 'one' });
    await askAfter(second.answer!, 'three');
    expect(asked()[0]).toEqual({ role: 'system', content: 'Be brief.' });
  });

  test('tell log-probabilities to those who asked for them only', async () => {
    house.models.answerWith(null);
    const kinds: string[][] = [];
    for (const sampling of [{ logprobs: { top: 0 } }, {}]) {
      const sent = await conversations.sendWithHistory(ann, fields, [], { content: 'one', sampling, ...options });
      const call = await house.models.call();
      call.say({ type: 'text', text: 'yes' }, { type: 'logprobs', tokens: [{ token: 'yes', logprob: Math.log(0.5), bytes: null, top: [] }] });
      call.finish();
      kinds.push((await follow(sent.answer!.id)).map((event) => event.kind));
      expect((await conversations.message(ann, sent.answer!.id)).confidence).toBeCloseTo(0.5);
    }
    expect(kinds).toEqual([['start', 'text', 'logprobs', 'usage', 'end'], ['start', 'text', 'usage', 'end']]);
  });

  test('lose a forgotten answer with its question, and go on before it', async () => {
    const first = await ask('one');
    const second = await askAfter(first, 'two');
    await conversations.forgetAnswer(ann, second.id);
    expect(await contents(first.conversationId)).toEqual(['one', 'fine']);
    await expect(conversations.message(ann, second.id)).rejects.toMatchObject({ code: 'not_found' });
    expect((await conversations.participants(ann, first.conversationId))[0]).toMatchObject({ messageCount: 1 });
    expect((await ask('three', [{ role: 'user', content: 'one' }, { role: 'assistant', content: 'fine' }])).conversationId).toBe(first.conversationId);
  });

  test('keep a forgotten answer that others follow, and end with the last one', async () => {
    const first = await ask('one');
    const second = await askAfter(first, 'two');
    await conversations.forgetAnswer(ann, first.id);
    expect((await conversations.message(ann, first.id)).metadata).toEqual({ forgotten: true });
    await askAfter(second, 'three');
    expect(asked().map((message) => message.content)).toEqual(['one', 'fine', 'two', 'fine', 'three']);

    const alone = await ask('alone');
    await conversations.forgetAnswer(ann, alone.id);
    await expect(conversations.get(ann, alone.conversationId)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('lose what was forgotten before, as soon as nothing follows it any more', async () => {
    const first = await ask('one');
    const second = await askAfter(first, 'two');
    const third = await askAfter(second, 'three');
    await conversations.forgetAnswer(ann, second.id);
    await conversations.forgetAnswer(ann, third.id);
    await expect(conversations.message(ann, second.id)).rejects.toMatchObject({ code: 'not_found' });
    expect(await contents(first.conversationId)).toEqual(['one', 'fine']);
    expect((await conversations.participants(ann, first.conversationId))[0]).toMatchObject({ messageCount: 1 });
    // A branch beside it holds on to what is before both.
    const one = await askAfter(first, 'left');
    const other = await askAfter(first, 'right');
    await conversations.forgetAnswer(ann, first.id);
    await conversations.forgetAnswer(ann, other.id);
    expect(await contents(first.conversationId)).toEqual(['one', 'fine', 'left', 'fine']);
    await conversations.forgetAnswer(ann, one.id);
    await expect(conversations.get(ann, first.conversationId)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('lose the history that came with the question, answers of elsewhere included', async () => {
    const history: ModelMessage[] = [{ role: 'user', content: 'a secret' }, { role: 'assistant', content: 'I see' }];
    const answer = await ask('and?', history);
    await conversations.forgetAnswer(ann, answer.id);
    await expect(conversations.get(ann, answer.conversationId)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('stop an answer in the making that is forgotten', async () => {
    const first = await ask('one');
    const nextCall = byHand();
    const running = await conversations.sendAfter(ann, first.id, { content: 'two', ...options });
    const call = await nextCall();
    call.text('half');
    await conversations.forgetAnswer(ann, running.answer!.id);
    expect(call.signal.aborted).toBe(true);
    expect(await contents(first.conversationId)).toEqual(['one', 'fine']);
  });

  test('are nobody else’s to go on from, to read or to forget', async () => {
    const answer = await ask('secret');
    await expect(conversations.sendAfter(bob, answer.id, { content: 'more', ...options })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(conversations.pathTo(bob, answer.id, page)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(conversations.forgetAnswer(bob, answer.id)).rejects.toMatchObject({ code: 'forbidden' });
    expect(await contents(answer.conversationId)).toEqual(['secret', 'fine']);
  });

  test('take a bounded number of messages at a time', async () => {
    const before = Array.from({ length: 129 }, () => ({ role: 'user' as const, content: 'x' }));
    await expect(conversations.sendWithHistory(ann, fields, [], { before, content: 'y', ...options })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(conversations.sendWithHistory(ann, fields, [], { content: ' ', ...options })).rejects.toMatchObject({ code: 'empty_message' });
  });
});
