import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { createBusNetwork, type BusNetwork } from '../../base/events/testing.ts';
import { openStorage, type Storage } from '../../base/storage/index.ts';
import { openTestStorage, postgresTestUrl, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import { addViewer, readToEnd, startConversations, textOf } from './testing.ts';
import type { Conversation, ConversationEvent, TurnEvent } from './types.ts';

const options = { dialect: 'test' };
const never = new AbortController().signal;

type House = Awaited<ReturnType<typeof startConversations>> & { storage: Storage };

describe.skipIf(postgresTestUrl() === null)('several instances on one database', () => {
  let store: TestStorage;
  let network: BusNetwork;
  let houses: House[];
  let one: House;
  let two: House;
  let ann: Viewer;
  let chat: Conversation;

  /** One more instance, with connections of its own. */
  async function open(drainMs = 0): Promise<House> {
    const storage = openStorage(store.options);
    await storage.start();
    const house = { ...(await startConversations(storage, { bus: network.join(), drainMs })), storage };
    houses.push(house);
    return house;
  }
  async function close(house: House): Promise<void> {
    houses = houses.filter((other) => other !== house);
    await house.stop();
    await house.storage.stop();
  }

  beforeEach(async () => {
    store = await openTestStorage('postgres');
    network = createBusNetwork();
    houses = [];
    ann = await addViewer(store.storage, 'ann');
    one = await open();
    two = await open();
    chat = await one.conversations.create(ann, { title: 'Trees', origin: 'test' });
  });
  afterEach(async () => {
    await Promise.all(houses.map(close));
    await store.close();
  });

  const send = (house: House, content: string, idempotencyKey?: string) => house.conversations.send(ann, chat.id, { content, idempotencyKey, ...options });
  const attach = (house: House, id: string, after = 0) => house.conversations.attach(ann, id, after, never);
  const message = (house: House, id: string) => house.conversations.message(ann, id);
  const silence = (): void => void (network.trouble = { loses: () => true });

  /** Reads until there is this text; the reader goes on from there. */
  async function readUntil(events: AsyncIterator<TurnEvent[]>, text: string): Promise<TurnEvent[]> {
    const seen: TurnEvent[] = [];
    while (textOf(seen) !== text) seen.push(...(await events.next()).value as TurnEvent[]);
    return seen;
  }

  describe('an answer that is made elsewhere', () => {
    test('is followed as it grows, from any event on', async () => {
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      const reader = attach(two, answer!.id)[Symbol.asyncIterator]();
      call.text('An oak ');
      const seen = await readUntil(reader, 'An oak ');
      const late = readToEnd(attach(two, answer!.id, seen.at(-1)!.seq));
      call.text('is a tree.');
      call.finish();
      expect((await late).filter((event) => event.kind === 'text')).toEqual([{ seq: 3, kind: 'text', text: 'is a tree.', offset: 7 }]);
      const whole = await readToEnd(two.conversations.attach(ann, answer!.id, 0, never, 'each'));
      expect(textOf(whole)).toBe('An oak is a tree.');
      expect(whole.map((event) => event.seq)).toEqual(whole.map((_, index) => index + 1));
    });

    test('is followed when no hint comes at all, a second behind', async () => {
      silence();
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      const reading = readToEnd(attach(two, answer!.id));
      call.text('An oak ');
      call.text('is a tree.');
      call.finish();
      const events = await reading;
      expect(textOf(events)).toBe('An oak is a tree.');
      expect(events.at(-1)).toMatchObject({ kind: 'end', status: 'DELIVERED' });
    });

    test('is read once for all who follow it here', async () => {
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      const readers = Array.from({ length: 20 }, () => readToEnd(attach(two, answer!.id)));
      const reads = vi.spyOn(two.storage.read, 'selectFrom');
      await vi.waitFor(() => expect(reads.mock.calls.filter(([table]) => table === ('turn_log' as never)).length).toBeGreaterThanOrEqual(20));
      reads.mockClear();
      const words = Array.from({ length: 10 }, (_, index) => `word ${index} `);
      for (const word of words) {
        const before = network.published.length;
        call.text(word);
        await vi.waitFor(() => expect(network.published.length).toBeGreaterThan(before));
      }
      call.finish();
      for (const events of await Promise.all(readers)) expect(textOf(events)).toBe(words.join(''));
      // A hint for each word, one for the end; a look now and then when a hint came late.
      expect(reads.mock.calls.filter(([table]) => table === ('turn_log' as never)).length).toBeLessThan(30);
      reads.mockRestore();
    });

    test('is cancelled from elsewhere at once by a hint', async () => {
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      call.text('An oak ');
      await readUntil(attach(two, answer!.id)[Symbol.asyncIterator](), 'An oak ');
      const asked = performance.now();
      expect(await two.conversations.cancel(ann, answer!.id)).toMatchObject({ status: 'CANCELLED', content: 'An oak ' });
      expect(performance.now() - asked).toBeLessThan(1000);
      expect(call.signal.aborted).toBe(true);
    });

    test('is cancelled from elsewhere without a hint by the next heartbeat', async () => {
      silence();
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      const asked = performance.now();
      expect(await two.conversations.cancel(ann, answer!.id)).toMatchObject({ status: 'CANCELLED' });
      expect(performance.now() - asked).toBeLessThan(4000);
      expect(call.signal.aborted).toBe(true);
    });

    test('is stopped, with those that wait behind it, when its conversation is deleted elsewhere', async () => {
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      const waiting = await send(two, 'And an elm?');
      await two.conversations.delete(ann, chat.id);
      expect(call.signal.aborted).toBe(true);
      expect([one.models.calls.length, two.models.calls.length]).toEqual([1, 0]);
      for (const id of [answer!.id, waiting.answer!.id]) await expect(message(one, id)).rejects.toMatchObject({ code: 'not_found' });
      expect(await store.storage.read.selectFrom('turns').selectAll().execute()).toEqual([]);
      // Cancelled before it was deleted: what was asked of the model is accounted for.
      expect(await store.storage.read.selectFrom('usage').select('outcome').execute()).toEqual([{ outcome: 'CANCELLED' }]);
    });
  });

  describe('answers that wait', () => {
    test('are followed from where they wait to where they are made', async () => {
      await send(one, 'What is an oak?');
      const first = await one.models.call();
      const { answer } = await send(two, 'And an elm?');
      expect(answer!.status).toBe('QUEUED');
      const readers = [one, two].map((house) => readToEnd(house.conversations.attach(ann, answer!.id, 0, never, 'each')));
      first.text('A tree.');
      first.finish();
      // Whoever ends an answer begins the next one.
      const second = await one.models.call();
      second.text('Also ');
      second.text('a tree.');
      second.finish();
      for (const events of await Promise.all(readers)) {
        expect(textOf(events)).toBe('Also a tree.');
        expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
      }
      expect(second.request.messages.map(({ content }) => content)).toEqual(['What is an oak?', 'A tree.', 'And an elm?']);
    });

    test('are handed to the others at once by an instance that ends', async () => {
      await send(one, 'What is an oak?');
      await one.models.call();
      const { answer } = await send(one, 'And an elm?');
      const reading = readToEnd(attach(two, answer!.id));
      const ending = close(one);
      const call = await two.models.call();
      call.text('Also a tree.');
      call.finish();
      expect(textOf(await reading)).toBe('Also a tree.');
      await ending;
    });

    test('are handed over, too, when their request was under way as the instance began to end', async () => {
      const stopping = await open();
      await stopping.conversations.stop?.();
      const { answer } = await send(stopping, 'What is an oak?');
      const call = await Promise.race([one.models.call(), two.models.call()]);
      call.text('A tree.');
      call.finish();
      expect(textOf(await readToEnd(attach(two, answer!.id)))).toBe('A tree.');
      expect(stopping.models.calls).toEqual([]);
    });

    test('keep the lease of what runs while an instance ends, however long it takes', async () => {
      const slow = await open(20_000);
      const { answer } = await send(slow, 'What is an oak?');
      const call = await slow.models.call();
      const ending = close(slow);
      const lease = async (): Promise<number> => (await store.storage.read.selectFrom('turns').select('lease_until').executeTakeFirstOrThrow()).lease_until!;
      const before = await lease();
      await vi.waitFor(async () => expect(await lease()).toBeGreaterThan(before), { timeout: 5000 });
      call.text('A tree.');
      call.finish();
      await ending;
      expect(await message(two, answer!.id)).toMatchObject({ status: 'DELIVERED', content: 'A tree.' });
    });
  });

  describe('an instance that died', () => {
    /** A turn of an instance that is no more: what it said is in the rows, and nobody renews its lease. */
    async function abandon(id: string): Promise<void> {
      await store.storage.write(async (queries) => {
        await queries.updateTable('turns').set({ owner: newId(), lease_until: (await store.storage.now()) - 1, epoch: 7 }).where('message_id', '=', id).execute();
      });
    }

    test('leaves its text; everybody sees INTERRUPTED, the next answer begins, and the broken one is continued anywhere', async () => {
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      call.text('An oak ');
      const readers = [one, two].map((house) => attach(house, answer!.id)[Symbol.asyncIterator]());
      for (const reader of readers) await readUntil(reader, 'An oak ');
      const waiting = await send(two, 'And an elm?');
      await abandon(answer!.id);
      for (const reader of readers) expect((await reader.next()).value).toMatchObject([{ kind: 'end', status: 'INTERRUPTED' }]);
      // The one that was taken for dead and is not finds that it holds the turn no more.
      await vi.waitFor(() => expect(call.signal.aborted).toBe(true), { timeout: 5000 });
      const next = await Promise.race([one.models.call(), two.models.call()]);
      next.text('Also a tree.');
      next.finish();
      expect(await readToEnd(attach(one, waiting.answer!.id)).then(textOf)).toBe('Also a tree.');

      const before = [one.models.calls.length, two.models.calls.length];
      const again = await two.conversations.continue(ann, answer!.id, options);
      await vi.waitFor(() => expect(two.models.calls.length).toBe(before[1]! + 1));
      const going = two.models.calls.at(-1)!;
      going.text('is a tree.');
      going.finish();
      expect(await readToEnd(attach(one, again.id)).then(textOf)).toBe('An oak is a tree.');
    });

    test('and is woken writes nothing more, also with a model that goes on', async () => {
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      call.text('An oak ');
      const reader = attach(one, answer!.id)[Symbol.asyncIterator]();
      await readUntil(reader, 'An oak ');
      await abandon(answer!.id);
      await readToEnd(attach(two, answer!.id));
      const rows = async () => [
        await store.storage.read.selectFrom('turn_log').selectAll().where('message_id', '=', answer!.id).orderBy('seq').execute(),
        await store.storage.read.selectFrom('messages').selectAll().where('id', '=', answer!.id).execute(),
        await store.storage.read.selectFrom('usage').selectAll().execute(),
      ];
      const before = await rows();
      call.text('is a tree.');
      call.finish();
      expect((await reader.next()).value).toMatchObject([{ kind: 'end', status: 'INTERRUPTED' }]);
      await vi.waitFor(() => expect(call.signal.aborted).toBe(true));
      expect(await rows()).toEqual(before);
    });

    test('and is woken when the conversation is gone accounts for nothing twice', async () => {
      const { answer } = await send(one, 'What is an oak?');
      const call = await one.models.call();
      call.text('An oak ');
      await readUntil(attach(one, answer!.id)[Symbol.asyncIterator](), 'An oak ');
      // It sleeps: it neither renews its lease nor hears that others took it.
      vi.spyOn(one.storage.urgent, 'with').mockImplementation(() => { throw new ParleyError('storage_unavailable'); });
      await abandon(answer!.id);
      await readToEnd(attach(two, answer!.id));
      await two.conversations.delete(ann, chat.id);
      call.text('is a tree.');
      call.finish();
      await close(one);
      expect(await store.storage.read.selectFrom('usage').select(['message_id', 'outcome']).execute()).toEqual([{ message_id: answer!.id, outcome: 'INTERRUPTED' }]);
    });

    test('between the commit that gave it a turn and the news of it: it begins the turn when it looks', async () => {
      const { answer } = await send(one, 'What is an oak?');
      (await one.models.call()).finish();
      await readToEnd(attach(one, answer!.id));
      // As a send leaves it whose confirmation got lost on the way.
      const turn = await send(two, 'And an elm?').then(async ({ answer: second }) => {
        await two.conversations.cancel(ann, second!.id);
        return second!.id;
      });
      const elm = await store.storage.read.selectFrom('messages').selectAll().where('id', '=', turn).executeTakeFirstOrThrow();
      await store.storage.write(async (queries) => {
        await queries.deleteFrom('turn_log').where('message_id', '=', turn).execute();
        await queries.deleteFrom('usage').where('message_id', '=', turn).execute();
        await queries.updateTable('messages').set({ status: 'PROCESSING', ended_at: null }).where('id', '=', turn).execute();
        const request = { model: elm.model, sampling: {}, dialect: 'test', apiKeyId: null, refuseBuiltin: false };
        await queries.insertInto('turns').values({
          message_id: turn, conversation_id: chat.id, user_id: ann.userId, state: 'RUNNING', position: 1, owner: one.instanceId, epoch: 1,
          lease_until: (await store.storage.now()) + 6000, request: JSON.stringify(request), cancel_requested: 0, created_at: elm.created_at,
        }).execute();
      });
      await vi.waitFor(() => expect(one.models.calls.length).toBe(2), { timeout: 5000 });
      one.models.calls[1]!.text('Also a tree.');
      one.models.calls[1]!.finish();
      expect(await readToEnd(attach(two, turn)).then(textOf)).toBe('Also a tree.');
    });
  });

  test('the same key sent to both at the same time is stored once', async () => {
    const sent = await Promise.all([send(one, 'What is an oak?', 'key'), send(two, 'What is an oak?', 'key'), send(one, 'What is an oak?', 'key'), send(two, 'What is an oak?', 'key')]);
    expect(new Set(sent.map(({ userMessage }) => userMessage.id)).size).toBe(1);
    expect(new Set(sent.map(({ answer }) => answer!.id)).size).toBe(1);
    expect(one.models.calls.length + two.models.calls.length).toBeLessThanOrEqual(1);
  });

  describe('those who watch a conversation', () => {
    const told = (event: ConversationEvent): string => {
      if (event.type === 'message' || event.type === 'turn' || event.type === 'turn_ended') return `${event.type} ${event.message.seq} ${event.message.status}`;
      return event.type === 'changed' ? `changed ${event.conversation.title}` : event.type;
    };
    async function watch(house: House): Promise<string[]> {
      const heard: string[] = [];
      await house.conversations.watch(ann, chat.id, (event) => heard.push(told(event)));
      return heard;
    }
    /**
     * Two questions from two instances, then the first answer made again, a new title, and the end. What comes between two
     * looks at the rows is told as one change: so the other branch begins when everybody has heard what was before it.
     */
    async function live(...everybody: string[][]): Promise<void> {
      one.models.answerWith(['A tree.']);
      two.models.answerWith(['A tree.']);
      const first = await send(one, 'What is an oak?');
      await readToEnd(attach(two, first.answer!.id));
      const second = await send(two, 'And an elm?');
      await readToEnd(attach(one, second.answer!.id));
      for (const heard of everybody) await vi.waitFor(() => expect(heard).toContain('turn_ended 4 DELIVERED'), { timeout: 5000 });
      const again = await one.conversations.regenerate(ann, first.answer!.id, options);
      await readToEnd(attach(two, again.id));
      await two.conversations.change(ann, chat.id, { title: 'Woods' });
    }
    const ends = ['message 1 DELIVERED', 'turn_ended 2 DELIVERED', 'message 3 DELIVERED', 'turn_ended 4 DELIVERED', 'branch_changed', 'turn_ended 5 DELIVERED', 'changed Woods'];
    /** Whether an answer was seen running depends on the moment; everything else does not. */
    const withoutBeginnings = (heard: string[]): string[] => heard.filter((event) => !event.startsWith('turn '));

    test('hear the same in the same order wherever they are', async () => {
      const heard = [await watch(one), await watch(two)];
      await live(...heard);
      for (const events of heard) await vi.waitFor(() => expect(withoutBeginnings(events)).toEqual(ends), { timeout: 3000 });
      await one.conversations.delete(ann, chat.id);
      await vi.waitFor(() => expect(heard.map((events) => events.at(-1))).toEqual(['deleted', 'deleted']));
    });

    test.each([
      ['late and in another order', { delayMs: (_topic: string, { type }: { type: string }) => (type === 'message' ? 120 : 10) }],
      ['three times', { copies: 3 }],
    ])('hear it once and in order when hints come %s', async (_name, trouble) => {
      network.trouble = trouble;
      const heard = [await watch(one), await watch(two)];
      await live(...heard);
      for (const events of heard) await vi.waitFor(() => expect(withoutBeginnings(events)).toEqual(ends), { timeout: 3000 });
    });

    test('hear after some seconds what no hint told them, and at once when the bus is back', async () => {
      silence();
      const heard = await watch(two);
      one.models.answerWith(['A tree.']);
      await send(one, 'What is an oak?');
      await vi.waitFor(() => expect(withoutBeginnings(heard)).toEqual(ends.slice(0, 2)), { timeout: 8000 });
      await one.conversations.change(ann, chat.id, { title: 'Woods' });
      network.gap();
      await vi.waitFor(() => expect(heard.at(-1)).toBe('changed Woods'), { timeout: 1000 });
    });
  });
});
