import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

describe.each(engines)('Search and the usage of a chat, on %s', (engine) => {
  let server: TestServer;
  let ann: TestUser;
  let bob: TestUser;
  let chatId: string;
  beforeAll(async () => {
    server = await startTestServer({ engine });
    ann = await server.user('ann');
    bob = await server.user('bob');
    server.models.answerWith(['Under ', 'the ', 'Größte Eiche.']);
    chatId = (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'Treasure', ai_model: 'default' } })).json.id;
    await ask('Where is the TREASURE?');
  });
  afterAll(() => server.stop());

  async function ask(content: string): Promise<Json> {
    const base = `/api/v1/chat/chats/${chatId}/messages`;
    const sent = await server.request('POST', `${base}?include=answer`, { as: ann, body: { content } });
    await server.request('GET', `${base}/${sent.json.answer.id}/stream`, { as: ann });
    return sent.json;
  }
  const search = (query: string, as = ann) => server.request('GET', `/api/v1/chat/search?${query}`, { as });
  const usage = async (id = chatId, as = ann) => server.request('GET', `/api/v1/chat/chats/${id}/usage`, { as });

  it('finds titles and messages, with the places of the words', async () => {
    const found = await search('q=treasure');
    expect(found.status).toBe(200);
    expect(found.json).toEqual({
      complete: true, cursor: null,
      hits: expect.arrayContaining([
        { chat_id: chatId, title: 'Treasure', message_id: null, message_type: null, created_at: expect.stringMatching(/Z$/), snippet: 'Treasure', matches: [{ start: 0, end: 8 }] },
        { chat_id: chatId, title: 'Treasure', message_id: expect.any(String), message_type: 'USER', created_at: expect.stringMatching(/Z$/), snippet: 'Where is the TREASURE?', matches: [{ start: 13, end: 21 }] },
      ]),
    });
    expect((await search(`q=${encodeURIComponent('GRÖSSTE eiche')}&role=AI&chat_id=${chatId}`)).json.hits).toMatchObject([{ message_type: 'AI', snippet: 'Under the Größte Eiche.' }]);
    expect((await search('q=treasure&to=2001-01-01')).json.hits).toEqual([]);
    const first = await search('q=treasure&limit=1');
    const second = await search(`q=treasure&limit=1&cursor=${first.json.cursor}`);
    expect([...first.json.hits, ...second.json.hits]).toEqual(found.json.hits);
    expect((await search('q=treasure&limit=1&offset=1')).json.hits).toEqual(second.json.hits);
  });

  it("finds nothing of anybody else's, and tells nothing of chats that are not one's own", async () => {
    expect((await search('q=treasure', bob)).json.hits).toEqual([]);
    expect((await search(`q=treasure&chat_id=${chatId}`, bob)).status).toBe(403);
    expect((await usage(chatId, bob)).status).toBe(403);
    expect((await search('q=treasure&chat_id=none')).status).toBe(404);
    expect((await usage('none')).status).toBe(404);
  });

  it.each([['q=', 'q'], ['', 'q'], ['q=%20', 'q'], [`q=${'x'.repeat(201)}`, 'q'], ['q=x&limit=101', 'limit'], ['q=x&limit=0', 'limit'], ['q=x&offset=10001', 'offset'], ['q=x&role=tool', 'role'], ['q=x&from=yesterday', 'from'], ['q=x&state=trashed', 'state']])(
    'refuses %s', async (query, field) => {
    const refused = await search(query);
    expect([refused.status, refused.json.detail[0].loc]).toEqual([422, ['query', field]]);
  });

  it('says what a chat comes to from its stored rows, and null where nothing is known', async () => {
    const empty = (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'Empty' } })).json.id;
    expect((await usage(empty)).json).toEqual({
      chat_id: empty, messages: { total: 0, user: 0, ai: 0, system: 0, imported: 0 }, answers_by_status: {}, answers: 0, tokens: { input: null, output: null }, cost_usd: null,
      answers_without_tokens: 0, answers_without_price: 0, average_time_to_first_token_ms: null, average_duration_ms: null, by_model: [],
    });
    await ask('And then?');
    const rows = await server.parts.storage.read.selectFrom('messages').selectAll().where('conversation_id', '=', chatId).where('role', '=', 'assistant').execute();
    const mean = (values: (number | null)[]) => values.reduce<number>((sum, value) => sum + value!, 0) / values.length;
    const line = {
      answers: 2, tokens: { input: 14, output: 6 }, cost_usd: 0, answers_without_tokens: 0, answers_without_price: 0,
      average_time_to_first_token_ms: expect.closeTo(mean(rows.map((row) => row.time_to_first_token_ms)), 6), average_duration_ms: expect.closeTo(mean(rows.map((row) => row.duration_ms)), 6),
    };
    expect((await usage()).json).toEqual({ chat_id: chatId, messages: { total: 4, user: 2, ai: 2, system: 0, imported: 0 }, answers_by_status: { DELIVERED: 2 }, ...line, by_model: [{ model: 'one', ...line }] });
    await server.request('POST', `/api/v1/chat/chats/${chatId}/archive`, { as: ann });
    expect((await usage()).json.answers).toBe(2);
    await server.request('POST', `/api/v1/chat/chats/${chatId}/restore`, { as: ann });
  });
});
