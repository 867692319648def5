import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ParleyError } from '../../base/errors.ts';
import { openStorage } from '../../base/storage/index.ts';
import { engines, openTestStorage, postgresTestUrl, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import { addViewer, readToEnd, startConversations, textOf } from './testing.ts';
import type { Conversation } from './types.ts';

const options = { dialect: 'test' };
const never = new AbortController().signal;
const away = (message?: string): ParleyError => new ParleyError('storage_unavailable', message === undefined ? {} : { message });

describe.each(engines)('while the database is away for a moment on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let ann: Viewer;
  let chat: Conversation;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    house = await startConversations(store.storage);
    ann = await addViewer(store.storage, 'ann');
    chat = await house.conversations.create(ann, { title: 'Trees', origin: 'test' });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await house.stop();
    await store.close();
  });

  /** Refuses to read this table until told to stop; the number of refusals so far is in `count`. */
  function refuseReads(table: string): { count: number; end(): void } {
    const { read } = store.storage;
    const select = read.selectFrom.bind(read) as (table: unknown) => unknown;
    const refusals = { count: 0, end: () => void spy.mockRestore() };
    const spy = vi.spyOn(read, 'selectFrom').mockImplementation(((given: unknown) => {
      if (given !== table) return select(given);
      refusals.count += 1;
      throw away();
    }) as never);
    return refusals;
  }

  test('a turn waits until it can read what it answers, and then goes on', async () => {
    await house.conversations.send(ann, chat.id, { content: 'What is an oak?', ...options });
    const waiting = await house.conversations.send(ann, chat.id, { content: 'And an elm?', ...options });
    const call = await house.models.call();
    const refusals = refuseReads('messages as answer');
    call.text('A tree.');
    call.finish();
    await vi.waitFor(() => expect(refusals.count).toBeGreaterThan(0));
    refusals.end();
    house.models.answerWith(['Another one.']);
    const events = await readToEnd(house.conversations.attach(ann, waiting.answer!.id, 0, never));
    expect([textOf(events), events.at(-1)]).toEqual(['Another one.', expect.objectContaining({ status: 'DELIVERED' })]);
  });

  test('a turn that waits for it can be cancelled', async () => {
    await house.conversations.send(ann, chat.id, { content: 'What is an oak?', ...options });
    const waiting = await house.conversations.send(ann, chat.id, { content: 'And an elm?', ...options });
    const call = await house.models.call();
    const refusals = refuseReads('messages as answer');
    call.finish();
    await vi.waitFor(() => expect(refusals.count).toBeGreaterThan(0));
    expect(await house.conversations.cancel(ann, waiting.answer!.id)).toMatchObject({ status: 'CANCELLED' });
    expect(house.models.calls).toHaveLength(1);
  });

  test('who sends with a key is told that the message may have been saved, when nobody can look', async () => {
    const unknown = 'The connection to the database server broke while this was being saved. It may have been saved.';
    let isAway = false;
    const { read } = store.storage;
    const select = read.selectFrom.bind(read) as (table: unknown) => unknown;
    vi.spyOn(read, 'selectFrom').mockImplementation(((table: unknown) => {
      if (isAway) throw away('The database server cannot be used now. Nothing was saved.');
      return select(table);
    }) as never);
    vi.spyOn(store.storage, 'write').mockImplementationOnce(async () => {
      isAway = true;
      throw away(unknown);
    });
    await expect(house.conversations.send(ann, chat.id, { content: 'What is an oak?', idempotencyKey: 'one', ...options })).rejects.toThrow(unknown);
    isAway = false;
  });
});

describe.skipIf(postgresTestUrl() === null)('an instance that starts when the database has just come back', () => {
  test('leaves those who live the time to renew their leases', async () => {
    const store = await openTestStorage('postgres');
    const ann = await addViewer(store.storage, 'ann');
    const living = await startConversations(store.storage);
    const { answer } = await living.conversations.sendWithHistory(ann, { origin: 'test' }, [], { content: 'What is an oak?', ...options });
    const call = await living.models.call();
    // As after an outage: the lease has run out, and its owner has not come to renew it yet.
    await store.storage.write((queries) => queries.updateTable('turns').set({ lease_until: 1 }).execute());
    const starting = await startConversations(store.storage);
    const lease = async () => (await store.storage.read.selectFrom('turns').select(['epoch', 'lease_until']).executeTakeFirst())!;
    await expect.poll(async () => (await lease()).lease_until, { timeout: 5000 }).toBeGreaterThan(1);
    expect((await lease()).epoch).toBe(1);
    call.text('A tree.');
    call.finish();
    expect((await readToEnd(starting.conversations.attach(ann, answer!.id, 0, never))).at(-1)).toMatchObject({ kind: 'end', status: 'DELIVERED' });
    await Promise.all([starting.stop(), living.stop()]);
    await store.close();
  });
});

describe.skipIf(postgresTestUrl() === null)('an instance with more to do than it has connections', () => {
  test('goes on with its answers, and keeps them', async () => {
    const store = await openTestStorage('postgres');
    const ann = await addViewer(store.storage, 'ann');
    const busy = await startConversations(store.storage);
    const elsewhere = openStorage(store.options);
    await elsewhere.start();
    const other = await startConversations(elsewhere);
    const { answer } = await busy.conversations.sendWithHistory(ann, { origin: 'test' }, [], { content: 'What is an oak?', ...options });
    const call = await busy.models.call();
    const events = busy.conversations.attach(ann, answer!.id, 0, never)[Symbol.asyncIterator]();
    call.text('A ');
    await events.next();
    // Slow reports, and transactions that wait for something.
    const wait = sql`select pg_sleep(9)`;
    const slow = Array.from({ length: 8 }, () => [wait.execute(store.storage.read), store.storage.write((queries) => wait.execute(queries))]).flat();
    const began = performance.now();
    call.text('tree.');
    expect((await events.next()).value).toMatchObject([{ kind: 'text', text: 'tree.' }]);
    expect(performance.now() - began).toBeLessThan(2000);
    await Promise.all(slow.slice(0, 2));
    call.finish();
    await Promise.all(slow);
    expect((await readToEnd(other.conversations.attach(ann, answer!.id, 0, never))).at(-1)).toMatchObject({ kind: 'end', status: 'DELIVERED' });
    await Promise.all([busy.stop(), other.stop()]);
    await elsewhere.stop();
    await store.close();
  }, 60_000);
});
