import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createBusNetwork, type BusNetwork } from '../../../base/events/testing.ts';
import { openStorage } from '../../../base/storage/index.ts';
import { engines, openTestStorage, postgresTestUrl, type TestStorage } from '../../../base/storage/testing.ts';
import type { Viewer } from '../../accounts/index.ts';
import { mostParticipants } from './members.ts';
import { addViewer, readToEnd, startConversations } from '../testing.ts';
import type { Conversations } from '../contract.ts';
import type { Conversation, ConversationEvent, NewConversation } from '../types.ts';

const options = { dialect: 'test' };
const page = { limit: 50, offset: 0 };
const never = new AbortController().signal;

describe.each(engines)('people in a conversation on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let conversations: Conversations;
  let [ann, bob, cleo]: Viewer[] = [];

  beforeEach(async () => {
    store = await openTestStorage(engine);
    [ann, bob, cleo] = [await addViewer(store.storage, 'ann'), await addViewer(store.storage, 'bob'), await addViewer(store.storage, 'cleo', 'admin')];
    house = await startConversations(store.storage);
    conversations = house.conversations;
    house.models.answerWith(['fine']);
  });
  afterEach(async () => {
    await house.stop();
    await store.close();
  });

  const make = (fields: Partial<NewConversation> = {}): Promise<Conversation> => conversations.create(ann!, { title: 'A chat', origin: 'test', type: 'GROUP', ...fields });
  const say = (viewer: Viewer, id: string, content = 'hello') => conversations.send(viewer, id, { content, answer: false, ...options });
  const roles = async (id: string) => Object.fromEntries((await conversations.participants(ann!, id)).map((one) => [one.username, one.role]));
  const forbidden = { code: 'forbidden' };
  const conflict = { code: 'conflict' };

  describe('joining', () => {
    test('a public group, by its id, makes a member who may read and send', async () => {
      const { id } = await make();
      await say(ann!, id);
      await expect(conversations.messages(bob!, id, page)).rejects.toMatchObject(forbidden);
      expect(await conversations.join(bob!, id)).toMatchObject({ userId: bob!.userId, username: 'bob', role: 'MEMBER', canSendMessages: true, messageCount: 0, lastReadAt: null });
      expect(await conversations.messages(bob!, id, page)).toHaveLength(1);
      await say(bob!, id);
      expect((await conversations.get(ann!, id)).participantCount).toBe(2);
      expect((await conversations.list(bob!, page)).map((chat) => chat.id)).toEqual([id]);
    });

    test('twice, also at the same time, is joining once', async () => {
      const { id } = await make();
      const joined = await Promise.all([1, 2, 3].map(() => conversations.join(bob!, id)));
      expect(new Set(joined.map((one) => one.joinedAt)).size).toBe(1);
      expect(await roles(id)).toEqual({ ann: 'OWNER', bob: 'MEMBER' });
    });

    test('a private one is refused, and so is a direct one, to everybody', async () => {
      for (const fields of [{ isPrivate: true }, { type: 'CHANNEL', isPrivate: true }, { type: 'DIRECT' }] as const) {
        const { id } = await make(fields);
        for (const viewer of [bob!, cleo!]) await expect(conversations.join(viewer, id)).rejects.toMatchObject(forbidden);
      }
      await expect(conversations.join(bob!, '01a1fc38-478b-7429-a13b-4e704d793342')).rejects.toMatchObject({ code: 'not_found' });
    });

    test('is over as soon as the group becomes private; who is in stays', async () => {
      const { id } = await make();
      await conversations.join(bob!, id);
      await conversations.change(ann!, id, { isPrivate: true });
      await expect(conversations.join(cleo!, id)).rejects.toMatchObject(forbidden);
      await say(bob!, id);
    });

    test('has a bound', async () => {
      const { id } = await make();
      const users = Array.from({ length: mostParticipants - 2 }, (_, index) => `${id.slice(0, 24)}${String(index).padStart(12, '0')}`);
      await store.storage.write(async (queries) => {
        for (let first = 0; first < users.length; first += 100) {
          const some = users.slice(first, first + 100);
          await queries.insertInto('users').values(some.map((user, index) => ({
            id: user, username: `u${first + index}`, username_key: `u${first + index}`, email: null, name: null, password_hash: null, role: 'user' as const,
            tokens_valid_from: 0, last_conversation_number: 0, current_conversation_id: null, created_at: 1, disabled_at: null,
          }))).execute();
          await queries.insertInto('participants').values(some.map((user) => ({
            conversation_id: id, user_id: user, role: 'MEMBER' as const, can_send_messages: 1, can_upload_files: 1, message_count: 0, joined_at: 1, last_read_at: null, pinned_at: null,
          }))).execute();
        }
      });
      // One place is left for two who come at the same time.
      const outcomes = await Promise.allSettled([conversations.join(bob!, id), conversations.join(cleo!, id)]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: conflict });
    });
  });

  test('what may be joined is listed, by activity, without what is private, direct or put away', async () => {
    const [first, second] = [await make({ title: 'first', tags: ['trees'], description: 'On trees' }), await make({ title: 'second', type: 'CHANNEL' })];
    for (const fields of [{ type: 'DIRECT' }, { isPrivate: true }] as const) await make({ title: 'hidden', ...fields });
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(second.lastActivityAt));
    await say(ann!, first.id);
    await conversations.join(bob!, second.id);
    const listed = await conversations.listPublic(bob!, page);
    expect(listed.map(({ title, takesPart, participantCount, messageCount }) => [title, takesPart, participantCount, messageCount])).toEqual([['first', false, 1, 1], ['second', true, 2, 0]]);
    // Nothing of what is said there.
    expect(Object.keys(listed[0]!).sort()).toEqual(['createdAt', 'description', 'id', 'lastActivityAt', 'messageCount', 'participantCount', 'tags', 'takesPart', 'title', 'type']);
    expect((await conversations.listPublic(bob!, { limit: 1, offset: 1 })).map((chat) => chat.title)).toEqual(['second']);
  });

  describe('inviting', () => {
    test('works by name, also into private chats, for the owner and admins', async () => {
      const { id } = await make({ isPrivate: true });
      expect(await conversations.invite(ann!, id, 'BOB')).toMatchObject({ username: 'bob', role: 'MEMBER' });
      await expect(conversations.invite(bob!, id, 'cleo')).rejects.toMatchObject(forbidden);
      await conversations.changeParticipant(ann!, id, bob!.userId, { role: 'ADMIN' });
      await conversations.invite(bob!, id, 'cleo');
      expect(await conversations.invite(bob!, id, 'cleo')).toMatchObject({ username: 'cleo' });
      expect(await roles(id)).toEqual({ ann: 'OWNER', bob: 'ADMIN', cleo: 'MEMBER' });
    });

    test('leaves a direct chat to two', async () => {
      const { id } = await make({ type: 'DIRECT' });
      await conversations.invite(ann!, id, 'bob');
      await say(bob!, id);
      await expect(conversations.invite(ann!, id, 'cleo')).rejects.toMatchObject(conflict);
      await conversations.leave(bob!, id);
      await conversations.invite(ann!, id, 'cleo');
    });

    test('knows only names of accounts that are in use', async () => {
      const { id } = await make();
      await store.storage.write((queries) => queries.updateTable('users').set({ disabled_at: 1 }).where('id', '=', cleo!.userId).execute());
      for (const name of ['nobody', 'cleo', 'a\0b', '', 'x'.repeat(300)]) await expect(conversations.invite(ann!, id, name)).rejects.toMatchObject({ code: 'not_found' });
      // Who may not invite learns of no name.
      await expect(conversations.invite(bob!, id, 'nobody')).rejects.toMatchObject(forbidden);
    });
  });

  describe('a channel', () => {
    test('is written by those who run it, until a member is allowed to', async () => {
      const { id } = await make({ type: 'CHANNEL' });
      expect(await conversations.join(bob!, id)).toMatchObject({ canSendMessages: false });
      await say(ann!, id);
      expect(await conversations.messages(bob!, id, page)).toHaveLength(1);
      await expect(say(bob!, id)).rejects.toMatchObject(forbidden);
      await expect(conversations.typing(bob!, id)).rejects.toMatchObject(forbidden);
      expect(await conversations.changeParticipant(ann!, id, bob!.userId, { role: 'ADMIN' })).toMatchObject({ role: 'ADMIN', canSendMessages: true });
      await say(bob!, id);
      expect(await conversations.changeParticipant(ann!, id, bob!.userId, { role: 'MEMBER' })).toMatchObject({ role: 'MEMBER', canSendMessages: false });
      expect(await conversations.changeParticipant(ann!, id, bob!.userId, { canSendMessages: true })).toMatchObject({ role: 'MEMBER', canSendMessages: true });
      await say(bob!, id);
    });
  });

  describe('roles', () => {
    let id: string;
    beforeEach(async () => {
      ({ id } = await make());
      await conversations.join(bob!, id);
      await conversations.join(cleo!, id);
      await conversations.changeParticipant(ann!, id, bob!.userId, { role: 'ADMIN' });
    });

    test('an admin changes the chat and its members, and no more', async () => {
      await conversations.change(bob!, id, { title: 'Renamed' });
      expect(await conversations.changeParticipant(bob!, id, cleo!.userId, { canSendMessages: false, canUploadFiles: false })).toMatchObject({ canSendMessages: false, canUploadFiles: false });
      await expect(say(cleo!, id)).rejects.toMatchObject(forbidden);
      expect(await conversations.messages(cleo!, id, page)).toEqual([]);
      for (const attempt of [
        () => conversations.delete(bob!, id),
        () => conversations.changeParticipant(bob!, id, cleo!.userId, { role: 'ADMIN' }),
        () => conversations.changeParticipant(bob!, id, bob!.userId, { role: 'OWNER' }),
        () => conversations.changeParticipant(bob!, id, bob!.userId, { canUploadFiles: false }),
        () => conversations.changeParticipant(bob!, id, ann!.userId, { canSendMessages: false }),
        () => conversations.changeParticipant(bob!, id, ann!.userId, { role: 'MEMBER' }),
        () => conversations.removeParticipant(bob!, id, ann!.userId),
      ]) await expect(attempt(), attempt.toString()).rejects.toMatchObject(forbidden);
      await conversations.removeParticipant(bob!, id, cleo!.userId);
      expect(await conversations.changeParticipant(bob!, id, bob!.userId, { role: 'MEMBER' })).toMatchObject({ role: 'MEMBER' });
    });

    test('a member changes nobody', async () => {
      for (const attempt of [
        () => conversations.change(cleo!, id, { title: 'mine' }),
        () => conversations.invite(cleo!, id, 'bob'),
        () => conversations.changeParticipant(cleo!, id, cleo!.userId, { role: 'OWNER' }),
        () => conversations.changeParticipant(cleo!, id, cleo!.userId, { role: 'ADMIN' }),
        () => conversations.changeParticipant(cleo!, id, cleo!.userId, { canSendMessages: true }),
        () => conversations.removeParticipant(cleo!, id, bob!.userId),
        () => conversations.delete(cleo!, id),
      ]) await expect(attempt(), attempt.toString()).rejects.toMatchObject(forbidden);
      await conversations.leave(cleo!, id);
      await expect(conversations.leave(cleo!, id)).rejects.toMatchObject(forbidden);
    });

    test('there is one owner always, who leaves only after handing over', async () => {
      await expect(conversations.leave(ann!, id)).rejects.toMatchObject(conflict);
      await expect(conversations.removeParticipant(ann!, id, ann!.userId)).rejects.toMatchObject(conflict);
      await expect(conversations.changeParticipant(ann!, id, ann!.userId, { role: 'MEMBER' })).rejects.toMatchObject(conflict);
      await expect(conversations.changeParticipant(ann!, id, ann!.userId, { canSendMessages: false })).rejects.toMatchObject(conflict);
      await expect(conversations.changeParticipant(ann!, id, cleo!.userId, { role: 'OWNER', canSendMessages: false })).rejects.toMatchObject(conflict);
      await expect(conversations.changeParticipant(ann!, id, '01a1fc38-478b-7429-a13b-4e704d793342', { role: 'OWNER' })).rejects.toMatchObject({ code: 'not_found' });
      // Cleo has a conversation of the same number already.
      expect((await conversations.create(cleo!, { title: 'own', origin: 'test' })).number).toBe(1);
      expect(await conversations.changeParticipant(ann!, id, cleo!.userId, { role: 'OWNER' })).toMatchObject({ role: 'OWNER', canSendMessages: true });
      expect(await roles(id)).toEqual({ ann: 'ADMIN', bob: 'ADMIN', cleo: 'OWNER' });
      expect(await conversations.get(cleo!, id)).toMatchObject({ ownerId: cleo!.userId, number: 2 });
      await conversations.leave(ann!, id);
      await conversations.removeParticipant(cleo!, id, bob!.userId);
      await conversations.delete(cleo!, id);
    });

    test('two hand-overs at the same time leave one owner', async () => {
      await Promise.allSettled([bob!, cleo!].map((to) => conversations.changeParticipant(ann!, id, to.userId, { role: 'OWNER' })));
      const owners = (await conversations.participants(ann!, id)).filter(({ role }) => role === 'OWNER');
      expect(owners).toHaveLength(1);
      expect((await conversations.get(ann!, id)).ownerId).toBe(owners[0]!.userId);
    });
  });

  describe('counts and marks', () => {
    test('say who sent how much, and who has read when: reading moves the own mark alone', async () => {
      const { id } = await make();
      await conversations.join(bob!, id);
      await say(ann!, id);
      await say(ann!, id);
      await say(bob!, id);
      const figures = async () => Object.fromEntries((await conversations.participants(ann!, id)).map((one) => [one.username, [one.messageCount, one.lastReadAt]]));
      expect(await figures()).toEqual({ ann: [2, null], bob: [1, null] });
      const before = Date.now();
      await conversations.messages(bob!, id, page);
      expect(await figures()).toEqual({ ann: [2, null], bob: [1, expect.any(Number)] });
      expect((await figures())['bob']![1]).toBeGreaterThanOrEqual(before);
      await conversations.messages(ann!, id, { ...page, peek: true });
      expect((await figures())['ann']).toEqual([2, null]);
      expect(await conversations.markRead(ann!, id)).toBe((await figures())['ann']![1]);
      await expect(conversations.markRead(cleo!, id)).rejects.toMatchObject(forbidden);
    });

    test('are written together, however many messages come, and before the end', async () => {
      const chats = await Promise.all([make(), make()]);
      for (const { id } of chats) await conversations.join(bob!, id);
      const write = vi.spyOn(store.storage, 'write');
      for (let message = 0; message < 200; message += 1) for (const { id } of chats) conversations.received(id, [ann!.userId, bob!.userId, cleo!.userId]);
      expect(write).not.toHaveBeenCalled();
      const at = (await conversations.participants(ann!, chats[0]!.id))[0]!.lastReadAt;
      await house.stop();
      // One for each conversation and time, not for each message and socket.
      expect(write.mock.calls.length).toBeLessThanOrEqual(4);
      const rows = await store.storage.read.selectFrom('participants').select(['user_id', 'last_read_at']).where('conversation_id', '=', chats[0]!.id).orderBy('joined_at').execute();
      expect(rows).toEqual([{ user_id: ann!.userId, last_read_at: at }, { user_id: bob!.userId, last_read_at: at }]);
    });
  });

  describe('who watches', () => {
    test('is told of those who come, go and change, once each', async () => {
      const { id } = await make();
      const events: ConversationEvent[] = [];
      const stop = await conversations.watch(ann!, id, (event) => events.push(event));
      const told = async (count: number): Promise<ConversationEvent[]> => {
        await vi.waitFor(() => expect(events.length).toBeGreaterThanOrEqual(count));
        return events;
      };
      await conversations.join(bob!, id);
      await conversations.join(bob!, id);
      expect((await told(1))[0]).toMatchObject({ type: 'participant_joined', participant: { username: 'bob', role: 'MEMBER' } });
      await conversations.changeParticipant(ann!, id, bob!.userId, { canSendMessages: false });
      expect((await told(2))[1]).toMatchObject({ type: 'participant_changed', participant: { username: 'bob', canSendMessages: false } });
      // A sign that nothing more came: reading and marks are no change.
      await conversations.messages(bob!, id, page);
      await conversations.leave(bob!, id);
      expect((await told(3))[2]).toEqual({ type: 'participant_left', userId: bob!.userId, username: 'bob' });
      // So quickly back that nobody looked between.
      await conversations.join(bob!, id);
      await told(4);
      await store.storage.write(async (queries) => {
        await queries.updateTable('participants').set({ joined_at: 5, role: 'ADMIN' }).where('conversation_id', '=', id).where('user_id', '=', bob!.userId).execute();
      });
      house.bus.publish(`conversation:${id}`, { type: 'participants' });
      expect((await told(6)).slice(3).map(({ type }) => type)).toEqual(['participant_joined', 'participant_left', 'participant_joined']);
      stop();
    });

    test('hears nothing of an answer any more when taken out, also in the middle; the others hear it to its end', async () => {
      house.models.answerWith(null);
      const { id } = await make();
      await conversations.join(bob!, id);
      await conversations.join(cleo!, id);
      const asked = await conversations.send(bob!, id, { content: 'What is an oak?', ...options });
      const call = await house.models.call();
      call.text('An oak ');
      // Bob asked, so he reads it without a look at the rows; Cleo and Ann by them.
      const readers = [bob!, cleo!, ann!].map((viewer) => conversations.attach(viewer, asked.answer!.id, 0, never)[Symbol.asyncIterator]());
      for (const reader of readers) await reader.next();
      const next = readers.map(async (reader) => {
        try {
          return (await Array.fromAsync({ [Symbol.asyncIterator]: () => reader })).flat().at(-1)?.kind;
        } catch (error) {
          return (error as { code: string }).code;
        }
      });
      await conversations.removeParticipant(ann!, id, bob!.userId);
      await conversations.removeParticipant(ann!, id, cleo!.userId);
      expect(await Promise.all(next.slice(0, 2))).toEqual(['forbidden', 'forbidden']);
      await expect(readToEnd(conversations.attach(bob!, asked.answer!.id, 0, never))).rejects.toMatchObject(forbidden);
      call.text('is a tree.');
      call.finish();
      expect(await next[2]).toBe('end');
    });
  });
});

