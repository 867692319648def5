import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocket, sendRequest, type Json, type TestUser } from '../../src/dialects/testing.ts';
import { Contract, documents } from './contract.ts';
import { mostEntries, notYet } from './not-yet.ts';
import { startContractWorld, type ContractWorld } from './world.ts';

const channel = '/api/chat/ws/{user_id}';

describe.skipIf(!documents)('The contract of friend', () => {
  let world: ContractWorld;
  let ann: TestUser;
  const contract = new Contract('friend', () => world.url);
  const events = contract.document['x-events'][channel];
  const forms = new Map<string, Json>((events?.server_messages ?? []).map((message: Json) => [message.name, message.schema]));

  beforeAll(async () => {
    world = await startContractWorld({ DEFAULT_MODEL: 'openai/gpt-4o' });
    ann = await world.user('ann');
  });
  afterAll(() => world.stop());

  const history = async (as = ann): Promise<Json> => (await contract.call('getHistory', { as })).json;
  /** What the tables hold of somebody's messages. */
  const rows = (user: TestUser): Promise<Json[]> =>
    world.parts.storage.read.selectFrom('messages').innerJoin('conversations', 'conversations.id', 'messages.conversation_id')
      .selectAll('messages').where('conversations.owner_id', '=', user.userId).orderBy('messages.seq').execute();

  it('accounts: register, log in, log out, each as the document says', async () => {
    const [registration] = contract.examples('registerUser');
    await contract.call('registerUser', { body: registration });
    const taken = await contract.call('registerUser', { body: registration, status: 400 });
    expect(taken.json).toEqual(contract.exampleAnswer('registerUser', 400));
    await contract.call('registerUser', { body: { ...registration, username: 'short', password: '1234567' }, status: 422 });
    for (const field of ['username', 'password', 'email', 'name']) {
      const { [field]: _, ...rest } = { ...registration, username: 'lacking' };
      expect((await contract.call('registerUser', { body: rest, status: 422 })).json.detail[0].loc).toEqual(['body', field]);
    }
    const { json } = await contract.call('loginUser', { body: contract.examples('loginUser')[0] });
    expect(json.token_type).toBe('bearer');
    const wrong = await contract.call('loginUser', { body: { ...contract.examples('loginUser')[0], password: 'not this one' }, status: 401 });
    const unknown = await contract.call('loginUser', { body: { username: 'nobody_here', password: 'not this one' }, status: 401 });
    expect(wrong.json).toEqual(unknown.json);
    expect(wrong.json).toEqual(contract.exampleAnswer('loginUser', 401));
    const headers = { authorization: `Bearer ${json.access_token}` };
    expect((await contract.call('logoutUser', { headers })).json).toEqual({ message: 'Logged out successfully' });
    await contract.call('logoutUser', { headers, status: 401 });
    await contract.call('getHistory', { headers, status: 401 });
  });

  it('send: the answer is the model’s, the time is measured, and what nobody knows yet is null', async () => {
    const [body] = contract.examples('sendChat');
    const gate = world.standIn.next({ pieces: ['That', ' is', ' good.'], firstDelayMs: 200, usage: { tokensIn: 30, tokensOut: 3 } });
    const { json } = await contract.call('sendChat', { as: ann, body });
    expect(json).toMatchObject({ response: 'That is good.', emotion: null, memories_used: 0 });
    expect(json.processing_time).toBeGreaterThanOrEqual(0.2);
    expect(json.processing_time).toBeLessThan(10);
    const request = await gate.request;
    expect(JSON.stringify(request.body.messages)).toContain(body.message);
    expect(JSON.stringify(request.body.messages)).toContain(body.context.time_of_day);
    const again = (await contract.call('sendChat', { as: ann, body: { message: 'And again' } })).json;
    expect(again.session_id).toBe(json.session_id);
    const shown = await history();
    expect(shown).toMatchObject({ session_id: json.session_id, user_id: 'ann', stats: { message_count: 4 } });
    const stored = await rows(ann);
    expect(shown.messages.map(({ role, content, timestamp }: Json) => [role, content, Date.parse(timestamp)])).toEqual(stored.map((row) => [row.role, row.content, row.created_at]));
    const times = stored.filter((row) => row.role === 'assistant').map((row) => row.duration_ms / 1000);
    expect(shown.stats.avg_processing_time).toBeCloseTo((times[0]! + times[1]!) / 2, 2);
    await contract.call('sendChat', { as: ann, body: {}, status: 422 });
    await contract.call('sendChat', { as: ann, body: { message: 7 }, status: 422 });
    await contract.call('sendChat', { body, status: 401 });
  });

  it('stream: the words come as the model says them, joined they are what history keeps', async () => {
    const text = 'Once  upon a time.\nThe end.';
    world.standIn.next({ pieces: ['On', 'ce  up', 'on a ti', 'me.\nThe', ' end.'] });
    const response = await fetch(`${world.url}/api/chat/stream?message=${encodeURIComponent('Tell me a story')}&token=${ann.token}`);
    const body = await response.text();
    contract.check('streamChat', { status: response.status, headers: response.headers, text: body, json: undefined });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const told = body.split('\n\n').filter((event) => event !== '').map((event) => ({
      event: /^event: (.*)$/m.exec(event)?.[1],
      data: [...event.matchAll(/^data: ?(.*)$/gm)].map((match) => match[1]).join('\n'),
    }));
    expect(told.filter(({ event }) => event === 'message').map(({ data }) => data).join(' ')).toBe(text);
    expect(told.at(-1)).toEqual({ event: 'done', data: 'complete' });
    for (const name of ['message', 'done']) contract.took('/api/chat/stream', name);
    expect((await history()).messages.at(-1).content).toBe(text);
    world.standIn.next({ status: 401, errorCode: 'invalid_api_key' });
    const failed = await (await fetch(`${world.url}/api/chat/stream?message=Hello&token=${ann.token}`)).text();
    const error = JSON.parse(/event: error\n(?:id: .*\n)?(?:retry: .*\n)?data: (.*)/.exec(failed)![1]!);
    contract.hear('/api/chat/stream', 'error', error, contract.document['x-events']['/api/chat/stream'].server_messages.find(({ name }: Json) => name === 'error').schema);
    await contract.call('streamChat', { as: ann, status: 422 });
    await contract.call('streamChat', { query: { message: 'Hello' }, status: 401 });
    expect(contract.unheard('/api/chat/stream', ['message', 'done', 'error'])).toEqual([]);
  });

  it('the socket: one frame for each message, in their order, in the documented form', async () => {
    const socket = await openSocket(world, `/api/chat/ws/ann?token=${ann.token}`);
    socket.send(events.client_messages.find(({ name }: Json) => name === 'message').example);
    contract.took(channel, 'message');
    for (const word of ['two', 'three']) socket.send({ message: word });
    await expect.poll(() => socket.frames.filter((frame) => 'response' in frame).length, { timeout: 15_000 }).toBe(3);
    socket.send({ message: '' });
    await expect.poll(() => socket.frames.filter((frame) => 'error' in frame).length).toBe(1);
    for (const frame of socket.frames) contract.hear(channel, 'error' in frame ? 'error' : 'reply', frame, forms.get('error' in frame ? 'error' : 'reply'));
    socket.close();
    const said = (await history()).messages.filter(({ role }: Json) => role === 'user').map(({ content }: Json) => content);
    expect(said.slice(-3)).toEqual([events.client_messages[0].example.message, 'two', 'three']);
    expect(contract.unheard(channel, ['message', 'reply', 'error'])).toEqual([]);
  });

  it('clear begins a new session, and the next prompt holds nothing of the old one', async () => {
    const before = await history();
    const { json } = await contract.call('clearConversation', { as: ann });
    expect(json).toMatchObject({ message: 'Conversation cleared' });
    expect(json.new_session_id).not.toBe(before.session_id);
    expect(await history()).toMatchObject({ session_id: json.new_session_id, messages: [], stats: { message_count: 0, avg_processing_time: null } });
    const asked = world.standIn.next({ pieces: ['New'] });
    await contract.call('sendChat', { as: ann, body: { message: 'A fresh start' } });
    expect((await asked.request).body.messages!.filter(({ role }) => role === 'user')).toHaveLength(1);
    await contract.call('clearConversation', { status: 401 });
  });

  it('health and stats say what is, and docs list the routes without a foreign address', async () => {
    const first = (await contract.call('health')).json;
    expect(first).toMatchObject({ status: 'healthy' });
    expect(Math.abs(Date.parse(first.timestamp) - Date.now())).toBeLessThan(5000);
    await contract.call('systemStats', { as: ann, status: 403 });
    const owner = await sendRequest(world.url, 'POST', '/api/auth/login', { body: { username: 'owner', password: 'owner-secret-1' } });
    const { json } = await contract.call('systemStats', { headers: { authorization: `Bearer ${owner.json.access_token}` } });
    const count = async (table: 'users' | 'conversations' | 'messages'): Promise<number> =>
      Number((await world.parts.storage.read.selectFrom(table).select((builder) => builder.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()).count);
    expect(json).toMatchObject({ total_users: await count('users'), total_conversations: await count('conversations'), total_messages: await count('messages') });
    expect(json.memory_usage_mb).toBeGreaterThan(30);
    expect(json.database_size_mb).toBeGreaterThan(0);
    expect(json.requests_per_minute).toBeGreaterThan(3);
    expect(json.session_info.map(({ user_id: userId }: Json) => userId)).toContain('ann');
    const page = await contract.call('apiDocs');
    expect(page.text).not.toMatch(/(src|href)="(https?:)?\/\//);
  });

  it('everything else of the document answers 501, and nothing that is built stands on the list', async () => {
    for (const id of notYet['friend']!.operations) {
      const { method, path } = contract.operation(id);
      const answer = await sendRequest(world.url, method, path.replace('{user_id}', 'ann').replace('{memory_id}', 'mem-123'), { as: ann, ...(method === 'GET' ? {} : { body: {} }) });
      expect([id, answer.status]).toEqual([id, 501]);
      expect(answer.json.detail).toEqual(expect.any(String));
    }
    expect(contract.uncalled()).toEqual([]);
  });

  it('the list of what is not built only shrinks', () => {
    const entries = Object.values(notYet).flatMap(({ operations, events: missing, fields }) => [...operations, ...missing, ...Object.values(fields).flat()]);
    expect(entries.length).toBeLessThanOrEqual(mostEntries);
  });
});
