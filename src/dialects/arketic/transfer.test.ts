import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

describe.each(engines)('Chats as files, on %s', (engine) => {
  let server: TestServer;
  let ann: TestUser;
  let bob: TestUser;
  let chatId: string;
  beforeAll(async () => {
    server = await startTestServer({ engine, settings: { IMPORT_MAX_MEGABYTES: '1' } });
    ann = await server.user('ann');
    bob = await server.user('bob');
    server.models.answerWith(['Under ', 'the oak.']);
    chatId = (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'Treasure', ai_model: 'default', tags: ['a'], system_prompt: 'Be brief.' } })).json.id;
    const base = `/api/v1/chat/chats/${chatId}/messages`;
    const sent = await server.request('POST', `${base}?include=answer`, { as: ann, body: { content: 'Where is it?', message_metadata: { mood: 'curious' } } });
    await server.request('GET', `${base}/${sent.json.answer.id}/stream`, { as: ann });
    const again = await server.request('POST', `${base}/${sent.json.answer.id}/regenerate`, { as: ann });
    await server.request('GET', `${base}/${again.json.id}/stream`, { as: ann });
  });
  afterAll(() => server.stop());

  const exported = (path: string, as = ann) => server.request('GET', path, { as });
  const send = (raw: string | Uint8Array, as = bob, headers = {}) => server.request('POST', '/api/v1/chat/import', { as, raw, headers: { 'content-type': 'application/json', ...headers } });
  /** The import when it has ended. */
  async function ended(id: string, as = bob): Promise<Json> {
    for (;;) {
      const { json } = await server.request('GET', `/api/v1/chat/imports/${id}`, { as });
      if (!['waiting', 'running'].includes(json.state)) return json;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('gives a chat with all its branches as a file, and takes that file into another account', async () => {
    const file = await exported(`/api/v1/chat/chats/${chatId}/export`);
    expect(file.status).toBe(200);
    expect(file.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(file.headers.get('content-disposition')).toBe(`attachment; filename="chat-${chatId}.json"`);
    expect(file.json).toMatchObject({ format: 'parley-export', version: 1, exported_by: 'ann', conversations: [{ id: chatId, title: 'Treasure', owner: 'ann', tags: ['a'], participants: [{ username: 'ann', role: 'OWNER' }] }] });
    expect(file.json.conversations[0].messages.map((message: Json) => [message.role, message.sender, message.content, message.metadata])).toEqual([
      ['user', 'ann', 'Where is it?', { mood: 'curious' }], ['assistant', null, 'Under the oak.', null], ['assistant', null, 'Under the oak.', null],
    ]);
    const accepted = await send(file.text);
    expect([accepted.status, accepted.json.state]).toEqual([202, expect.stringMatching(/waiting|running|done/)]);
    const done = await ended(accepted.json.id);
    expect(done).toMatchObject({ state: 'done', progress: 1, imported: 1, present: 0, skipped: 0, messages: 3, error: null, chats: [{ title: 'Treasure', source_id: chatId, outcome: 'imported', chat_id: expect.any(String), messages: 3, remarks: [] }] });
    const whole = await exported(`/api/v1/chat/chats/${done.chats[0].chat_id}?include=branches`, bob);
    expect(whole.json.messages.map((message: Json) => [message.message_type, message.content, message.sender_id, message.siblings.length, message.cost_usd])).toEqual([['USER', 'Where is it?', bob.userId, 1, null], ['AI', 'Under the oak.', null, 2, null]]);
    expect((await exported(`/api/v1/chat/chats/${done.chats[0].chat_id}/usage`, bob)).json).toMatchObject({ messages: { total: 3, imported: 3 }, cost_usd: null, tokens: { input: null, output: null } });
    const second = await ended((await send(file.text)).json.id);
    expect(second).toMatchObject({ imported: 0, present: 1, messages: 0, chats: [{ outcome: 'present', chat_id: done.chats[0].chat_id }] });
    const own = await ended((await send(file.text, ann)).json.id, ann);
    expect(own.chats).toMatchObject([{ outcome: 'present', chat_id: chatId }]);
  });

  it('gives all own chats, and no others', async () => {
    const all = await exported('/api/v1/chat/export');
    expect(all.json.conversations.map((entry: Json) => entry.title)).toEqual(['Treasure']);
    const trashed = (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'Rubbish' } })).json.id;
    await server.request('POST', `/api/v1/chat/chats/${trashed}/trash`, { as: ann });
    expect((await exported('/api/v1/chat/export')).json.conversations).toHaveLength(1);
    expect((await exported(`/api/v1/chat/chats/${trashed}/export`)).json.conversations).toMatchObject([{ title: 'Rubbish', messages: [] }]);
  });

  it('gives the shown branch as Markdown', async () => {
    const file = await exported(`/api/v1/chat/chats/${chatId}/export?format=markdown`);
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'text/markdown; charset=utf-8']);
    expect(file.text).toMatch(/^# Treasure\n\n\S+Z\n\n## ann\n\n\*\S+Z\*\n\nWhere is it\?\n\n## Assistant \(scripted\/one\)\n\n\*\S+Z\*\n\nUnder the oak\.\n$/);
    expect((await exported(`/api/v1/chat/chats/${chatId}/export?format=pdf`)).status).toBe(422);
  });

  it("keeps exports and imports each other's away", async () => {
    expect((await exported(`/api/v1/chat/chats/${chatId}/export`, bob)).status).toBe(403);
    expect((await exported(`/api/v1/chat/chats/${chatId}/export?format=markdown`, bob)).status).toBe(403);
    expect((await exported('/api/v1/chat/chats/none/export')).status).toBe(404);
    const { id } = (await exported('/api/v1/chat/imports', bob)).json.imports[0];
    expect((await exported(`/api/v1/chat/imports/${id}`, ann)).status).toBe(404);
    expect((await server.request('POST', `/api/v1/chat/imports/${id}/cancel`, { as: ann })).status).toBe(404);
    expect((await exported('/api/v1/chat/imports', ann)).json.imports.every((one: Json) => one.id !== id)).toBe(true);
  });

  it('says what is wrong with a file that cannot be read', async () => {
    for (const [file, problem] of [['{"hello": 1}', 'neither'], ['no json', 'not a file'], ['[', 'ends in the middle'], ['{"format":"parley-export","version":99,"conversations":[{"id":"x"}]}', 'version 99'], ['"text"', 'not a file']] as const) {
      const failed = await ended((await send(file)).json.id);
      expect([failed.state, failed.error], file).toEqual(['failed', expect.stringContaining(problem)]);
    }
    expect((await send('')).status).toBe(400);
    expect((await server.request('POST', '/api/v1/chat/import', { as: bob, raw: 'x', headers: { 'content-type': 'text/plain' } })).status).toBe(415);
  });

  it('takes no file above the bound, neither announced nor in pieces', async () => {
    const large = new Uint8Array(1_100_000).fill(0x20);
    expect((await send(large)).status).toBe(413);
    const pieces = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < 11; at += 1) controller.enqueue(large.subarray(0, 100_000));
        controller.close();
      },
    });
    const answer = await fetch(`${server.url}/api/v1/chat/import`, { method: 'POST', headers: { ...bob.headers, 'content-type': 'application/json' }, body: pieces, duplex: 'half', signal: AbortSignal.timeout(10_000) } as RequestInit);
    expect(answer.status).toBe(413);
    await answer.body?.cancel();
    expect((await exported(`/api/v1/chat/chats/${chatId}`)).status).toBe(200);
  });

  it('takes what ChatGPT exports, with its own times, so that it is found among the rest', async () => {
    const conversations = Array.from({ length: 300 }, (_, index) => ({
      title: `Talk ${index}`, create_time: 1_700_000_000 + index, update_time: 1_700_000_500, conversation_id: createHash('sha256').update(String(index)).digest('hex').slice(0, 36), current_node: 'b',
      mapping: {
        root: { id: 'root', message: null, parent: null, children: ['a'] },
        a: { id: 'a', parent: 'root', children: ['b'], message: { id: 'a', author: { role: 'user' }, create_time: 1_700_000_001 + index, content: { content_type: 'text', parts: [`Question ${index}`] } } },
        b: { id: 'b', parent: 'a', children: [], message: { id: 'b', author: { role: 'assistant' }, create_time: 1_700_000_002 + index, content: { content_type: 'text', parts: [`Answer ${index}`] }, metadata: { model_slug: 'gpt-4o' } } },
      },
    }));
    const { json } = await send(JSON.stringify(conversations));
    const done = await ended(json.id);
    expect(done).toMatchObject({ state: 'done', imported: 300, messages: 600, skipped: 0 });
    const found = await exported('/api/v1/chat/search?q=%22Answer%20250%22&limit=5'.replaceAll('%22', ''), bob);
    expect(found.json.hits[0]).toMatchObject({ snippet: 'Answer 250', created_at: '2023-11-14T22:17:32.000Z' });
  }, 60_000);
});
