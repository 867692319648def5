import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { engines, openTestStorage, type TestStorage } from '../../../base/storage/testing.ts';
import type { Viewer } from '../../accounts/index.ts';
import type { Bounds } from '../../budgets/index.ts';
import { addViewer, readToEnd, startConversations } from '../testing.ts';
import type { Conversation } from '../types.ts';

const unbounded: Bounds = { requests: null, tokens: null, costMicros: null };

describe.each(engines)('what answers cost a budget on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let owner: Viewer;
  let ann: Viewer;
  let chat: Conversation;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    owner = { ...(await addViewer(store.storage, 'owner', 'owner')), scopes: ['read', 'write', 'chat', 'admin'] };
    ann = await addViewer(store.storage, 'ann');
    house = await startConversations(store.storage);
    chat = await house.conversations.create(ann, { title: 'Trees', origin: 'test' });
    await bound({ tokens: 5000, requests: 10 });
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  const bound = (bounds: Partial<Bounds>) => house.budgets.set(owner, { kind: 'user', id: ann.userId }, 'day', { ...unbounded, ...bounds });
  const state = async () => (await house.budgets.list(ann))[0]!;
  const send = (content: string, maxTokens?: number) => house.conversations.send(ann, chat.id, { content, dialect: 'test', sampling: { maxTokens } });
  const ended = (id: string) => readToEnd(house.conversations.attach(ann, id, 0, new AbortController().signal));
  const usage = () => store.storage.read.selectFrom('usage').selectAll().orderBy('id').execute();
  const nothingHeld = { reserved: { requests: 0, tokens: 0 } };

  test('a usage row that the database does not take holds up no others', async () => {
    const bob = await addViewer(store.storage, 'bob');
    const ask = async (viewer: Viewer) => {
      const { events } = await house.conversations.answerUnstored(viewer, { model: null, messages: [{ role: 'user', content: 'Hello?' }], dialect: 'test' }, new AbortController().signal);
      return Array.fromAsync(events);
    };
    const asked = ask(bob);
    const call = await house.models.call();
    await store.storage.write((queries) => queries.deleteFrom('users').where('id', '=', bob.userId).execute());
    call.finish();
    await asked;
    house.models.answerWith(['fine']);
    await Promise.all([ask(ann), ask(ann)]);
    await vi.waitFor(async () => expect((await usage()).map((row) => row.user_id)).toEqual([ann.userId, ann.userId]));
    expect(await state()).toMatchObject({ used: { requests: 2 }, ...nothingHeld });
  });

  describe('a kept answer', () => {
    test('is reserved with its row, and settled when it is delivered', async () => {
      const { answer } = await send('What is an oak?', 500);
      const { reserved } = await state();
      expect(reserved.requests).toBe(1);
      expect(reserved.tokens).toBeGreaterThan(500);
      (await house.models.call()).finish();
      await ended(answer!.id);
      expect(await state()).toMatchObject({ used: { requests: 1, tokens: 10 }, ...nothingHeld });
    });

    test('holds more when the conversation before it is longer, and no more than fits into the context', async () => {
      house.models.answerWith(['x'.repeat(3000)]);
      await ended((await send('y'.repeat(3000), 1)).answer!.id);
      house.models.answerWith(null);
      await send('And?', 1);
      expect((await state()).reserved.tokens).toBeGreaterThan(2000);
      expect((await state()).reserved.tokens).toBeLessThan(2100);
      house.models.contextLength = 500;
      await house.conversations.cancel(ann, (await send('More?', 1)).answer!.id);
      await send('More?', 1);
      expect((await state()).reserved.tokens).toBeLessThan(2100 + 502);
    });

    test('that does not fit is refused, and nothing of it is stored', async () => {
      await bound({ requests: 0 });
      await expect(send('What is an oak?')).rejects.toMatchObject({ code: 'budget_exceeded', status: 429 });
      await expect(house.conversations.sendWithHistory(ann, { origin: 'test' }, [], { content: 'Hello?', dialect: 'test' })).rejects.toMatchObject({ code: 'budget_exceeded' });
      expect(await store.storage.read.selectFrom('messages').select('id').execute()).toEqual([]);
      expect(await house.conversations.list(ann, { limit: 10, offset: 0 })).toHaveLength(1);
      expect((await house.conversations.send(ann, chat.id, { content: 'A note', answer: false, dialect: 'test' })).answer).toBeNull();
    });

    test('is refused for edits, further answers and those that go on, too', async () => {
      const sent = await send('What is an oak?');
      (await house.models.call()).say({ type: 'text', text: 'An' }, { type: 'usage', usage: { tokensIn: 1, tokensOut: 1 } }, { type: 'finish', reason: 'length' });
      await ended(sent.answer!.id);
      await bound({ requests: 1 });
      const refused = { code: 'budget_exceeded' };
      await expect(house.conversations.regenerate(ann, sent.answer!.id, { dialect: 'test' })).rejects.toMatchObject(refused);
      await expect(house.conversations.continue(ann, sent.answer!.id, { dialect: 'test' })).rejects.toMatchObject(refused);
      await expect(house.conversations.edit(ann, sent.userMessage.id, 'Other', { dialect: 'test' })).rejects.toMatchObject(refused);
    });

    test('that is cancelled counts its prompt and what was said', async () => {
      const { answer } = await send('What is an oak?', 500);
      const call = await house.models.call();
      call.text('An oak is a tree. '.repeat(10));
      for await (const events of house.conversations.attach(ann, answer!.id, 0, new AbortController().signal)) {
        if (events.some((event) => event.kind === 'text')) break;
      }
      await house.conversations.cancel(ann, answer!.id);
      const [row] = await usage();
      expect(row).toMatchObject({ outcome: 'CANCELLED', tokens_in: null });
      expect(row!.charged_tokens).toBeGreaterThan(40);
      expect(row!.charged_tokens).toBeLessThan(100);
      expect(await state()).toMatchObject({ used: { requests: 1, tokens: row!.charged_tokens }, ...nothingHeld });
    });

    test('that is cancelled while it waits costs nothing', async () => {
      await send('One');
      const second = await send('Two');
      expect(second.answer).toMatchObject({ status: 'QUEUED' });
      expect((await state()).reserved.requests).toBe(2);
      await house.conversations.cancel(ann, second.answer!.id);
      expect(await state()).toMatchObject({ used: { requests: 0 }, reserved: { requests: 1 } });
    });

    test('that fails before it says anything costs nothing', async () => {
      const { answer } = await send('What is an oak?');
      (await house.models.call()).say({ type: 'error', error: { code: 'provider_unavailable', message: 'Down.', serviceFault: true } });
      await ended(answer!.id);
      expect(await state()).toMatchObject({ used: { requests: 0, tokens: 0 }, ...nothingHeld });
    });

    test('for which there is no model reserves nothing', async () => {
      expect((await house.conversations.send(ann, chat.id, { content: 'Hello?', model: 'missing', dialect: 'test' })).answer).toMatchObject({ status: 'FAILED' });
      expect(await state()).toMatchObject({ used: { requests: 0 }, ...nothingHeld });
    });

    test('that a stopped server left behind is settled by the next start', async () => {
      const { answer } = await send('What is an oak?', 500);
      (await house.models.call()).text('An oak is ');
      for await (const events of house.conversations.attach(ann, answer!.id, 0, new AbortController().signal)) {
        if (events.some((event) => event.kind === 'text')) break;
      }
      // As after a kill: the row says that it runs, and nobody runs it.
      const turn = await store.storage.read.selectFrom('turns').selectAll().executeTakeFirstOrThrow();
      await store.storage.write((queries) => queries.updateTable('turns').set({ owner: 'a dead instance', lease_until: 1, epoch: turn.epoch + 1 }).execute());
      const next = await startConversations(store.storage);
      await expect.poll(async () => (await house.conversations.message(ann, answer!.id)).status, { timeout: 10_000 }).toBe('INTERRUPTED');
      const { used, reserved } = (await next.budgets.list(ann))[0]!;
      expect([used.requests, reserved.requests]).toEqual([1, 0]);
      expect(used.tokens).toBeGreaterThan(5);
      expect(used.tokens).toBeLessThan(100);
      await next.stop();
    });

    test('of a conversation that is deleted counts, also when the deletion did not wait for it', async () => {
      await send('What is an oak?', 500);
      (await house.models.call()).text('An oak');
      await house.conversations.delete(ann, chat.id);
      expect(await state()).toMatchObject({ used: { requests: 1 }, ...nothingHeld });

      const other = await house.conversations.create(ann, { title: 'Birds', origin: 'test' });
      await house.conversations.send(ann, other.id, { content: 'What is a wren?', dialect: 'test' });
      const call = await house.models.call();
      await store.storage.write((queries) => queries.deleteFrom('conversations').where('id', '=', other.id).execute());
      call.text('A bird.');
      await expect.poll(async () => (await usage()).length).toBe(2);
      expect(await state()).toMatchObject({ used: { requests: 2 }, ...nothingHeld });
    });
  });

  test('answers that are sent while their conversation is being deleted hold nothing', async () => {
    const { storage } = store;
    const write = storage.write.bind(storage);
    let sent = false;
    const spy = vi.spyOn(storage, 'write').mockImplementation(async (work) => {
      // Between the cancelling of what there is and the removal.
      if (spy.mock.calls.length === 2 && !sent) {
        sent = true;
        await send('What is an oak?');
        await send('And an elm?');
      }
      return write(work);
    });
    await house.conversations.delete(ann, chat.id);
    spy.mockRestore();
    expect(sent).toBe(true);
    await expect.poll(state).toMatchObject(nothingHeld);
  });

  describe('an answer that is not kept', () => {
    const ask = (signal = new AbortController().signal, maxTokens?: number) =>
      house.conversations.answerUnstored(ann, { model: null, messages: [{ role: 'user', content: 'What is an oak?' }], maxTokens, dialect: 'test' }, signal);
    const read = async (events: AsyncIterable<unknown>): Promise<void> => {
      for await (const _ of events);
    };

    test('is reserved before the model is asked, and settled at its end', async () => {
      const reply = await ask();
      expect((await state()).reserved.requests).toBe(1);
      const reading = read(reply.events);
      (await house.models.call()).finish();
      await reading;
      await expect.poll(state).toMatchObject({ used: { requests: 1, tokens: 10 }, ...nothingHeld });
    });

    test('that does not fit is refused before the model is asked', async () => {
      await bound({ tokens: 100 });
      await expect(ask(undefined, 200)).rejects.toMatchObject({ code: 'budget_exceeded' });
      expect(house.models.calls).toEqual([]);
    });

    test('is freed when its client goes away before reading, and settled when it goes away in the middle', async () => {
      const gone = new AbortController();
      await ask(gone.signal);
      gone.abort();
      await expect.poll(state).toMatchObject({ used: { requests: 0 }, ...nothingHeld });

      const leaving = new AbortController();
      const reading = read((await ask(leaving.signal)).events);
      (await house.models.call()).text('An oak');
      leaving.abort();
      await reading;
      await expect.poll(state).toMatchObject({ used: { requests: 1 }, ...nothingHeld });
      expect((await state()).used.tokens).toBeGreaterThan(0);
    });

    test('is settled when the server stops', async () => {
      const reading = read((await ask()).events);
      (await house.models.call()).text('An oak');
      await house.stop();
      await reading;
      expect(await usage()).toMatchObject([{ outcome: 'CANCELLED' }]);
      expect(await store.storage.read.selectFrom('budget_reservations').select('id').execute()).toEqual([]);
      house = await startConversations(store.storage);
      expect((await state()).used.requests).toBe(1);
    });

    test('is an embedding as well', async () => {
      const embed = (texts: string[]) => house.conversations.embedUnstored(ann, { model: null, texts, dialect: 'test' }, new AbortController().signal);
      await embed(['one', 'two']);
      await expect.poll(state).toMatchObject({ used: { requests: 1, tokens: 2 }, ...nothingHeld });
      await expect(embed(['fail'])).rejects.toMatchObject({ code: 'provider_error' });
      await expect.poll(async () => (await usage()).length).toBe(2);
      expect(await state()).toMatchObject({ used: { requests: 1 }, ...nothingHeld });
    });

    test('never uses more than the budget, however many are asked at the same time', async () => {
      await bound({ requests: 5 });
      house.models.answerWith(['word']);
      const results = await Promise.allSettled(Array.from({ length: 20 }, async () => read((await ask()).events)));
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(5);
      await expect.poll(state).toMatchObject({ used: { requests: 5 }, ...nothingHeld });
    });
  });

  test('a title that a model makes counts, too, and is not made when the budget is used up', async () => {
    await house.stop();
    house = await startConversations(store.storage, { autoTitles: 'model' });
    const untitled = await house.conversations.create(ann, { origin: 'test' });
    const { answer } = await house.conversations.send(ann, untitled.id, { content: 'What is an oak?', dialect: 'test' });
    (await house.models.call()).say({ type: 'text', text: 'A tree.' }, { type: 'usage', usage: { tokensIn: 5, tokensOut: 3 } }, { type: 'finish', reason: 'stop' });
    await ended(answer!.id);
    (await house.models.call()).say({ type: 'text', text: 'Oaks' }, { type: 'usage', usage: { tokensIn: 20, tokensOut: 1 } }, { type: 'finish', reason: 'stop' });
    await expect.poll(state).toMatchObject({ used: { requests: 2, tokens: 29 }, ...nothingHeld });

    await bound({ requests: 3 });
    const second = await house.conversations.create(ann, { origin: 'test' });
    const again = await house.conversations.send(ann, second.id, { content: 'What is an elm?', dialect: 'test' });
    (await house.models.call()).finish();
    await ended(again.answer!.id);
    const titles = async () => (await house.jobs.list({ kind: 'conversation-title' }, 10)).map((job) => [job.state, job.error]);
    await expect.poll(titles).toEqual([[expect.stringMatching(/waiting|failed/), expect.stringContaining('Your budget of 3 requests a day is used up.')], ['done', null]]);
    expect((await house.conversations.get(ann, second.id)).title).toBe('What is an elm?');
  });
});
