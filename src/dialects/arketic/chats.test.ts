import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

describe.each(engines)('Chats on %s', (engine) => {
  let server: TestServer;
  let ann: TestUser;
  let bob: TestUser;
  beforeAll(async () => {
    server = await startTestServer({ engine });
    ann = await server.user('ann');
    bob = await server.user('bob');
    server.models.answerWith(['Hello ', 'there.']);
  });
  afterAll(() => server.stop());

  const chat = async (fields: object = {}): Promise<Json> => (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A chat', ...fields } })).json;

  it('makes a chat with the defaults of the document', async () => {
    const made = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'My AI Chat' } });
    expect(made.status).toBe(200);
    expect(made.json).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/), title: 'My AI Chat', description: null, chat_type: 'DIRECT', ai_model: 'gpt-3.5-turbo', ai_persona: null,
      message_count: 0, last_activity_at: expect.any(String), created_at: expect.any(String), is_private: false, tags: null,
    });
    const whole = await server.request('GET', `/api/v1/chat/chats/${made.json.id}?include=branches`, { as: ann });
    expect(whole.json.chat).toMatchObject({ temperature: 0.7, max_tokens: 2048, system_prompt: null, head_id: null });
  });

  it.each([
    ['title', '', 422], ['title', '   ', 422], ['title', 'x', 200], ['title', 'x'.repeat(200), 200], ['title', 'x'.repeat(201), 422], ['title', 7, 422],
    ['description', 'x'.repeat(1000), 200], ['description', 'x'.repeat(1001), 422], ['description', null, 200],
    ['temperature', 0, 200], ['temperature', 1, 200], ['temperature', 1.01, 422], ['temperature', '0.5', 422],
    ['max_tokens', 0, 422], ['max_tokens', 1, 200], ['max_tokens', 32_000, 200], ['max_tokens', 32_001, 422], ['max_tokens', 1.5, 422],
    ['chat_type', 'GROUP', 200], ['chat_type', 'group', 422], ['ai_model', null, 200], ['tags', ['a'], 200], ['tags', 'a', 422],
    ['title', 'nul \0', 422], ['title', '\u{1f600}'.repeat(200), 200],
  ].map(([field, value, status]) => ({ field: field as string, value, status: status as number, shown: JSON.stringify(value).slice(0, 20) })))(
    'answers $status to the $field $shown', async ({ field, value, status }) => {
    const answer = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A chat', [field]: value } });
    expect(answer.status).toBe(status);
    if (status === 422) expect(answer.json.detail[0].loc.slice(0, 2)).toEqual(['body', field]);
  },
  );

  it('lists the most recently active first, and pages without gap or overlap', async () => {
    const cleo = await server.user('cleo');
    const ids: string[] = [];
    for (const title of ['one', 'two', 'three']) ids.push((await server.request('POST', '/api/v1/chat/chats', { as: cleo, body: { title } })).json.id);
    await server.request('POST', `/api/v1/chat/chats/${ids[0]}/messages`, { as: cleo, body: { content: 'Hi', answer: false } });
    const all = await server.request('GET', '/api/v1/chat/chats', { as: cleo });
    expect(all.json.map((entry: Json) => entry.title)).toEqual(['one', 'three', 'two']);
    expect(all.json[0].message_count).toBe(1);
    const pages = await Promise.all([0, 1, 2, 3].map((offset) => server.request('GET', `/api/v1/chat/chats?limit=1&offset=${offset}`, { as: cleo })));
    expect(pages.flatMap((page) => page.json.map((entry: Json) => entry.title))).toEqual(['one', 'three', 'two']);
    expect((await server.request('GET', '/api/v1/chat/chats?limit=1001', { as: cleo })).json.detail[0].loc).toEqual(['query', 'limit']);
    expect((await server.request('GET', '/api/v1/chat/chats?limit=x', { as: cleo })).status).toBe(422);
  });

  it('sends a message, answers it, and shows both in the history', async () => {
    const { id } = await chat({ ai_model: 'default' });
    const sent = await server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'Hello?', message_type: 'USER', reply_to_id: null, message_metadata: { source: 'test' } } });
    expect(sent.status).toBe(200);
    expect(sent.json).toEqual({
      id: expect.any(String), chat_id: id, sender_id: ann.userId, content: 'Hello?', message_type: 'USER', ai_model_used: null, tokens_used: null,
      processing_time_ms: null, status: 'DELIVERED', created_at: expect.any(String), is_edited: false,
    });
    const whole = await answered(id);
    expect(whole.messages.map((message: Json) => [message.message_type, message.content, message.status])).toEqual([
      ['USER', 'Hello?', 'DELIVERED'],
      ['AI', 'Hello there.', 'DELIVERED'],
    ]);
    expect(whole.messages[0]).toMatchObject({ message_metadata: { source: 'test' } });
    expect(whole.messages[1]).toMatchObject({ ai_model_used: 'one', tokens_used: 10, tokens: { input: 7, output: 3 }, finish_reason: 'stop', parent_id: sent.json.id, sender_id: null });
    expect(whole.participant_count).toBe(1);
    const plain = await server.request('GET', `/api/v1/chat/chats/${id}`, { as: ann });
    expect(Object.keys(plain.json.messages[1])).toHaveLength(11);
    expect(plain.json.chat.message_count).toBe(2);
  });

  /** The history, when no answer is being made any more. */
  async function answered(id: string): Promise<Json> {
    for (;;) {
      const { json } = await server.request('GET', `/api/v1/chat/chats/${id}?include=branches`, { as: ann });
      if (json.messages.every((message: Json) => !['QUEUED', 'PROCESSING'].includes(message.status))) return json;
    }
  }

  it('refuses blank messages with 400, long ones with 422, and forged ones with 403', async () => {
    const { id } = await chat();
    const send = (body: object) => server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body });
    for (const content of ['', '  \n']) expect((await send({ content })).json).toEqual({ detail: 'Message content cannot be empty' });
    expect((await send({ content: '' })).status).toBe(400);
    expect((await send({ content: 'x'.repeat(50_001) })).status).toBe(422);
    expect((await send({ content: 'x'.repeat(50_000), answer: false })).status).toBe(200);
    for (const message_type of ['AI', 'SYSTEM']) expect((await send({ content: 'I am the model', message_type })).status).toBe(403);
    expect((await send({})).json.detail).toEqual([{ loc: ['body', 'content'], msg: 'field required', type: 'missing' }]);
  });

  it('changes and deletes a chat', async () => {
    const { id } = await chat({ description: 'before', temperature: 0.3 });
    const changed = await server.request('PATCH', `/api/v1/chat/chats/${id}`, { as: ann, body: { title: 'Renamed', description: null, max_tokens: null, ai_model: 'scripted/two' } });
    expect(changed.json).toMatchObject({ title: 'Renamed', description: null, max_tokens: null, temperature: 0.3, ai_model: 'scripted/two' });
    expect((await server.request('DELETE', `/api/v1/chat/chats/${id}`, { as: ann })).status).toBe(204);
    const gone = await server.request('GET', `/api/v1/chat/chats/${id}`, { as: ann });
    expect([gone.status, gone.json]).toEqual([404, { detail: 'Chat not found' }]);
  });

  it('edits, regenerates and steps through branches', async () => {
    const { id } = await chat({ ai_model: 'default' });
    const at = (message: string, action: string, body?: object) => server.request('POST', `/api/v1/chat/chats/${id}/messages/${message}/${action}`, { as: ann, body });
    const first = (await server.request('POST', `/api/v1/chat/chats/${id}/messages?include=answer`, { as: ann, body: { content: 'One' } })).json;
    expect(first.answer).toMatchObject({ message_type: 'AI', parent_id: first.message.id });
    await answered(id);
    const again = (await at(first.answer.id, 'regenerate', {})).json;
    expect(again).toMatchObject({ parent_id: first.message.id, replaces_id: first.answer.id, siblings: [first.answer.id, again.id] });
    await answered(id);
    const edited = (await at(first.message.id, 'edit', { content: 'Two' })).json;
    expect(edited.message).toMatchObject({ content: 'Two', is_edited: true, siblings: [first.message.id, edited.message.id] });
    const now = await answered(id);
    expect(now.messages.map((message: Json) => message.content)).toEqual(['Two', 'Hello there.']);
    const back = await at(first.answer.id, 'select');
    expect(back.json.head_id).toBe(first.answer.id);
    expect((await answered(id)).messages.map((message: Json) => message.id)).toEqual([first.message.id, first.answer.id]);
    expect((await at(first.answer.id, 'continue')).status).toBe(409);
  });

  it('sends once for one Idempotency-Key', async () => {
    const { id } = await chat({ ai_model: 'default' });
    const send = () => server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'Once' }, headers: { 'idempotency-key': 'a-key' } });
    const [one, two] = [await send(), await send()];
    expect(two.json.id).toBe(one.json.id);
    expect((await answered(id)).messages).toHaveLength(2);
  });

  it('says who takes part, and when somebody types', async () => {
    const { id } = await chat();
    const participants = await server.request('GET', `/api/v1/chat/chats/${id}/participants`, { as: ann });
    expect(participants.json).toEqual({
      chat_id: id,
      participants: [{ user_id: ann.userId, role: 'OWNER', joined_at: expect.any(String), can_send_messages: true, can_upload_files: expect.any(Boolean), message_count: 0, last_read_at: null }],
      total_participants: 1,
    });
    expect((await server.request('POST', `/api/v1/chat/chats/${id}/typing`, { as: ann })).json).toEqual({ status: 'sent', timestamp: expect.any(String) });
  });

  it('lets an API key do what it was made for', async () => {
    const reader = await server.parts.accounts.createApiKey(ann.userId, 'reader', ['read']);
    const headers = { authorization: `Bearer ${reader.key}` };
    expect((await server.request('GET', '/api/v1/chat/chats', { headers })).status).toBe(200);
    const refused = await server.request('POST', '/api/v1/chat/chats', { headers, body: { title: 'A chat' } });
    expect([refused.status, refused.json]).toEqual([403, { detail: 'This credential has not the scope "write".' }]);
    expect((await server.request('POST', '/v1/chat/completions', { headers, body: { messages: [{ role: 'user', content: 'Hi' }] } })).status).toBe(403);
  });

  it('needs credentials, and shows nobody what is not theirs', async () => {
    const { id } = await chat();
    expect((await server.request('GET', `/api/v1/chat/chats/${id}`)).json).toEqual({ detail: 'Invalid or expired access token' });
    expect((await server.request('GET', `/api/v1/chat/chats/${id}`, { as: bob })).json).toEqual({ detail: 'Access denied to this chat' });
    expect((await server.request('GET', '/api/v1/chat/chats/unknown', { as: ann })).status).toBe(404);
  });
});

describe('Limits', () => {
  it('answers 429 with Retry-After when the requests of a minute are used up', async () => {
    const server = await startTestServer({ settings: { LIMIT_REQUESTS_PER_MINUTE: '3' } });
    try {
      const [ann, bob] = [await server.user('ann'), await server.user('bob')];
      const statuses = [];
      for (let at = 0; at < 4; at += 1) statuses.push(await server.request('GET', '/api/v1/chat/chats', { as: ann }));
      expect(statuses.map((answer) => answer.status)).toEqual([200, 200, 200, 429]);
      expect(Number(statuses[3]!.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(statuses[3]!.json).toEqual({ detail: 'Rate limit exceeded' });
      expect((await server.request('GET', '/api/v1/chat/chats', { as: bob })).status).toBe(200);
    } finally {
      await server.stop();
    }
  });

  it('counts messages by the hour', async () => {
    const server = await startTestServer({ settings: { LIMIT_MESSAGES_PER_HOUR: '1' } });
    try {
      const ann = await server.user('ann');
      const { id } = (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'One' } })).json;
      const send = () => server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'Hi', answer: false } });
      expect([(await send()).status, (await send()).status]).toEqual([200, 429]);
    } finally {
      await server.stop();
    }
  });
});
