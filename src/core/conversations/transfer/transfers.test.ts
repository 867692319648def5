import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { createJobs, type Jobs } from '../../../base/jobs/index.ts';
import { createMetrics, silentLog } from '../../../base/observability/index.ts';
import { openStorage } from '../../../base/storage/index.ts';
import { engines, openTestStorage, type TestStorage } from '../../../base/storage/testing.ts';
import type { Viewer } from '../../accounts/index.ts';
import { addViewer, readToEnd, startConversations } from '../testing.ts';
import { createTransfers } from './transfers.ts';
import type { ImportState, Transfers } from './types.ts';

type Json = ReturnType<typeof JSON.parse>;
const options = { dialect: 'test' };
/** A PNG of one pixel, base64. */
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** A database with conversations, and transfers whose imports run. */
async function openHouse(engine: 'sqlite' | 'postgres') {
  const store = await openTestStorage(engine);
  const house = await startConversations(store.storage);
  const transfers = createTransfers({ storage: store.storage, jobs: house.jobs, clock: systemClock, log: silentLog(), folder: join(store.dataDir, 'imports'), maxBytes: 50_000_000 });
  return {
    store, transfers, ...house,
    async close() {
      await house.stop();
      await store.close();
    },
  };
}

async function exported(transfers: Transfers, viewer: Viewer, id: string | null = null): Promise<Json> {
  let text = '';
  for await (const piece of transfers.exportJson(viewer, id)) text += piece;
  return JSON.parse(text);
}

async function* bytesOf(value: unknown): AsyncGenerator<Buffer> {
  yield Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}

async function imported(transfers: Transfers, viewer: Viewer, jobs: Jobs, value: unknown): Promise<ImportState> {
  const { id } = await transfers.importFile(viewer, bytesOf(value));
  await jobs.wait(id, AbortSignal.timeout(20_000));
  return transfers.importState(viewer, id);
}

/** A conversation without what must differ in another account: ids by their place, the owner by a word. */
function comparable(conversation: Json, owner: string): Json {
  const places = new Map<string, string>(conversation.messages.map(({ id }: { id: string }, index: number) => [id, `message ${index}`]));
  const place = (id: string | null): string | null => (id === null ? null : (places.get(id) ?? 'unknown'));
  const name = (username: string | null): string | null => (username === owner ? 'the owner' : username);
  return {
    ...conversation, id: 'the conversation', owner: name(conversation.owner), head_id: place(conversation.head_id),
    participants: conversation.participants.map((one: Json) => ({ ...one, username: name(one.username) })),
    messages: conversation.messages.map((message: Json) => ({
      ...message, id: place(message.id), parent_id: place(message.parent_id), reply_to_id: place(message.reply_to_id), replaces_id: place(message.replaces_id), sender: name(message.sender),
    })),
  };
}

