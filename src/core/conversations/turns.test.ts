import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestStorage, engines, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import { addViewer, readToEnd, scriptedModels, startConversations, textOf } from './testing.ts';
import type { Conversation, TurnEvent } from './types.ts';

const options = { dialect: 'test' };

describe.each(engines)('a turn on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let ann: Viewer;
  let chat: Conversation;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    ann = await addViewer(store.storage, 'ann');
    house = await startConversations(store.storage);
    chat = await house.conversations.create(ann, { title: 'Trees', origin: 'test' });
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  const send = (content: string) => house.conversations.send(ann, chat.id, { content, ...options });
  const attach = (id: string, after = 0, signal = new AbortController().signal) => house.conversations.attach(ann, id, after, signal);
  const message = (id: string) => house.conversations.message(ann, id);

  test('stores the question and the answer in the making before the model is asked', async () => {
    const sent = await send('What is an oak?');
    expect(sent.userMessage).toMatchObject({ status: 'DELIVERED', content: 'What is an oak?', seq: 1, senderId: ann.userId });
    expect(sent.answer).toMatchObject({ status: 'PROCESSING', parentId: sent.userMessage.id, seq: 2, senderId: null, model: 'scripted/one' });
    const call = await house.models.call();
    expect(call.request.messages).toEqual([{ role: 'user', content: 'What is an oak?' }]);
  });

  test('shows each piece only when it is committed, and the stored message is what was shown', async () => {
    const { answer } = await send('What is an oak?');
    const call = await house.models.call();
    const seen: TurnEvent[] = [];
    const reader = (async () => {
      for await (const batch of attach(answer!.id)) {
        for (const event of batch) {
          seen.push(event);
          if (event.kind !== 'text') continue;
          const row = await store.storage.read.selectFrom('turn_log').selectAll().where('message_id', '=', answer!.id).where('seq', '=', event.seq).executeTakeFirst();
          expect(row).toBeDefined();
          if (event.text === 'An oak ') call.text('is a tree.');
          else call.finish();
        }
      }
    })();
    call.text('An oak ');
    await reader;
    expect(textOf(seen)).toBe('An oak is a tree.');
    expect(seen.map((event) => event.seq)).toEqual(seen.map((_, index) => index + 1));
    expect(seen.at(-1)).toMatchObject({ kind: 'end', status: 'DELIVERED', finishReason: 'stop' });
    expect(await message(answer!.id)).toMatchObject({ content: 'An oak is a tree.', status: 'DELIVERED', tokensIn: 7, tokensOut: 3 });
    const usage = await store.storage.read.selectFrom('usage').selectAll().execute();
    expect(usage).toMatchObject([{ model: 'scripted/one', tokens_in: 7, tokens_out: 3, outcome: 'DELIVERED', message_id: answer!.id }]);
  });

  test('can be followed from any place, while it runs and after it ended, without gap or repeat', async () => {
    const { answer } = await send('Count');
    const call = await house.models.call();
    const whole = readToEnd(attach(answer!.id));
    for (const word of ['one ', 'two ', 'three ', 'four']) {
      call.text(word);
      await new Promise((resolve) => setImmediate(resolve));
    }
    call.finish();
    const events = await whole;
    expect(textOf(events)).toBe('one two three four');
    const last = events.at(-1)!.seq;
    for (let after = 0; after <= last; after += 1) {
      const rest = await readToEnd(attach(answer!.id, after));
      const seenBefore = await store.storage.read.selectFrom('turn_log').selectAll().where('message_id', '=', answer!.id).where('seq', '<=', after).orderBy('seq').execute();
      const before = seenBefore.filter((row) => row.kind === 'text').map((row) => row.body).join('');
      const texts = rest.flatMap((event) => (event.kind === 'text' ? [event.text] : []));
      expect(before + texts.join('')).toBe('one two three four');
      expect(rest.at(-1)?.kind).toBe('end');
    }
  });

  test('after its log is folded away is told as one piece', async () => {
    house.models.answerWith(['a ', 'b']);
    const { answer } = await send('Count');
    await readToEnd(attach(answer!.id));
    await store.storage.write((queries) => queries.deleteFrom('turn_log').execute());
    const events = await readToEnd(attach(answer!.id));
    expect(textOf(events)).toBe('a b');
    expect(events.at(-1)?.kind).toBe('end');
  });

  test('goes on when nobody follows it', async () => {
    const { answer } = await send('What is an oak?');
    const gone = new AbortController();
    const reader = readToEnd(attach(answer!.id, 0, gone.signal));
    const call = await house.models.call();
    call.text('An ');
    gone.abort();
    await reader;
    call.text('oak');
    call.finish();
    expect(textOf(await readToEnd(attach(answer!.id)))).toBe('An oak');
  });

  test('five quick messages get five answers in order, each knowing the ones before', async () => {
    house.models.answerWith(['ok']);
    const sent = await Promise.all([1, 2, 3, 4, 5].map((n) => send(`message ${n}`)));
    for (const { answer } of sent) await readToEnd(attach(answer!.id));
    const path = await house.conversations.messages(ann, chat.id, { limit: 100, offset: 0 });
    expect(path.map((item) => item.role)).toEqual(Array.from({ length: 10 }, (_, index) => (index % 2 ? 'assistant' : 'user')));
    expect(path.every((item) => item.status === 'DELIVERED')).toBe(true);
    expect(house.models.calls.map((call) => call.request.messages.length)).toEqual([1, 3, 5, 7, 9]);
    const rows = await store.storage.read.selectFrom('messages').select('path_hash').execute();
    expect(rows.every((row) => row.path_hash !== null)).toBe(true);
  });

  test('at most eight wait; the ninth is refused and nothing of it is stored', async () => {
    for (let n = 0; n < 9; n += 1) await send(`message ${n}`);
    await expect(send('one too many')).rejects.toMatchObject({ code: 'queue_full' });
    const contents = await store.storage.read.selectFrom('messages').select('content').execute();
    expect(contents.some((row) => row.content === 'one too many')).toBe(false);
  });

  test('cancelled, it keeps its text, stops the model, and the next waiting one begins', async () => {
    const first = await send('Tell me a story');
    const second = await send('And another');
    const call = await house.models.call();
    call.text('Once upon');
    const seen = attach(first.answer!.id);
    await seen[Symbol.asyncIterator]().next();
    const ended = await house.conversations.cancel(ann, first.answer!.id);
    expect(ended).toMatchObject({ status: 'CANCELLED', error: null });
    expect(call.signal.aborted).toBe(true);
    expect('Once upon'.startsWith(ended.content)).toBe(true);
    const next = await house.models.call();
    next.text('Two');
    next.finish();
    expect(textOf(await readToEnd(attach(second.answer!.id)))).toBe('Two');
  });

  test('cancelled while it waits, it never asks the model', async () => {
    await send('first');
    const second = await send('second');
    expect(second.answer!.status).toBe('QUEUED');
    expect(await house.conversations.cancel(ann, second.answer!.id)).toMatchObject({ status: 'CANCELLED', content: '' });
    (await house.models.call()).finish();
    expect((await readToEnd(attach(second.answer!.id))).at(-1)).toMatchObject({ kind: 'end', status: 'CANCELLED' });
    expect(house.models.calls).toHaveLength(1);
  });

  test('cancelling twice, or after the end, changes nothing', async () => {
    house.models.answerWith(['done']);
    const { answer } = await send('Go');
    await readToEnd(attach(answer!.id));
    const once = await house.conversations.cancel(ann, answer!.id);
    expect(once).toMatchObject({ status: 'DELIVERED', content: 'done' });
  });

  test('fails with a message that helps and keeps its text when the model breaks off', async () => {
    const { answer } = await send('Go');
    const call = await house.models.call();
    call.text('So far');
    call.say({ type: 'error', error: { code: 'provider_error', message: 'The service cut the connection.', serviceFault: true } });
    const events = await readToEnd(attach(answer!.id));
    expect(events.at(-1)).toMatchObject({ kind: 'end', status: 'FAILED', error: { code: 'provider_error' } });
    expect(await message(answer!.id)).toMatchObject({ content: 'So far', status: 'FAILED', error: { message: 'The service cut the connection.' } });
  });

  test('fails when the model throws, without taking anything else along', async () => {
    const { answer } = await send('Go');
    (await house.models.call()).throw(new Error('secret inside'));
    await readToEnd(attach(answer!.id));
    const failed = await message(answer!.id);
    expect(failed.status).toBe('FAILED');
    expect(failed.error!.message).not.toContain('secret');
  });

  test('stores what was typed when there is no model, as a failed answer', async () => {
    const sent = await house.conversations.send(ann, chat.id, { content: 'Hello', model: 'missing', ...options });
    expect(sent.answer).toMatchObject({ status: 'FAILED', error: { code: 'model_not_found' } });
    expect((await readToEnd(attach(sent.answer!.id))).at(-1)).toMatchObject({ kind: 'end', status: 'FAILED' });
    await expect(house.conversations.send(ann, chat.id, { content: 'Hello', model: 'missing', withoutModel: 'throw', ...options })).rejects.toMatchObject({ code: 'model_not_found' });
    expect((await house.conversations.get(ann, chat.id)).messageCount).toBe(2);
  });

  test('makes text safe to store: no NUL, no half of a pair, whatever the model sends', async () => {
    const { answer } = await send('Go');
    const call = await house.models.call();
    const [high, low] = ['\ud83d', '\ude00'];
    for (const piece of ['a\0b', high, low, ' ', low, high]) {
      call.text(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    call.finish();
    const events = await readToEnd(attach(answer!.id));
    expect(textOf(events)).toBe('a\ufffdb😀 \ufffd\ufffd');
    for (const event of events) if (event.kind === 'text') expect(event.text.isWellFormed()).toBe(true);
    expect((await message(answer!.id)).content).toBe('a\ufffdb😀 \ufffd\ufffd');
    await expect(send('nul \0')).rejects.toMatchObject({ code: 'invalid_request' });
    expect((await send('lone \ud83d surrogate')).userMessage.content).toBe('lone \ufffd surrogate');
  });

  test('sent twice with one key is stored once', async () => {
    const first = await house.conversations.send(ann, chat.id, { content: 'Once', idempotencyKey: 'k1', ...options });
    const again = await house.conversations.send(ann, chat.id, { content: 'Once', idempotencyKey: 'k1', ...options });
    expect(again.userMessage.id).toBe(first.userMessage.id);
    expect(again.answer!.id).toBe(first.answer!.id);
    const both = await Promise.allSettled([1, 2].map(() => house.conversations.send(ann, chat.id, { content: 'Twice', idempotencyKey: 'k2', ...options })));
    const ids = both.map((result) => (result.status === 'fulfilled' ? result.value.userMessage.id : result.reason));
    expect(ids[0]).toBe(ids[1]);
    const other = await house.conversations.create(ann, { title: 'Other', origin: 'test' });
    await expect(house.conversations.send(ann, other.id, { content: 'Elsewhere, another conversation', idempotencyKey: 'k1', ...options })).rejects.toMatchObject({ code: 'conflict' });
  });

  test('two equal sends at the same time, among others, are stored once', async () => {
    house.models.answerWith(['ok']);
    const chats = await Promise.all(Array.from({ length: 6 }, (_, n) => house.conversations.create(ann, { title: `${n}`, origin: 'test' })));
    const others = chats.map((other) => house.conversations.send(ann, other.id, { content: 'other', ...options }));
    const equal = Array.from({ length: 4 }, () => house.conversations.send(ann, chat.id, { content: 'same', idempotencyKey: 'same', ...options }));
    const ids = (await Promise.all(equal)).map((sent) => sent.userMessage.id);
    expect(new Set(ids).size).toBe(1);
    await Promise.all(others);
  });

  test('has no hole when its events could not be stored for a moment: it ends FAILED with what was stored', async () => {
    const append = store.storage.appendTurnLog.bind(store.storage);
    const { answer } = await send('Count');
    const call = await house.models.call();
    call.text('one ');
    await readUntilText(attach(answer!.id), 'one ');
    const failing = Promise.withResolvers<void>();
    store.storage.appendTurnLog = async (rows) => {
      if (typeof rows === 'function') rows();
      failing.resolve();
      store.storage.appendTurnLog = append;
      // What the model says while the append fails must not be stored behind the hole.
      call.text('three ');
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error('the database was away');
    };
    call.text('two ');
    await failing.promise;
    const events = await readToEnd(attach(answer!.id));
    expect(textOf(events)).toBe('one ');
    expect(events.at(-1)).toMatchObject({ kind: 'end', status: 'FAILED', error: { code: 'storage_unavailable' } });
    expect(await message(answer!.id)).toMatchObject({ content: 'one ', status: 'FAILED' });
    expect(call.signal.aborted).toBe(true);
    expect((await send('Next')).answer!.status).toBe('PROCESSING');
  });

  test('names the model that really spoke, also to its readers', async () => {
    const { answer } = await send('Who are you?');
    const call = await house.models.call();
    call.say({ type: 'model', model: 'other/two' }, { type: 'text', text: 'Two' });
    call.finish();
    const events = await readToEnd(attach(answer!.id));
    expect(events[0]).toMatchObject({ kind: 'start', model: 'other/two' });
    expect(await message(answer!.id)).toMatchObject({ model: 'other/two' });
  });

  test('stopped when the model had finished already, it is DELIVERED', async () => {
    const { answer } = await send('Go');
    const call = await house.models.call();
    call.text('whole');
    call.finish();
    const ended = await house.conversations.cancel(ann, answer!.id);
    expect([ended.status, ended.content]).toEqual(ended.status === 'DELIVERED' ? ['DELIVERED', 'whole'] : ['CANCELLED', '']);
  });

  describe('branches', () => {
    beforeEach(() => house.models.answerWith(['first ', 'answer']));

    test('regenerate, edit and continue make siblings; select steps between them', async () => {
      const sent = await send('Question');
      await readToEnd(attach(sent.answer!.id));
      const again = await house.conversations.regenerate(ann, sent.answer!.id, options);
      await readToEnd(attach(again.id));
      expect((await message(again.id)).siblings).toEqual([sent.answer!.id, again.id]);

      const edited = await house.conversations.edit(ann, sent.userMessage.id, 'Better question', options);
      await readToEnd(attach(edited.answer!.id));
      expect(edited.userMessage).toMatchObject({ isEdited: true, replacesId: sent.userMessage.id, siblings: [sent.userMessage.id, edited.userMessage.id] });
      expect((await house.conversations.messages(ann, chat.id, { limit: 10, offset: 0 })).map((item) => item.content)).toEqual(['Better question', 'first answer']);

      const shown = await house.conversations.selectBranch(ann, sent.userMessage.id);
      expect(shown.headId).toBe(again.id);
      await house.conversations.selectBranch(ann, sent.answer!.id);
      expect((await house.conversations.messages(ann, chat.id, { limit: 10, offset: 0 })).map((item) => item.id)).toEqual([sent.userMessage.id, sent.answer!.id]);
      expect((await house.conversations.get(ann, chat.id)).messageCount).toBe(2);
    });

    test('are refused while an answer is being made', async () => {
      const sent = await send('Question');
      await readToEnd(attach(sent.answer!.id));
      house.models.answerWith(null);
      await send('Next');
      for (const attempt of [
        () => house.conversations.regenerate(ann, sent.answer!.id, options),
        () => house.conversations.edit(ann, sent.userMessage.id, 'other', options),
        () => house.conversations.selectBranch(ann, sent.answer!.id),
      ]) await expect(attempt()).rejects.toMatchObject({ code: 'conflict' });
    });
  });

  test('a continued answer begins with the text that was kept, and the model goes on behind it', async () => {
    const sent = await send('Tell');
    const call = await house.models.call();
    call.text('Once upon ');
    await attach(sent.answer!.id)[Symbol.asyncIterator]().next();
    await readUntilText(attach(sent.answer!.id), 'Once upon ');
    await house.conversations.cancel(ann, sent.answer!.id);
    const next = await house.conversations.continue(ann, sent.answer!.id, options);
    const second = await house.models.call();
    expect(second.request.prefill).toBe('Once upon ');
    expect(second.request.messages).toEqual([{ role: 'user', content: 'Tell' }]);
    second.text('a time');
    second.finish();
    expect(textOf(await readToEnd(attach(next.id)))).toBe('Once upon a time');
    expect((await message(next.id)).content).toBe('Once upon a time');
    await expect(house.conversations.continue(ann, next.id, options)).rejects.toMatchObject({ code: 'conflict' });
  });

  describe('that goes on behind a kept text keeps it', () => {
    /** An answer that was stopped behind `Once `, continued. */
    async function continued() {
      const sent = await send('Tell');
      const call = await house.models.call();
      call.text('Once ');
      await readUntilText(attach(sent.answer!.id), 'Once ');
      await house.conversations.cancel(ann, sent.answer!.id);
      return () => house.conversations.continue(ann, sent.answer!.id, options);
    }

    test('when the server dies before it goes on', async () => {
      const next = await (await continued())();
      await house.models.call();
      await store.storage.write(async (queries) => {
        await queries.deleteFrom('turn_log').where('message_id', '=', next.id).execute();
        await queries.updateTable('turns').set({ owner: 'a dead instance', lease_until: 1, epoch: 9 }).where('state', '=', 'RUNNING').execute();
      });
      const old = house;
      house = await startConversations(store.storage);
      await old.stop();
      await expect.poll(() => message(next.id), { timeout: 10_000 }).toMatchObject({ status: 'INTERRUPTED', content: 'Once ' });
      expect(textOf(await readToEnd(attach(next.id)))).toBe('Once ');
    });

    test('when it fails before the model is asked', async () => {
      const goOn = await continued();
      house.models.contextLength = 1;
      const next = await goOn();
      expect(textOf(await readToEnd(attach(next.id)))).toBe('Once ');
      expect(await message(next.id)).toMatchObject({ status: 'FAILED', content: 'Once ', error: { code: 'context_overflow' } });
    });
  });

  test('leaves out the oldest messages when they do not fit, never the system prompt and the newest', async () => {
    const models = scriptedModels((text) => text.length);
    models.contextLength = 1000;
    models.answerWith(['x'.repeat(100)]);
    await house.stop();
    house = await startConversations(store.storage, { models });
    const long = await house.conversations.create(ann, { title: 'Long', systemPrompt: 's'.repeat(100), maxTokens: 100, origin: 'test' });
    for (let n = 0; n < 8; n += 1) {
      const sent = await house.conversations.send(ann, long.id, { content: `${n}`.repeat(100), ...options });
      await readToEnd(attach(sent.answer!.id));
    }
    const last = models.calls.at(-1)!.request.messages;
    expect(last[0]).toEqual({ role: 'system', content: 's'.repeat(100) });
    expect(last.at(-1)!.content).toBe('7'.repeat(100));
    const tokens = last.reduce((sum, item) => sum + item.content.length + 8, 0);
    expect(tokens).toBeLessThanOrEqual(900);
    expect(tokens).toBeGreaterThan(700);
    const tooLong = await house.conversations.send(ann, long.id, { content: 'y'.repeat(2000), ...options });
    await readToEnd(attach(tooLong.answer!.id));
    expect(await message(tooLong.answer!.id)).toMatchObject({ status: 'FAILED', error: { code: 'context_overflow' } });
  });

  test('a stopping server lets answers finish, then marks them INTERRUPTED; waiting ones begin at the next start', async () => {
    const sent = await send('Long');
    const waiting = await send('Waiting');
    const call = await house.models.call();
    call.text('half');
    await readUntilText(attach(sent.answer!.id), 'half');
    await house.stop();
    expect(await message(sent.answer!.id)).toMatchObject({ status: 'INTERRUPTED', content: 'half' });
    expect((await message(waiting.answer!.id)).status).toBe('QUEUED');
    const models = scriptedModels();
    models.answerWith(['now']);
    house = await startConversations(store.storage, { models });
    expect(textOf(await readToEnd(attach(waiting.answer!.id)))).toBe('now');
  });

  test('found running after a crash is INTERRUPTED with the text that was committed', async () => {
    const sent = await send('Go');
    await send('Next');
    const call = await house.models.call();
    call.text('seen text');
    await readUntilText(attach(sent.answer!.id), 'seen text');
    // The crash: nothing of the old process runs on, its lease is never given back.
    const old = house;
    await store.storage.write((queries) => queries.updateTable('turns').set({ owner: 'a dead instance', lease_until: 1, epoch: 9 }).where('state', '=', 'RUNNING').execute());
    const models = scriptedModels();
    models.answerWith(['second']);
    house = await startConversations(store.storage, { models });
    call.text(' never seen');
    await old.stop();
    await expect.poll(() => message(sent.answer!.id), { timeout: 10_000 }).toMatchObject({ status: 'INTERRUPTED', content: 'seen text' });
    expect((await message(sent.answer!.id)).content).toBe('seen text');
    const path = await house.conversations.messages(ann, chat.id, { limit: 10, offset: 0 });
    expect(textOf(await readToEnd(attach(path.at(-1)!.id)))).toBe('second');
  });
});

async function readUntilText(events: AsyncIterable<TurnEvent[]>, wanted: string): Promise<void> {
  let text = '';
  for await (const batch of events) {
    for (const event of batch) if (event.kind === 'text') text += event.text;
    if (text.length >= wanted.length) return;
  }
  throw new Error(`ended with "${text}"`);
}
