import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { newId } from '../../../base/ids.ts';
import { engines, openTestStorage, type TestStorage } from '../../../base/storage/testing.ts';
import type { Viewer } from '../../accounts/index.ts';
import { newMessageRow } from '../rows.ts';
import { createSearch } from './searching.ts';
import { insertConversation } from '../sending.ts';
import { addViewer, startConversations } from '../testing.ts';
import type { SearchHit, SearchQuery } from './types.ts';
import type { Conversations } from '../contract.ts';

interface Said {
  content: string;
  at: number;
  role?: 'user' | 'assistant' | 'tool';
}

/** A conversation with these messages, as its rows. */
async function addConversation({ storage }: TestStorage, owner: Viewer, title: string, said: readonly Said[], changes: Record<string, unknown> = {}): Promise<string> {
  return storage.write(async (queries) => {
    const { conversationId } = await insertConversation(queries, owner.userId, { title, origin: 'test' }, 1);
    const rows = said.map(({ content, at, role = 'user' }, index) =>
      newMessageRow({ id: newId(), conversation_id: conversationId, parent_id: null, seq: index + 1, depth: 1, role, status: 'DELIVERED', content, created_at: at, ended_at: at }));
    for (let first = 0; first < rows.length; first += 200) await queries.insertInto('messages').values(rows.slice(first, first + 200)).execute();
    const last = Math.max(1, ...said.map(({ at }) => at));
    await queries.updateTable('conversations').set({ last_seq: said.length, last_activity_at: last, ...changes }).where('id', '=', conversationId).execute();
    return conversationId;
  });
}

