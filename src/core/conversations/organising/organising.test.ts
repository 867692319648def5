import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLocalBus } from '../../../base/events/index.ts';
import { engines, openTestStorage, type TestStorage } from '../../../base/storage/testing.ts';
import { openStorage } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import { addViewer, readToEnd, startConversations } from '../testing.ts';
import { emptyTrash } from './trash.ts';
import type { Conversations } from '../contract.ts';
import type { ConversationEvent } from '../types.ts';

const options = { dialect: 'test' };
const page = { limit: 50, offset: 0 };
const day = 24 * 3_600_000;

describe.each(engines)('Keeping conversations in order, on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let conversations: Conversations;
  let ann: Viewer;
  let bob: Viewer;
  let cleo: Viewer;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    [ann, bob, cleo] = [await addViewer(store.storage, 'ann'), await addViewer(store.storage, 'bob'), await addViewer(store.storage, 'cleo', 'admin')];
    house = await startConversations(store.storage);
    conversations = house.conversations;
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  /** A conversation of Ann's in which Bob takes part. */
  async function shared(title: string) {
    const made = await conversations.create(ann, { title, type: 'GROUP', origin: 'test' });
    await store.storage.write((queries) =>
      queries.insertInto('participants').values({ conversation_id: made.id, user_id: bob.userId, role: 'MEMBER', can_send_messages: 1, can_upload_files: 1, message_count: 0, joined_at: 1, last_read_at: null, pinned_at: null }).execute(),
    );
    return made;
  }
  const titles = async (viewer: Viewer, filter?: Parameters<Conversations['list']>[2]) => (await conversations.list(viewer, page, filter)).map(({ title }) => title);

  test('an archived one is found nowhere but in the list of archived ones, and can be opened again', async () => {
    const chat = await shared('plans');
    await shared('other');
    const archived = await conversations.archive(ann, chat.id);
    expect(archived).toMatchObject({ id: chat.id, archivedAt: expect.any(Number), trashedAt: null });
    for (const viewer of [ann, bob]) {
      await expect(conversations.get(viewer, chat.id)).rejects.toMatchObject({ code: 'not_found' });
      expect(await titles(viewer)).toEqual(['other']);
      expect(await titles(viewer, { state: 'archived' })).toEqual(['plans']);
      expect(await titles(viewer, { state: 'trashed' })).toEqual([]);
    }
    await expect(conversations.send(ann, chat.id, { content: 'hello', ...options })).rejects.toMatchObject({ code: 'not_found' });
    await expect(conversations.pin(bob, chat.id, true)).rejects.toMatchObject({ code: 'not_found' });
    // Once more changes nothing.
    expect((await conversations.archive(ann, chat.id)).archivedAt).toBe(archived.archivedAt);
    expect(await conversations.restore(ann, chat.id)).toMatchObject({ archivedAt: null });
    expect((await conversations.get(bob, chat.id)).title).toBe('plans');
    expect((await titles(bob)).sort()).toEqual(['other', 'plans']);
  });

  test('what is in the trash is there for its owner alone, and leaves it opened or for good', async () => {
    const [kept, gone] = [await shared('kept'), await shared('gone')];
    await conversations.archive(ann, kept.id);
    for (const chat of [kept, gone]) expect(await conversations.trash(ann, chat.id)).toMatchObject({ trashedAt: expect.any(Number) });
    expect((await titles(ann, { state: 'trashed' })).sort()).toEqual(['gone', 'kept']);
    expect(await titles(bob, { state: 'trashed' })).toEqual([]);
    expect(await titles(ann, { state: 'archived' })).toEqual([]);
    expect(await conversations.restore(ann, kept.id)).toMatchObject({ archivedAt: null, trashedAt: null });
    await conversations.delete(ann, gone.id);
    expect(await titles(ann, { state: 'trashed' })).toEqual([]);
    await expect(conversations.restore(ann, gone.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('only the owner puts away, restores and deletes; strangers, admins among them, do nothing', async () => {
    const chat = await shared('plans');
    const acts = (viewer: Viewer) => [() => conversations.archive(viewer, chat.id), () => conversations.trash(viewer, chat.id), () => conversations.restore(viewer, chat.id), () => conversations.delete(viewer, chat.id)];
    for (const viewer of [bob, cleo]) for (const act of acts(viewer)) await expect(act()).rejects.toMatchObject({ code: 'forbidden' });
    await expect(conversations.pin(cleo, chat.id, true)).rejects.toMatchObject({ code: 'forbidden' });
    await conversations.archive(ann, chat.id);
    for (const viewer of [bob, cleo]) for (const act of acts(viewer)) await expect(act()).rejects.toMatchObject({ code: 'forbidden' });
    await conversations.trash(ann, chat.id);
    for (const viewer of [bob, cleo]) for (const act of acts(viewer)) await expect(act()).rejects.toMatchObject({ code: 'not_found' });
    for (const id of ['nonsense', '', '00000000-0000-7000-8000-000000000000']) await expect(conversations.archive(ann, id)).rejects.toMatchObject({ code: 'not_found' });
  });

  test("a pin is each participant's own, and a list can be of pinned ones", async () => {
    const [first, second] = [await shared('first'), await shared('second')];
    expect(await conversations.pin(bob, first.id, true)).toMatchObject({ pinnedAt: expect.any(Number) });
    expect((await conversations.get(ann, first.id)).pinnedAt).toBeNull();
    expect(await titles(bob, { pinned: true })).toEqual(['first']);
    expect(await titles(bob, { pinned: false })).toEqual(['second']);
    expect(await titles(ann, { pinned: true })).toEqual([]);
    const { pinnedAt } = await conversations.get(bob, first.id);
    expect((await conversations.pin(bob, first.id, true)).pinnedAt).toBe(pinnedAt);
    expect((await conversations.pin(bob, first.id, false)).pinnedAt).toBeNull();
    expect(await titles(bob, { pinned: true })).toEqual([]);
    expect((await conversations.list(bob, page)).map(({ id }) => id)).toEqual([second.id, first.id]);
  });

  test.each(['archive', 'trash'] as const)('%s cancels the answers that wait and run, and keeps what they said', async (act) => {
    const chat = await shared('busy');
    const sent = await conversations.send(ann, chat.id, { content: 'tell me', ...options });
    const call = await house.models.call();
    const waiting = await conversations.send(bob, chat.id, { content: 'me too', ...options });
    const following = conversations.attach(ann, sent.answer!.id, 0, new AbortController().signal);
    call.text('It begins');
    const first = (await following[Symbol.asyncIterator]().next()).value;
    expect(first.length).toBeGreaterThan(0);
    await conversations[act](ann, chat.id);
    expect(call.signal.aborted).toBe(true);
    await conversations.restore(ann, chat.id);
    const messages = await conversations.messages(ann, chat.id, page);
    expect(messages.map(({ role, content, status }) => [role, content, status])).toEqual([
      ['user', 'tell me', 'DELIVERED'], ['assistant', 'It begins', 'CANCELLED'], ['user', 'me too', 'DELIVERED'], ['assistant', '', 'CANCELLED'],
    ]);
    expect(waiting.answer!.status).toBe('QUEUED');
    const last = (await readToEnd(conversations.attach(ann, sent.answer!.id, 0, new AbortController().signal))).at(-1);
    expect(last).toMatchObject({ kind: 'end', status: 'CANCELLED' });
  });

  test('those who watch are told that it is gone, and who comes after it was restored hears everything again', async () => {
    house.models.answerWith(['fine']);
    const chat = await shared('watched');
    const heard: ConversationEvent[] = [];
    const leave = await conversations.watch(bob, chat.id, (event) => heard.push(event));
    await conversations.archive(ann, chat.id);
    await expect.poll(() => heard.map(({ type }) => type)).toEqual(['deleted']);
    await expect(conversations.watch(bob, chat.id, () => undefined)).rejects.toMatchObject({ code: 'not_found' });
    await conversations.restore(ann, chat.id);
    const again: ConversationEvent[] = [];
    const leaveAgain = await conversations.watch(bob, chat.id, (event) => again.push(event));
    leave();
    await conversations.send(ann, chat.id, { content: 'hello', ...options });
    await expect.poll(() => again.map(({ type }) => type)).toContain('turn_ended');
    await conversations.change(ann, chat.id, { title: 'renamed' });
    await expect.poll(() => again.at(-1)).toMatchObject({ type: 'changed', conversation: { title: 'renamed', pinnedAt: null } });
    leaveAgain();
    expect(heard.map(({ type }) => type)).toEqual(['deleted']);
  });

  test('the trash is emptied after its days, by whoever looks, once; the others stay', async () => {
    const [old, young, open] = [await shared('old'), await shared('young'), await shared('open')];
    for (const chat of [old, young]) await conversations.trash(ann, chat.id);
    const now = await store.storage.now();
    await store.storage.write((queries) => queries.updateTable('conversations').set({ trashed_at: now - 30 * day }).where('id', '=', old.id).execute());
    await store.storage.write((queries) => queries.updateTable('conversations').set({ trashed_at: now - 29 * day }).where('id', '=', young.id).execute());
    const told: string[] = [];
    const bus = createLocalBus((error) => { throw error; });
    bus.subscribe(`conversation:${old.id}`, (message) => told.push(String((message as { type?: string }).type)));
    const instance = { storage: store.storage, bus, settings: { trashDays: 30 }, log: { info: () => undefined } } as never;
    const counts = await Promise.all([emptyTrash(instance), emptyTrash(instance), emptyTrash(instance)]);
    expect(counts.toSorted()).toEqual([0, 0, 1]);
    await expect.poll(() => told).toEqual(['deleted']);
    expect(await titles(ann, { state: 'trashed' })).toEqual(['young']);
    expect(await titles(ann)).toEqual(['open']);
    expect(open.trashedAt).toBeNull();
  });

  test('what became due while no server ran is deleted by the next start; with 0 days it stays', async () => {
    const chat = await shared('old');
    await conversations.trash(ann, chat.id);
    await store.storage.write((queries) => queries.updateTable('conversations').set({ trashed_at: 1 }).where('id', '=', chat.id).execute());
    await house.stop();
    const count = async () => (await store.storage.read.selectFrom('conversations').select('id').execute()).length;
    house = await startConversations(store.storage, { trashDays: 0 });
    expect(await count()).toBe(1);
    await house.stop();
    house = await startConversations(store.storage, { trashDays: 30 });
    await expect.poll(count).toBe(0);
  });
});

test('the trash survives that the database is closed and opened', async () => {
  const store = await openTestStorage('sqlite');
  const ann = await addViewer(store.storage, 'ann');
  const house = await startConversations(store.storage);
  const { id } = await house.conversations.create(ann, { title: 'x', origin: 'test' });
  await house.conversations.trash(ann, id);
  await house.stop();
  await store.storage.stop();
  const storage = openStorage(store.options);
  await storage.start();
  const again = await startConversations(storage);
  expect(await again.conversations.list(ann, page, { state: 'trashed' })).toMatchObject([{ id }]);
  await again.stop();
  await storage.stop();
  await store.close();
});