describe.skipIf(postgresTestUrl() === null)('people in a conversation that several instances show', () => {
  type House = Awaited<ReturnType<typeof startConversations>> & { close(): Promise<void> };
  let store: TestStorage;
  let network: BusNetwork;
  let [one, two]: House[] = [];
  let [ann, bob]: Viewer[] = [];
  let chat: Conversation;

  beforeEach(async () => {
    store = await openTestStorage('postgres');
    network = createBusNetwork();
    const open = async (): Promise<House> => {
      const storage = openStorage(store.options);
      await storage.start();
      const house = await startConversations(storage, { bus: network.join() });
      return { ...house, close: async () => { await house.stop(); await storage.stop(); } };
    };
    [one, two] = [await open(), await open()];
    [ann, bob] = [await addViewer(store.storage, 'ann'), await addViewer(store.storage, 'bob')];
    chat = await one!.conversations.create(ann!, { title: 'Trees', type: 'GROUP', origin: 'test' });
    await one!.conversations.join(bob!, chat.id);
  });
  afterEach(async () => {
    await one!.close();
    await two!.close();
    await store.close();
  });

  test.each([
    { name: 'at once by a hint', loses: false, withinMs: 2000 },
    { name: 'by the rows, when every hint is lost', loses: true, withinMs: 9000 },
  ])('are told of, and cut off from answers, everywhere: $name', { timeout: 20_000 }, async ({ loses, withinMs }) => {
    const events: ConversationEvent[] = [];
    const stop = await two!.conversations.watch(ann!, chat.id, (event) => events.push(event));
    const { answer } = await one!.conversations.send(ann!, chat.id, { content: 'What is an oak?', ...options });
    const call = await one!.models.call();
    call.text('An oak ');
    const reader = two!.conversations.attach(bob!, answer!.id, 0, never)[Symbol.asyncIterator]();
    await reader.next();
    if (loses) network.trouble = { loses: () => true };
    const began = performance.now();
    await one!.conversations.removeParticipant(ann!, chat.id, bob!.userId);
    const rest = Array.fromAsync({ [Symbol.asyncIterator]: () => reader });
    await expect(rest).rejects.toMatchObject({ code: 'forbidden' });
    await vi.waitFor(() => expect(events.filter(({ type }) => type === 'participant_left')).toEqual([{ type: 'participant_left', userId: bob!.userId, username: 'bob' }]), { timeout: withinMs });
    expect(performance.now() - began).toBeLessThan(withinMs);
    call.finish();
    stop();
  });

  test('are told once, when hints come late, twice and in another order', async () => {
    const events: ConversationEvent[] = [];
    const stop = await two!.conversations.watch(ann!, chat.id, (event) => events.push(event));
    let turn = 0;
    network.trouble = { copies: 3, delayMs: () => (turn += 1) % 2 * 30 };
    for (const canSendMessages of [false, true, false]) await one!.conversations.changeParticipant(ann!, chat.id, bob!.userId, { canSendMessages });
    await one!.conversations.leave(bob!, chat.id);
    await vi.waitFor(() => expect(events.some(({ type }) => type === 'participant_left')).toBe(true));
    await one!.conversations.change(ann!, chat.id, { title: 'Oaks' });
    await vi.waitFor(() => expect(events.some(({ type }) => type === 'changed')).toBe(true));
    expect(events.filter(({ type }) => type === 'participant_left')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'participant_joined')).toHaveLength(0);
    stop();
  });

  test('keep the later of two read marks', async () => {
    const first = await two!.conversations.markRead(bob!, chat.id);
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(first));
    const second = await one!.conversations.markRead(bob!, chat.id);
    await one!.conversations.stop?.();
    await two!.conversations.stop?.();
    const row = await store.storage.read.selectFrom('participants').select('last_read_at').where('user_id', '=', bob!.userId).executeTakeFirstOrThrow();
    expect(row.last_read_at).toBe(second);
  });
});
