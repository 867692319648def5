import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRequest, type Json, type TestUser } from '../../src/dialects/testing.ts';
import { Contract, documents } from './contract.ts';
import { notYet } from './not-yet.ts';
import { startContractWorld, type ContractWorld } from './world.ts';

const channel = '/';

describe.skipIf(!documents)('The contract of studio', () => {
  let world: ContractWorld;
  let ann: TestUser;
  let ben: TestUser;
  const sockets: Socket[] = [];
  const contract = new Contract('studio', () => world.url);
  const { client_to_server: clientEvents = {}, server_to_client: serverEvents = {} } = contract.document['x-events'];

  beforeAll(async () => {
    world = await startContractWorld();
    ann = await world.user('ann');
    ben = await world.user('ben');
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await world.stop();
  });

  const newConversation = async (body: Json = { model_provider: 'openai', model_name: 'gpt-4o' }, as = ann): Promise<Json> => (await contract.call('createConversation', { as, body })).json;
  const row = (id: string): Promise<Json> => world.parts.storage.read.selectFrom('messages').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

  /** A connected socket that remembers what it hears, held against the contract. */
  async function open(as: TestUser): Promise<{ socket: Socket; heard: { event: string; payload: Json }[]; ask(event: string, payload: Json): Promise<Json> }> {
    const socket = io(world.url, { transports: ['websocket'], extraHeaders: as.headers, forceNew: true });
    sockets.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.on('connect', () => resolve());
      socket.on('connect_error', reject);
    });
    const heard: { event: string; payload: Json }[] = [];
    socket.onAny((event: string, payload: Json) => {
      // The greeting of another dialect on the same namespace.
      if (event === 'connected') return;
      heard.push({ event, payload });
      if (serverEvents[event]) contract.hear(channel, event, payload, serverEvents[event].payload);
    });
    return {
      socket, heard,
      async ask(event, payload) {
        contract.took(channel, event);
        return socket.timeout(10_000).emitWithAck(event, payload);
      },
    };
  }

  it('conversations are made and listed with every column of the model', async () => {
    const [example] = contract.examples('createConversation');
    const before = Date.now();
    const made = await newConversation(example);
    expect(made).toMatchObject({ ...example, user_id: ann.userId, settings: {}, is_active: true });
    expect(Date.parse(made.created_at)).toBeGreaterThanOrEqual(before - 1000);
    const bare = await newConversation({});
    expect(bare.title).not.toBe('');
    expect(bare).toMatchObject({ system_prompt: null });
    const listed = (await contract.call('listConversations', { as: ann })).json;
    expect(listed.map(({ id }: Json) => id)).toEqual([bare.id, made.id]);
    expect((await contract.call('listConversations', { as: await world.user('cat') })).json).toEqual([]);
  });

  it.each([
    ['createConversation', { title: 7 }], ['createConversation', { title: 'x'.repeat(256) }], ['createConversation', { model_provider: 'openai', system_prompt: {} }],
    ['sendMessage', {}], ['sendMessage', { content: '' }], ['sendMessage', { content: 5 }], ['sendMessage', { content: 'Hello', provider: 'nobody' }],
  ])('%s refuses %j with 400 and a sentence', async (id, body) => {
    const conversation = await newConversation();
    const refused = await contract.call(id, { as: ann, path: { conversation_id: conversation.id }, body, status: 400 });
    expect(refused.json).toEqual({ error: expect.any(String) });
  });

  it('answers 401 without a user, and 404 alike for what is foreign and what is unknown', async () => {
    const conversation = await newConversation();
    const path = { conversation_id: conversation.id };
    for (const [id, body] of [['listConversations'], ['createConversation', {}], ['listMessages'], ['sendMessage', { content: 'Hello' }]] as const) {
      const refused = await contract.call(id, { path, ...(body ? { body } : {}), status: 401 });
      expect(refused.json).toEqual({ error: expect.any(String) });
    }
    const unknown = { conversation_id: '3f0c9c1e-6a54-4a53-9a0e-0d3c0f5f8a11' };
    for (const [id, body] of [['listMessages'], ['sendMessage', { content: 'Hello' }]] as const) {
      const answers = [];
      for (const each of [path, unknown]) answers.push((await contract.call(id, { as: ben, path: each, ...(body ? { body } : {}), status: 404 })).json);
      expect(answers[0]).toEqual(answers[1]);
    }
    expect((await contract.call('listMessages', { as: ann, path })).json).toEqual([]);
  });

  it('a message is answered by the model, with its own name, its tokens and their price', async () => {
    const conversation = await newConversation({ system_prompt: 'Be brief.', model_provider: 'openai', model_name: 'gpt-4o' });
    const path = { conversation_id: conversation.id };
    const asked = world.standIn.next({ pieces: ['Here', ' I am.'], model: 'gpt-4o-2024-08-06', usage: { tokensIn: 1000, tokensOut: 100 } });
    const { json } = await contract.call('sendMessage', { as: ann, path, body: contract.examples('sendMessage')[0] });
    expect((await asked.request).body.messages).toEqual([{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'User message' }]);
    expect(json).toMatchObject({ role: 'assistant', content: 'Here I am.', session_id: conversation.id, tokens_used: 1100, model: 'gpt-4o-2024-08-06' });
    const stored = await row(json.id);
    expect(json.cost).toBe(stored.cost_micros / 1e6);
    expect(json.cost).toBe(world.parts.models.cost({ id: 'openai/gpt-4o-2024-08-06' }, 1000, 100)! / 1e6);
    expect(json.metadata.model_used).toBe('gpt-4o-2024-08-06');
    const second = world.standIn.next({ pieces: ['Again.'] });
    await contract.call('sendMessage', { as: ann, path, body: { content: 'And now?' } });
    expect((await second.request).body.messages!.map(({ content }) => content)).toEqual(['Be brief.', 'User message', 'Here I am.', 'And now?']);
    const listed = (await contract.call('listMessages', { as: ann, path })).json;
    expect(listed.map(({ role, content }: Json) => [role, content])).toEqual([['user', 'User message'], ['assistant', 'Here I am.'], ['user', 'And now?'], ['assistant', 'Again.']]);
    expect(listed[1]).toMatchObject({ id: json.id, tokens_used: 1100, cost: json.cost });
    const [current] = (await contract.call('listConversations', { as: ann })).json.filter(({ id }: Json) => id === conversation.id);
    expect(Date.parse(current.updated_at)).toBeGreaterThanOrEqual(stored.created_at);
  });

  it('when the model fails, the message stays and no answer is listed', async () => {
    const conversation = await newConversation();
    const path = { conversation_id: conversation.id };
    world.standIn.next({ status: 401, errorCode: 'invalid_api_key' });
    const failed = await sendRequest(world.url, 'POST', `/api/chat/conversations/${conversation.id}/messages`, { as: ann, body: { content: 'Hello?' } });
    expect(failed.status).toBeGreaterThanOrEqual(400);
    expect(failed.json).toEqual({ error: expect.any(String) });
    expect((await contract.call('listMessages', { as: ann, path })).json.map(({ role }: Json) => role)).toEqual(['user']);
  });

  it('every event is spoken both ways: rooms, messages, typing', async () => {
    const conversation = await newConversation();
    const id = { conversation_id: conversation.id };
    const [one, two, outside, foreign] = [await open(ann), await open(ann), await open(ann), await open(ben)];
    for (const member of [one, two]) expect(await member.ask('join_conversation', id)).toMatchObject({ ok: true });
    expect(await foreign.ask('join_conversation', id)).toMatchObject({ error: expect.any(String) });
    expect(await foreign.ask('send_message', { ...id, content: 'Let me in' })).toMatchObject({ error: expect.any(String) });
    expect(await foreign.ask('typing_indicator', { ...id, is_typing: true })).toMatchObject({ error: expect.any(String) });

    expect(await one.ask('typing_indicator', { ...clientEvents.typing_indicator.example, ...id, user_id: 'forged' })).toMatchObject({ ok: true });
    await expect.poll(() => two.heard.filter(({ event }) => event === 'user_typing').length).toBe(1);
    expect(two.heard.find(({ event }) => event === 'user_typing')!.payload).toMatchObject({ user_id: ann.userId, is_typing: true });

    world.standIn.next({ pieces: ['Hello', ' there'], usage: { tokensIn: 5, tokensOut: 2 } });
    expect(await one.ask('send_message', { ...clientEvents.send_message.example, ...id })).toMatchObject({ ok: true });
    for (const member of [one, two]) {
      await expect.poll(() => member.heard.filter(({ event }) => event === 'message_received').length, { timeout: 15_000 }).toBe(2);
      const messages = member.heard.filter(({ event }) => event === 'message_received').map(({ payload }) => payload);
      expect(messages.map(({ role, content }) => [role, content])).toEqual([['user', 'Hello AI!'], ['assistant', 'Hello there']]);
      expect(messages[1]).toMatchObject({ tokens_used: 7, conversation_id: conversation.id });
    }
    const listed = (await contract.call('listMessages', { as: ann, path: id })).json;
    expect(one.heard.filter(({ event }) => event === 'message_received').map(({ payload }) => payload.id)).toEqual(listed.map((message: Json) => message.id));

    expect(await two.ask('leave_conversation', id)).toMatchObject({ ok: true });
    const before = two.heard.length;
    await contract.call('sendMessage', { as: ann, path: id, body: { content: 'By REST' } });
    await expect.poll(() => one.heard.filter(({ event }) => event === 'message_received').length, { timeout: 15_000 }).toBe(4);
    expect(two.heard.length).toBe(before);
    expect([outside.heard, foreign.heard, one.heard.filter(({ event }) => event === 'user_typing')]).toEqual([[], [], []]);
    expect(contract.unheard(channel, [...Object.keys(clientEvents), ...Object.keys(serverEvents)])).toEqual([]);
  });

  it('everything else of the document answers 501, and nothing that is built stands on the list', async () => {
    for (const id of notYet['studio']!.operations) {
      const { method, path } = contract.operation(id);
      const answer = await sendRequest(world.url, method, path.replace(/\{\w+\}/, 'some-id'), { as: ann, ...(method === 'GET' ? {} : { body: {} }) });
      expect([id, answer.status]).toEqual([id, 501]);
      expect(answer.json).toEqual({ error: expect.any(String) });
    }
    expect(contract.uncalled()).toEqual([]);
  });
});
