import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRequest, type Json, type TestUser } from '../../src/dialects/testing.ts';
import { Contract, documents } from './contract.ts';
import { startContractWorld, type ContractWorld } from './world.ts';

const channel = '/agent-chat';
const one = '0.0.6154098';
const two = '0.0.6153500';

describe.skipIf(!documents)('The contract of agent-chat', () => {
  let world: ContractWorld;
  let ann: TestUser;
  const sockets: Socket[] = [];
  const contract = new Contract('agent-chat', () => world.url);
  const { client_to_server: clientEvents = {}, server_to_client: serverEvents = {}, rules = {} } = contract.document['x-events'] ?? {};

  beforeAll(async () => {
    world = await startContractWorld({ LIMIT_MESSAGES_PER_HOUR: '100000' });
    ann = await world.user('ann');
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await world.stop();
  });

  async function newSession(body: Json = {}): Promise<string> {
    const made = await sendRequest(world.url, 'POST', '/api/agent-chat/sessions', { as: ann, body: { agent1Id: one, agent2Id: two, agent2Role: 'travel', agent1Model: 'openai/gpt-3.5-turbo', agent2Model: 'openai/gpt-3.5-turbo', ...body } });
    expect([made.status, made.json.success]).toEqual([201, true]);
    return made.json.data.sessionId;
  }

  interface Client {
    socket: Socket;
    heard: [event: string, payload: Json][];
    send(event: string, payload: Json): void;
    /** The names of what was heard, as soon as the last one of them was. */
    until(event: string): Promise<string[]>;
    /** Sends and waits until it was handled, with everything that it was answered. */
    ask(event: string, payload: Json): Promise<void>;
  }

  /** A socket as the document opens it, held against the contract; with a token, because this server does not trust the machine. */
  async function open(options: Json = { transports: ['websocket', 'polling'], timeout: 10_000 }, as = ann): Promise<Client> {
    const socket = io(`${world.url}/agent-chat`, { ...options, auth: { token: as.token }, forceNew: true });
    sockets.push(socket);
    const heard: Client['heard'] = [];
    const looks = new Set<() => void>();
    socket.onAny((event: string, payload: Json) => {
      heard.push([event, payload]);
      expect(Object.keys(serverEvents)).toContain(event);
      contract.hear(channel, event, payload, serverEvents[event].payload);
      for (const look of looks) look();
    });
    await new Promise<void>((resolve, reject) => {
      socket.on('connect', () => resolve());
      socket.on('connect_error', reject);
    });
    return {
      socket, heard,
      send(event, payload) {
        contract.took(channel, event);
        socket.emit(event, payload);
      },
      until: (event) => new Promise((resolve) => {
        const look = (): void => {
          if (heard.at(-1)?.[0] !== event) return;
          looks.delete(look);
          resolve(heard.map(([name]) => name));
        };
        looks.add(look);
        look();
      }),
      async ask(event, payload) {
        contract.took(channel, event);
        await socket.timeout(10_000).emitWithAck(event, payload);
      },
    };
  }

  async function join(sessionId: string, agentAccountId = one): Promise<Client> {
    const client = await open();
    await client.ask('agent-join-session', { sessionId, agentAccountId });
    return client;
  }

  /** What is heard from now on. */
  const fresh = ({ heard }: Client): void => void heard.splice(0);

  const accounts = (kind: string): string[] => (rules.accountId?.examples[kind] ?? []).map((example: string) => example.split(' ')[0]);

  it('a client connects as documented, and by each transport alone', async () => {
    for (const options of [{ transports: ['websocket', 'polling'], timeout: 10_000 }, { transports: ['websocket'] }, { transports: ['polling'] }]) {
      const client = await open(options);
      client.send('get-session-status', { sessionId: await newSession() });
      await client.until('session-status');
    }
  });

  it('every documented example of a request is taken, with the ids of a session', async () => {
    const id = await newSession();
    const client = await join(id);
    for (const [event, { example }] of Object.entries<Json>(clientEvents)) {
      fresh(client);
      await client.ask(event, { ...example, sessionId: id });
      if (event !== 'agent-join-session') expect(client.heard.filter(([name]) => name === 'error'), event).toEqual([]);
    }
  });

  it.each(accounts('valid'))('%s is an account', async (account: string) => {
    const plain = account.split('-')[0]!;
    const id = await newSession({ agent1Id: account, agent2Id: plain === two ? one : two });
    const client = await join(id, account);
    expect(client.heard[0]).toEqual(['session-info', { sessionId: id, otherAgentId: plain === two ? one : two, messageCount: 0 }]);
  });

  it.each(accounts('invalid'))('%j is no account', async (account: string) => {
    const id = await newSession();
    const client = await open();
    await client.ask('agent-join-session', { sessionId: id, agentAccountId: account });
    expect(client.heard).toEqual([['error', expect.objectContaining({ code: 'JOIN_ERROR' })]]);
    const made = await sendRequest(world.url, 'POST', '/api/agent-chat/sessions', { as: ann, body: { agent1Id: account, agent2Id: two } });
    expect(made.status).toBe(400);
  });

  it('joining, sending, triggering and ending answer in the documented order', async () => {
    const id = await newSession();
    const [first, second] = [await join(id), await join(id, two)];
    await first.until('agent-joined');
    expect(second.heard.map(([event]) => event)).toEqual(['session-info', 'conversation-history']);
    world.standIn.next({ pieces: ['What is your budget? ', 'I can suggest itineraries.'] });
    for (const client of [first, second]) fresh(client);
    first.send('user-send-message-on-behalf', { ...clientEvents['user-send-message-on-behalf'].example, sessionId: id });
    expect(await first.until('ai-response-generated')).toEqual(clientEvents['user-send-message-on-behalf'].sequences[1].caller);
    expect(await second.until('ai-response-generated')).toEqual(clientEvents['user-send-message-on-behalf'].sequences[1].others);
    const reply = first.heard.at(-1)![1];
    expect(reply).toMatchObject({ from: two, metadata: { aiModel: 'gpt-3.5-turbo', aiProvider: 'openai', agentRole: 'travel', containsQuestion: true, suggestsAction: true, requestsInformation: true, responseType: 'information_request' } });
    for (const client of [first, second]) fresh(client);
    first.send('trigger-ai-response', { sessionId: id, agentAccountId: two });
    expect([await first.until('ai-skip'), await second.until('ai-skip')]).toEqual([['ai-skip'], ['ai-skip']]);
    for (const client of [first, second]) fresh(client);
    second.send('trigger-ai-response', { sessionId: id, agentAccountId: one });
    for (const client of [first, second]) expect(await client.until('ai-response-generated')).toEqual(['ai-thinking', 'ai-response-generated']);
    await first.ask('get-conversation-history', { sessionId: id, force: true });
    await first.ask('get-conversation-history', { sessionId: id });
    await first.ask('stream-conversation-messages', { sessionId: id });
    expect(first.heard.slice(2).map(([event]) => event)).toEqual(['conversation-history', 'conversation-history-cached', 'message-stream', 'message-stream', 'message-stream', 'message-stream-complete']);
    fresh(first);
    fresh(second);
    await first.ask('get-session-status', { sessionId: id });
    first.send('end-session', { sessionId: id });
    await first.until('session-ended');
    await second.until('session-ended');
    expect(first.heard.map(([event]) => event)).toEqual(['session-status', 'session-ended']);
  });

  it('the model of the second agent fails: an error for who triggered it, a skip for the others', async () => {
    const id = await newSession({ agent2Model: 'openai/no-such-model' });
    const [first, second] = [await join(id), await join(id, two)];
    await first.until('agent-joined');
    world.standIn.next({ status: 400, errorMessage: 'out of order' });
    for (const client of [first, second]) fresh(client);
    first.send('user-send-message-on-behalf', { sessionId: id, agentId: one, message: 'Hello', triggerAI: true });
    expect(await first.until('error')).toEqual(clientEvents['user-send-message-on-behalf'].sequences[3].caller.map((name: string) => name.split(' ')[0]));
    expect(first.heard.at(-1)![1].code).toBe('AI_TRIGGER_ERROR');
    expect(await second.until('ai-skip')).toEqual(['new-message', 'ai-thinking', 'ai-skip']);
  });

  it('the document of Angular: an unknown agent and an unknown session are errors, and the connection stays', async () => {
    const id = await newSession();
    const client = await join(id);
    fresh(client);
    await client.ask('trigger-ai-response', { sessionId: id, agentAccountId: '0.0.1' });
    await client.ask('agent-join-session', { sessionId: 'no-such-session', agentAccountId: one });
    await client.ask('user-send-message-on-behalf', { sessionId: id, agentId: one, message: 'Still here' });
    await client.until('new-message');
    expect(client.heard.map(([event, { code }]) => code ?? event)).toEqual(['AI_TRIGGER_ERROR', 'JOIN_ERROR', 'message-sent-on-behalf', 'new-message']);
  });

  it('a session ends over REST as it does over a socket, for its owner alone', async () => {
    const id = await newSession();
    const client = await join(id);
    const path = { sessionId: id };
    // As documented: JSON announced, and no body.
    const headers = { 'content-type': 'application/json' };
    await contract.call('endSessionWithTranscript', { path, headers, status: 401 });
    await contract.call('endSessionWithTranscript', { path, headers: { ...headers, authorization: 'Bearer forged' }, status: 401 });
    expect((await contract.call('endSessionWithTranscript', { path, headers, as: await world.user('ben'), status: 403 })).json).toEqual(contract.operation('endSessionWithTranscript').definition.responses['403'].content['application/json'].example);
    const unknown = await contract.call('endSessionWithTranscript', { path: { sessionId: '3f0c9c1e-6a54-4a53-9a0e-0d3c0f5f8a11' }, headers, as: ann, status: 404 });
    expect(unknown.json).toEqual(contract.operation('endSessionWithTranscript').definition.responses['404'].content['application/json'].example);
    const ended = await contract.call('endSessionWithTranscript', { path, headers, as: ann });
    expect(ended.json).toEqual({ success: true, data: { sessionId: id, ended: true, transcriptSubmitted: false, transcriptTransactions: [] } });
    await client.until('session-ended');
    expect((await contract.call('endSessionWithTranscript', { path, headers, as: ann })).json).toEqual(ended.json);
    await client.ask('get-session-status', path);
    expect(client.heard.map(([event]) => event)).toEqual(['session-info', 'conversation-history', 'session-ended', 'session-status']);
    expect(client.heard.at(-1)![1]).toMatchObject({ status: 'ended', endTime: expect.any(String) });
  });

  it('without any model the reply is refused with how to set one up', async () => {
    const cat = await world.userWithoutKey('cat');
    const made = await sendRequest(world.url, 'POST', '/api/agent-chat/sessions', { as: cat, body: { agent1Id: one, agent2Id: two } });
    const client = await open(undefined, cat);
    await client.ask('agent-join-session', { sessionId: made.json.data.sessionId, agentAccountId: one });
    client.send('user-send-message-on-behalf', { sessionId: made.json.data.sessionId, agentId: one, message: 'Hello', triggerAI: true });
    await client.until('error');
    expect(client.heard.at(-1)![1]).toMatchObject({ code: 'AI_TRIGGER_ERROR', reason: 'no_model', message: expect.stringContaining('doctor') });
  });

  it('leaves nothing of the contract out', () => {
    expect(contract.uncalled()).toEqual([]);
    expect(contract.unheard(channel, [...Object.keys(clientEvents), ...Object.keys(serverEvents)])).toEqual([]);
  });
});