describe.each(engines)('Files of conversations, from %s', (engine) => {
  let house: Awaited<ReturnType<typeof openHouse>>;
  let ann: Viewer;
  let bob: Viewer;
  let chatId: string;

  beforeAll(async () => {
    house = await openHouse(engine);
    const { conversations, store, models } = house;
    [ann, bob] = [await addViewer(store.storage, 'ann'), await addViewer(store.storage, 'bob')];
    chatId = (await conversations.create(ann, {
      title: 'Everything 😀', description: 'all of it', type: 'GROUP', model: 'scripted/one', persona: 'a pirate', systemPrompt: 'Be brief.', temperature: 0.3, maxTokens: 77, isPrivate: false, tags: ['a', 'b'], label: 'old', origin: 'test',
    })).id;
    await store.storage.write((queries) =>
      queries.insertInto('participants').values({ conversation_id: chatId, user_id: bob.userId, role: 'MEMBER', can_send_messages: 1, can_upload_files: 0, message_count: 0, joined_at: 5_000_000_000_000, last_read_at: 7, pinned_at: null }).execute(),
    );
    const follow = (viewer: Viewer, id: string) => readToEnd(conversations.attach(viewer, id, 0, new AbortController().signal));
    const first = conversations.send(ann, chatId, { content: 'Question', metadata: { mood: 'curious', parley: { deep: [1, null] } }, ...options });
    const call = await models.call();
    call.say({ type: 'reasoning', text: 'Let me see.' }, { type: 'text', text: 'An answer \u2028 with "quotes"' }, { type: 'tool', index: 0, id: 'call-1', name: 'weather', arguments: '{"town":"Rome"}' });
    call.finish();
    const { userMessage, answer } = await first;
    await follow(ann, answer!.id);
    models.answerWith(['Sunny.']);
    const result = await conversations.send(ann, chatId, { content: 'It is sunny', toolCallId: 'call-1', ...options });
    await follow(ann, result.answer!.id);
    const again = await conversations.regenerate(ann, result.answer!.id, options);
    await follow(ann, again.id);
    const edited = await conversations.edit(ann, userMessage.id, 'Question, edited', options);
    await follow(ann, edited.answer!.id);
    const fromBob = await conversations.send(bob, chatId, { content: 'Bob says', replyToId: edited.userMessage.id, ...options });
    await follow(bob, fromBob.answer!.id);
    const failed = await conversations.send(ann, chatId, { content: 'Fail', model: 'missing', ...options });
    expect(failed.answer!.status).toBe('FAILED');
    await conversations.pin(ann, chatId, true);
    await conversations.selectBranch(ann, again.id);
    const archived = await conversations.create(ann, { title: 'Archived', origin: 'test' });
    const parts = [{ type: 'text' as const, text: 'Before' }, { type: 'image' as const, url: `data:image/png;base64,${pixel}` }, { type: 'image' as const, url: 'https://example.com/a.png', detail: 'low' as const }, { type: 'text' as const, text: 'behind' }];
    for (const metadata of [null, { own: true }]) await conversations.send(ann, archived.id, { content: 'Before\nbehind', parts, metadata, answer: false, ...options });
    await conversations.archive(ann, archived.id);
  });
  afterAll(() => house.close());

  test.each(engines)('are equal in another account on %s, but for ids and the owner', async (other) => {
    const file = await exported(house.transfers, ann);
    expect(file.conversations.map(({ title }: { title: string }) => title)).toEqual(['Everything 😀', 'Archived']);
    const there = await openHouse(other);
    const carl = await addViewer(there.store.storage, 'carl');
    const state = await imported(there.transfers, carl, there.jobs, file);
    expect(state).toMatchObject({ state: 'done', error: null, counts: { imported: 2, present: 0, skipped: 0, messages: file.conversations[0].messages.length + 2 } });
    expect(state.entries.map(({ remarks }) => remarks)).toEqual([[], []]);
    const back = await exported(there.transfers, carl);
    const sorted = (conversations: Json[]) => conversations.toSorted((one, another) => one.title.localeCompare(another.title));
    expect(sorted(back.conversations).map((one) => comparable(one, 'carl'))).toEqual(sorted(file.conversations).map((one) => comparable(one, 'ann')));
    const pictured = sorted(back.conversations)[0].messages;
    expect(pictured).toMatchObject([null, { own: true }].map((metadata) => ({ metadata, pictures: [{ type: 'image/png', data: pixel, url: null, offset: 6 }, { type: null, data: null, url: 'https://example.com/a.png', detail: 'low' }] })));
    const [id] = (await there.conversations.list(carl, { limit: 10, offset: 0 }, { state: 'archived' })).map((chat) => chat.id);
    // And once more, from there to a third one.
    const dora = await addViewer(there.store.storage, 'dora');
    await imported(there.transfers, dora, there.jobs, back);
    const third = await exported(there.transfers, dora);
    expect(sorted(third.conversations).map((one) => comparable(one, 'dora'))).toEqual(sorted(file.conversations).map((one) => comparable(one, 'ann')));
    await there.conversations.restore(carl, id!);
    for (const message of await there.conversations.messages(carl, id!, { limit: 10, offset: 0 })) expect(message.pictures).toHaveLength(2);
    await there.close();
  });

  test('hold what was there: branches, reasoning, tool calls, figures, who wrote what', async () => {
    const { conversations: [one] } = await exported(house.transfers, ann, chatId);
    expect(one.messages.map(({ role, sender, content, status, is_edited: isEdited }: Json) => [role, sender, content, status, isEdited])).toEqual([
      ['user', 'ann', 'Question', 'DELIVERED', false], ['assistant', null, 'An answer \u2028 with "quotes"', 'DELIVERED', false], ['tool', 'ann', 'It is sunny', 'DELIVERED', false],
      ['assistant', null, 'Sunny.', 'DELIVERED', false], ['assistant', null, 'Sunny.', 'DELIVERED', false], ['user', 'ann', 'Question, edited', 'DELIVERED', true], ['assistant', null, 'Sunny.', 'DELIVERED', false],
      ['user', 'bob', 'Bob says', 'DELIVERED', false], ['assistant', null, 'Sunny.', 'DELIVERED', false], ['user', 'ann', 'Fail', 'DELIVERED', false], ['assistant', null, '', 'FAILED', false],
    ]);
    expect(one.messages[0].metadata).toEqual({ mood: 'curious', parley: { deep: [1, null] } });
    expect(one.messages[1]).toMatchObject({ reasoning: 'Let me see.', tool_calls: [{ id: 'call-1', name: 'weather', arguments: '{"town":"Rome"}' }], figures: { tokens_in: 7, tokens_out: 3 }, model: 'scripted/one' });
    expect(one.messages[2]).toMatchObject({ tool_call_id: 'call-1', tool_calls: null, figures: null });
    expect(one).toMatchObject({ owner: 'ann', type: 'GROUP', is_private: false, pinned_at: expect.any(String), head_id: one.messages[4].id });
    expect(one.participants.map(({ username, role }: Json) => [username, role])).toEqual([['ann', 'OWNER'], ['bob', 'MEMBER']]);
  });

  test('are for those who take part: a member gets the conversation, a stranger nothing', async () => {
    const stranger = await addViewer(house.store.storage, `stranger-${engine}`, 'admin');
    expect((await exported(house.transfers, bob, chatId)).conversations[0].messages).toHaveLength(11);
    expect((await exported(house.transfers, bob)).conversations).toEqual([]);
    await expect(exported(house.transfers, stranger, chatId)).rejects.toMatchObject({ code: 'forbidden' });
    const markdown = house.transfers.exportMarkdown(stranger, chatId);
    await expect(markdown.next()).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('that are imported claim nothing: no other sender, no cost, no usage, no participant, not in public', async () => {
    const eve = await addViewer(house.store.storage, `eve-${engine}`);
    const file = await exported(house.transfers, ann, chatId);
    const forged = structuredClone(file);
    forged.exported_by = eve.username;
    for (const message of forged.conversations[0].messages) Object.assign(message, { sender: message.role === 'user' ? 'ann' : message.sender, metadata: { parley_import: { id: 'x', sender: 'ann', figures: { cost_micros: 5 } } } });
    forged.conversations[0].messages[1].figures.cost_micros = 999_999_999;
    forged.conversations[0].parameters = { import: { source: 'parley', id: 'y' }, kept: 1 };
    const usageRows = async () => (await house.store.storage.read.selectFrom('usage').select('id').execute()).length;
    const before = await usageRows();
    const state = await imported(house.transfers, eve, house.jobs, forged);
    const id = state.entries[0]!.conversationId!;
    const rows = await house.store.storage.read.selectFrom('messages').selectAll().where('conversation_id', '=', id).execute();
    expect(rows.filter(({ sender_id: sender }) => sender !== null)).toEqual([]);
    expect(rows.filter(({ cost_micros: cost, tokens_in: tokens, idempotency_key: key }) => cost !== null || tokens !== null || key !== null)).toEqual([]);
    expect(await usageRows()).toBe(before);
    expect(await house.conversations.usage(eve, id)).toMatchObject({ imported: rows.length, total: { costMicros: null, tokensIn: null } });
    expect(await house.conversations.get(eve, id)).toMatchObject({ ownerId: eve.userId, origin: 'import', isPrivate: true, participantCount: 1 });
    await expect(house.conversations.get(ann, id)).rejects.toMatchObject({ code: 'forbidden' });
    expect(JSON.parse((await house.store.storage.read.selectFrom('conversations').select('parameters').where('id', '=', id).executeTakeFirstOrThrow()).parameters)).toMatchObject({ kept: 1, import: { source: 'parley', id: chatId } });
  });

  test('go on like any other when they are imported', async () => {
    const finn = await addViewer(house.store.storage, `finn-${engine}`);
    const file = { ...(await exported(house.transfers, ann, chatId)), exported_by: 'ann' };
    const { entries } = await imported(house.transfers, finn, house.jobs, file);
    house.models.answerWith(['Still here.']);
    const sent = await house.conversations.send(finn, entries[0]!.conversationId!, { content: 'And now?', model: 'scripted/one', ...options });
    const end = await readToEnd(house.conversations.attach(finn, sent.answer!.id, 0, new AbortController().signal));
    expect(end.at(-1)).toMatchObject({ kind: 'end', status: 'DELIVERED' });
    const call = house.models.calls.at(-1)!;
    expect(call.request.messages.map(({ role, content }) => [role, content])).toEqual([
      ['system', 'You are a pirate.\n\nBe brief.'], ['user', 'Question'], ['assistant', 'An answer \u2028 with "quotes"'], ['tool', 'It is sunny'], ['assistant', 'Sunny.'], ['user', 'And now?'],
    ]);
    const stored = await house.store.storage.read.selectFrom('messages').select(['seq', 'path_hash']).where('id', '=', sent.answer!.id).executeTakeFirstOrThrow();
    expect(stored).toEqual({ seq: 13, path_hash: expect.any(String) });
  });

  test('with single faults are taken as far as they go, and the report says what was left out', async () => {
    const gina = await addViewer(house.store.storage, `gina-${engine}`);
    const message = (id: string, parent: string | null, changes = {}) => ({ id, parent_id: parent, role: 'user', sender: gina.username, content: id, status: 'DELIVERED', created_at: '2024-01-01T00:00:00Z', ...changes });
    const head = { title: 'x', created_at: '2024-01-01T00:00:00Z', last_activity_at: '2024-01-02T00:00:00Z' };
    const file = {
      format: 'parley-export', version: 1, exported_by: gina.username,
      conversations: [
        { ...head, id: 'one', messages: [message('a', null), message('b', 'a', { role: 'wizard' }), message('c', 'b'), message('c', 'a'), message('d', 'later', { pictures: [{ data: 'bm90IGEgcGljdHVyZQ==', offset: 0 }, { url: 'http://127.0.0.1/x', offset: 0 }] }), message('e', 'd', { status: 'PROCESSING', role: 'assistant', sender: null })] },
        { ...head, id: 'two', title: 7, messages: [] }, 'nonsense', { ...head, id: 'three', messages: [] }, { ...head, id: 'three', messages: [] },
      ],
    };
    const { entries, counts } = await imported(house.transfers, gina, house.jobs, file);
    expect(counts).toEqual({ imported: 2, present: 1, skipped: 2, messages: 4 });
    expect(entries.map(({ sourceId, outcome }) => [sourceId, outcome])).toEqual([['one', 'imported'], ['two', 'skipped'], [null, 'skipped'], ['three', 'imported'], ['three', 'present']]);
    expect(entries[0]!.remarks.map(({ what, count }) => `${count} ${what}`)).toEqual([
      expect.stringMatching(/^1 a message was left out: role/), '1 a message that stands there twice was taken once', '1 a message whose parent does not stand before it begins a branch of its own', '1 an answer that was still being made is interrupted', expect.stringMatching(/^2 a picture was left out: A picture must be/),
    ]);
    expect(entries[1]!.remarks[0]!.what).toContain('title');
    const back = (await exported(house.transfers, gina, entries[0]!.conversationId)).conversations[0];
    expect(comparable(back, gina.username).messages.map((one: Json) => [one.content, one.parent_id, one.status])).toEqual([['a', null, 'DELIVERED'], ['c', 'message 0', 'DELIVERED'], ['d', null, 'DELIVERED'], ['e', 'message 2', 'INTERRUPTED']]);
  });

  test('are read by one import of an account at a time; a cancelled one leaves nothing half, and can be done again', async () => {
    const hugo = await addViewer(house.store.storage, `hugo-${engine}`);
    const messages = Array.from({ length: 5000 }, (_, index) => ({ id: `m${index}`, parent_id: index === 0 ? null : `m${index - 1}`, role: 'user', sender: null, content: `text ${index}`, status: 'DELIVERED', created_at: '2024-01-01T00:00:00Z' }));
    const file = { format: 'parley-export', version: 1, exported_by: 'x', conversations: ['a', 'b', 'c'].map((id) => ({ id, title: id, created_at: '2024-01-01T00:00:00Z', last_activity_at: '2024-01-02T00:00:00Z', messages })) };
    const { id } = await house.transfers.importFile(hugo, bytesOf(file));
    await expect(house.transfers.importFile(hugo, bytesOf('[]'))).rejects.toMatchObject({ code: 'conflict' });
    const countOf = async () => (await house.store.storage.read.selectFrom('messages').innerJoin('conversations', 'conversations.id', 'messages.conversation_id').select('messages.id').where('owner_id', '=', hugo.userId).execute()).length;
    await expect.poll(countOf, { timeout: 10_000, interval: 5 }).toBeGreaterThan(0);
    const cancelled = await house.transfers.cancelImport(hugo, id);
    expect(cancelled.state).toBe('cancelled');
    const whole = await house.conversations.list(hugo, { limit: 10, offset: 0 });
    expect(await countOf()).toBe(whole.length * 5000);
    expect(await readdir(join(house.store.dataDir, 'imports'))).toEqual([]);
    const again = await imported(house.transfers, hugo, house.jobs, file);
    expect(again.counts).toEqual({ imported: 3 - whole.length, present: whole.length, skipped: 0, messages: (3 - whole.length) * 5000 });
    expect(await countOf()).toBe(15_000);
  }, 60_000);
});

describe('A server that is killed while it imports', () => {
  let store: TestStorage;
  const base = { clock: systemClock, log: silentLog(), metrics: createMetrics(), instanceId: 'test' };
  const messages = Array.from({ length: 900 }, (_, index) => ({ id: `m${index}`, parent_id: index === 0 ? null : `m${index - 1}`, role: 'user', sender: 'ann', content: `text ${index}`, status: 'DELIVERED', created_at: '2024-01-01T00:00:00Z' }));
  const file = { format: 'parley-export', version: 1, exported_by: 'ann', conversations: Array.from({ length: 6 }, (_, index) => ({ id: `c${index}`, title: `chat ${index}`, created_at: '2024-01-01T00:00:00Z', last_activity_at: '2024-01-02T00:00:00Z', messages })) };

  /** Runs the fixture until it says that so many messages are stored, and kills it. */
  async function killAt(count: number): Promise<void> {
    const child = spawn(process.execPath, [fileURLToPath(new URL('./fixtures/import-process.ts', import.meta.url)), store.options.dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
    let stored = 0;
    for await (const line of createInterface({ input: child.stdout })) if ((stored = Number(line)) >= count) break;
    expect(stored).toBeGreaterThanOrEqual(count);
    expect(stored).toBeLessThan(5400);
    child.kill('SIGKILL');
    await once(child, 'close');
  }

  test('loses nothing and doubles nothing, and shows nothing that is half', async () => {
    store = await openTestStorage('sqlite');
    const ann = await addViewer(store.storage, 'ann');
    const transfersOf = (storage: TestStorage['storage'], jobs: Jobs) => createTransfers({ ...base, storage, jobs, folder: join(store.dataDir, 'imports'), maxBytes: 1e9 });
    const jobs = createJobs({ ...base, storage: store.storage });
    const { id } = await transfersOf(store.storage, jobs).importFile(ann, bytesOf(file));
    await store.storage.stop();
    // In the middle of the first conversation, of the third, and of the fifth.
    for (const count of [200, 2 * 900 + 400, 4 * 900 + 600]) {
      await killAt(count);
      const storage = openStorage(store.options);
      await storage.start();
      const seen = await startConversations(storage);
      for (const chat of await seen.conversations.list(ann, { limit: 10, offset: 0 })) expect(chat.messageCount).toBe(900);
      expect(await seen.conversations.list(ann, { limit: 10, offset: 0 }, { state: 'trashed' })).toEqual([]);
      await seen.stop();
      await storage.stop();
    }
    const storage = openStorage(store.options);
    await storage.start();
    const last = createJobs({ ...base, storage });
    const transfers = transfersOf(storage, last);
    await last.start!();
    await last.wait(id, AbortSignal.timeout(30_000));
    const state = await transfers.importState(ann, id);
    expect(state).toMatchObject({ state: 'done', counts: { imported: 6, present: 0, skipped: 0, messages: 5400 } });
    expect(state.entries.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 6 }, () => 'imported'));
    const rows = await storage.read.selectFrom('messages').select(['conversation_id', 'content']).execute();
    expect(rows).toHaveLength(5400);
    expect(new Set(rows.map((row) => `${row.conversation_id} ${row.content}`)).size).toBe(5400);
    expect(await readdir(join(store.dataDir, 'imports'))).toEqual([]);
    await last.stop!();
    await storage.stop();
    await store.close();
  }, 90_000);
});

test('files whose import never began, or ended elsewhere, are tidied away; those that wait stay', async () => {
  const store = await openTestStorage('sqlite');
  const ann = await addViewer(store.storage, 'ann');
  const later = { ...systemClock, now: () => Date.now() + 2 * 3_600_000 };
  const base = { storage: store.storage, log: silentLog(), metrics: createMetrics(), instanceId: 'test' };
  const jobs = createJobs({ ...base, clock: systemClock });
  const folder = join(store.dataDir, 'imports');
  const transfers = createTransfers({ ...base, jobs, clock: later, folder, maxBytes: 1000 });
  await transfers.importFile(ann, bytesOf('[]'));
  await writeFile(join(folder, '00000000-0000-7000-8000-000000000000.json'), 'half');
  expect(await readdir(folder)).toHaveLength(2);
  await transfers.start!();
  await expect.poll(() => readdir(folder)).toHaveLength(1);
  await expect(transfers.importFile(await addViewer(store.storage, 'bob'), bytesOf('x'.repeat(1001)))).rejects.toMatchObject({ code: 'too_large' });
  expect(await readdir(folder)).toHaveLength(1);
  await transfers.stop!();
  await store.close();
});