describe.each(engines)('Search on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let conversations: Conversations;
  let ann: Viewer;
  let bob: Viewer;
  let chats: Record<'garden' | 'kitchen' | 'archived' | 'trashed' | 'foreign', string>;
  const shown = (hits: readonly SearchHit[]): string[] => hits.map(({ snippet }) => snippet);
  const search = async (text: string, query: Partial<SearchQuery> = {}) => conversations.search(ann, { text, limit: 50, ...query });

  beforeAll(async () => {
    store = await openTestStorage(engine);
    [ann, bob] = [await addViewer(store.storage, 'ann'), await addViewer(store.storage, 'bob', 'admin')];
    house = await startConversations(store.storage);
    conversations = house.conversations;
    chats = {
      garden: await addConversation(store, ann, 'Der GROSSE Garten', [
        { content: 'Where are the Äpfel?', at: 100 }, { content: 'Under the oak, 100% sure.', at: 400, role: 'assistant' }, { content: 'result of the tool: oak', at: 401, role: 'tool' },
      ]),
      kitchen: await addConversation(store, ann, 'Kitchen', [{ content: 'äpfel and a_b in the kitchen', at: 200 }, { content: 'OAK table', at: 300 }]),
      archived: await addConversation(store, ann, 'Old oak', [{ content: 'oak of old times', at: 50 }], { archived_at: 60 }),
      trashed: await addConversation(store, ann, 'Thrown oak', [{ content: 'oak in the trash', at: 55 }], { trashed_at: 60 }),
      foreign: await addConversation(store, bob, 'Oak of Bob', [{ content: 'the oak hides a secret', at: 500 }]),
    };
  });
  afterAll(async () => {
    await house.stop();
    await store.close();
  });

  test('finds words in titles and messages, whatever their case, the newest first over all conversations', async () => {
    const { hits, complete, cursor } = await search('oak');
    expect(shown(hits)).toEqual(['result of the tool: oak', 'Under the oak, 100% sure.', 'OAK table']);
    expect([complete, cursor]).toEqual([true, null]);
    expect(hits[1]).toEqual({ conversationId: chats.garden, title: 'Der GROSSE Garten', messageId: expect.any(String), role: 'assistant', at: 400, snippet: 'Under the oak, 100% sure.', matches: [{ start: 10, end: 13 }] });
    expect(shown((await search('äPFEL')).hits)).toEqual(['äpfel and a_b in the kitchen', 'Where are the Äpfel?']);
    expect((await search('große')).hits).toMatchObject([{ conversationId: chats.garden, messageId: null, role: null, at: 401, snippet: 'Der GROSSE Garten', matches: [{ start: 4, end: 10 }] }]);
    expect(shown((await search('kitchen')).hits)).toEqual(['Kitchen', 'äpfel and a_b in the kitchen']);
  });

  test('takes the query as plain text, and wants all of its words', async () => {
    expect(shown((await search('100%')).hits)).toEqual(['Under the oak, 100% sure.']);
    expect(shown((await search('a_b')).hits)).toEqual(['äpfel and a_b in the kitchen']);
    for (const text of ['%', 'Under%oak', '_', '.*', '\\', "'; drop table messages; --"]) expect((await search(text)).hits.every(({ snippet }) => snippet.includes(text)), text).toBe(true);
    expect(shown((await search('OAK under')).hits)).toEqual(['Under the oak, 100% sure.']);
    expect((await search('oak elephant')).hits).toEqual([]);
    await expect(search(' \t ')).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('looks where, in whose words and when it is told', async () => {
    expect(shown((await search('oak', { conversationId: chats.kitchen })).hits)).toEqual(['OAK table']);
    expect(shown((await search('oak', { roles: ['assistant'] })).hits)).toEqual(['Under the oak, 100% sure.']);
    expect(shown((await search('garten', { roles: ['user'] })).hits)).toEqual([]);
    expect(shown((await search('oak', { from: 300, to: 401 })).hits)).toEqual(['Under the oak, 100% sure.', 'OAK table']);
    expect(shown((await search('oak', { state: 'archived' })).hits).toSorted()).toEqual(['Old oak', 'oak of old times']);
    await expect(search('oak', { conversationId: chats.archived })).rejects.toMatchObject({ code: 'not_found' });
    await expect(search('oak', { conversationId: chats.foreign })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(search('oak', { conversationId: 'nonsense' })).rejects.toMatchObject({ code: 'not_found' });
  });

  test("never finds anybody else's words", async () => {
    expect((await search('secret')).hits).toEqual([]);
    expect(shown((await conversations.search(bob, { text: 'oak', limit: 50 })).hits).toSorted()).toEqual(['Oak of Bob', 'the oak hides a secret']);
  });

  test('refuses a cursor that no search gave', async () => {
    for (const cursor of ['', 'x', '1_2', '1__', '1_zz_0', `1_${newId()}`, '1__0; drop']) await expect(search('oak', { cursor }), cursor).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

/** Many conversations with words from a small list; the same for every engine. */
function manyConversations(): { title: string; said: Said[] }[] {
  const words = ['alpha', 'BETA', 'Gamma', 'délta', 'ÉPSILON', 'ζήτα'];
  let state = 7;
  const next = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below;
  return Array.from({ length: 60 }, (_, chat) => {
    let at = next(5000);
    const said = Array.from({ length: chat % 7 === 0 ? 700 : next(30) }, () => ({ content: `${words[next(6)]} ${words[next(6)]} ${next(1000)}`, at: (at += next(40)) }));
    return { title: `${words[next(6)]} ${chat}`, said };
  });
}

describe('A search in pages', () => {
  const results = new Map<string, string[]>();

  test.each(engines)('gives each hit once, in one order, however it is cut and however little time it has: %s', { timeout: 60_000 }, async (engine) => {
    const store = await openTestStorage(engine);
    const ann = await addViewer(store.storage, 'ann');
    const expected: { text: string; at: number }[] = [];
    for (const { title, said } of manyConversations()) {
      await addConversation(store, ann, title, said);
      const last = Math.max(1, ...said.map(({ at }) => at));
      expected.push({ text: title, at: last }, ...said.map(({ content, at }) => ({ text: content, at })));
    }
    const wanted = expected.filter(({ text }) => text.toLowerCase().includes('épsilon') && text.toLowerCase().includes('alpha'));
    const all = async (limits: { timeMs: number }, query: Partial<SearchQuery>): Promise<{ hits: SearchHit[]; asked: number }> => {
      const search = createSearch({ storage: store.storage, clock: systemClock }, limits);
      const hits: SearchHit[] = [];
      for (let [cursor, asked] = [undefined as string | undefined, 1]; ; asked += 1) {
        const result = await search(ann, { text: 'alpha épsilon', limit: 100, ...query, cursor });
        hits.push(...result.hits);
        if (result.cursor === null) return { hits, asked };
        cursor = result.cursor;
      }
    };
    const whole = (await all({ timeMs: 60_000 }, {})).hits;
    expect(whole.map(({ at }) => at)).toEqual(wanted.map(({ at }) => at).toSorted((one, other) => other - one));
    expect(new Set(whole.map(({ snippet, at }) => `${at} ${snippet}`))).toEqual(new Set(wanted.map(({ text, at }) => `${at} ${text}`)));
    for (const limit of [1, 7]) expect((await all({ timeMs: 60_000 }, { limit })).hits).toEqual(whole);
    const hurried = await all({ timeMs: 0 }, {});
    expect(hurried.hits).toEqual(whole);
    expect(hurried.asked).toBeGreaterThan(10);
    const search = createSearch({ storage: store.storage, clock: systemClock }, { timeMs: 60_000 });
    const later = await search(ann, { text: 'alpha épsilon', limit: 5, offset: 12 });
    expect(later.hits).toEqual(whole.slice(12, 17));
    const [from, to] = [whole[40]!.at, whole[20]!.at];
    expect((await search(ann, { text: 'alpha épsilon', limit: 100, from, to })).hits).toEqual(whole.filter(({ at }) => at >= from && at < to));
    results.set(engine, whole.map(({ snippet, at }) => `${at} ${snippet}`).toSorted());
    await store.close();
  });

  test.skipIf(engines.length < 2)('finds the same on both engines', () => {
    expect(results.get('sqlite')!.length).toBeGreaterThan(50);
    expect(results.get('sqlite')).toEqual(results.get('postgres'));
  });
});

test('a search through 20,000 messages leaves the event loop to others, and says when its time is over', async () => {
  const store = await openTestStorage('sqlite');
  const ann = await addViewer(store.storage, 'ann');
  const text = 'Some ordinary words about nothing in particular, said again and again. '.repeat(6);
  for (let chat = 0; chat < 20; chat += 1) await addConversation(store, ann, `chat ${chat}`, Array.from({ length: 1000 }, (_, index) => ({ content: text, at: index * 20 + chat })));
  const search = createSearch({ storage: store.storage, clock: systemClock }, { timeMs: 60_000 });
  let turns = 0;
  let ended = false;
  const count = (): void => { turns += 1; if (!ended) setImmediate(count); };
  setImmediate(count);
  expect(await search(ann, { text: 'nowhere', limit: 10 })).toEqual({ hits: [], complete: true, cursor: null });
  ended = true;
  // At least one turn of the loop for every 512 messages.
  expect(turns).toBeGreaterThan(39);
  const hurried = createSearch({ storage: store.storage, clock: systemClock }, { timeMs: 0 });
  expect(await hurried(ann, { text: 'nowhere', limit: 10 })).toMatchObject({ hits: [], complete: false, cursor: expect.any(String) });
  const gone = AbortSignal.abort();
  await expect(search(ann, { text: 'nowhere', limit: 10 }, gone)).rejects.toThrow();
  await store.close();
}, 60_000);
