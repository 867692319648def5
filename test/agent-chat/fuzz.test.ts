import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocketIo, startTestServer, type Json, type TestServer, type TestSocketIo, type TestUser } from '../../src/dialects/testing.ts';
import { hostileValues, mutations } from '../bad-input/hostile.ts';

const one = '0.0.6154098';
const two = '0.0.6153500';

/** A good payload of each event, and the code of its errors. */
const events: Record<string, { good: Json; code: string }> = {
  'agent-join-session': { good: { agentAccountId: one }, code: 'JOIN_ERROR' },
  'user-send-message-on-behalf': { good: { agentId: one, message: 'Hello', triggerAI: true }, code: 'MESSAGE_ERROR' },
  'agent-send-message': { good: { fromAgentId: one, message: 'Hello' }, code: 'MESSAGE_ERROR' },
  'trigger-ai-response': { good: { agentAccountId: two }, code: 'AI_TRIGGER_ERROR' },
  'get-conversation-history': { good: { force: true }, code: 'HISTORY_ERROR' },
  'stream-conversation-messages': { good: { startIndex: 0, batchSize: 1 }, code: 'HISTORY_ERROR' },
  'get-session-status': { good: {}, code: 'STATUS_ERROR' },
  'end-session': { good: {}, code: 'END_SESSION_ERROR' },
};

describe('Hostile clients of /agent-chat', () => {
  let server: TestServer;
  let ann: TestUser;
  const sockets: TestSocketIo[] = [];

  beforeAll(async () => {
    server = await startTestServer({ settings: { LIMIT_MESSAGES_PER_HOUR: '1000000' } });
    server.models.answerWith(['Fine.']);
    ann = await server.user('ann');
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await server.stop();
  });

  async function newSession(): Promise<string> {
    return (await server.request('POST', '/api/agent-chat/sessions', { as: ann, body: { agent1Id: one, agent2Id: two } })).json.data.sessionId;
  }

  async function open(): Promise<TestSocketIo> {
    const socket = await openSocketIo(server, { namespace: '/agent-chat', auth: { token: ann.token } });
    sockets.push(socket);
    return socket;
  }

  /** Sends one payload; one that is refused is told by one `error` of the event's code. Returns whether it was. */
  async function isRefused(client: TestSocketIo, event: string, payload: Json): Promise<boolean> {
    const before = client.events.length;
    const answer = await client.ask(event, payload);
    if (answer.ok === true) return false;
    const told = client.events.slice(before).filter(({ event: name, payload: { code } = {} }) => name === 'error' && code === (events[event]?.code ?? 'UNKNOWN_EVENT'));
    expect([event, JSON.stringify(payload)?.slice(0, 200), told.length]).toEqual([event, JSON.stringify(payload)?.slice(0, 200), 1]);
    expect(told[0]!.payload.message).not.toMatch(/node_modules|\.ts:\d|SQLITE/);
    expect(told[0]!.payload.message.length).toBeLessThan(10_000);
    expect(answer.code).not.toBe('internal');
    return true;
  }

  async function isAlive(client: TestSocketIo, sessionId: string): Promise<void> {
    const before = client.events.length;
    await client.ask('get-session-status', { sessionId });
    expect(client.events.slice(before).some(({ event, payload }) => event === 'session-status' && payload.sessionId === sessionId)).toBe(true);
  }

  it.each(Object.keys(events))('%s with every kind of wrong payload: one error each, and the connection lives', { timeout: 60_000 }, async (event) => {
    const id = await newSession();
    const client = await open();
    let refused = 0;
    if (event !== 'agent-join-session') await client.ask('agent-join-session', { sessionId: id, agentAccountId: one });
    const payloads = [...mutations({ sessionId: id, ...events[event]!.good }).map(({ body }) => body), ...hostileValues.map(([, value]) => value), Buffer.from([0, 255]), []];
    for (const payload of payloads) refused += (await isRefused(client, event, payload)) ? 1 : 0;
    expect(refused).toBeGreaterThan(payloads.length / 4);
    await isAlive(client, id);
    client.close();
  });

  it('events that there are not', async () => {
    const id = await newSession();
    const client = await open();
    for (const event of ['', 'x'.repeat(10_000), 'toString', '__proto__', 'constructor', 'session-info', 'error']) expect(await isRefused(client, event, { sessionId: id })).toBe(true);
    await isAlive(client, id);
  });

  it('every event before joining, for another session, for another agent, and behind the end', async () => {
    const [id, other] = [await newSession(), await newSession()];
    const client = await open();
    const needsJoin = ['user-send-message-on-behalf', 'agent-send-message', 'trigger-ai-response', 'end-session'];
    for (const event of needsJoin) expect(await isRefused(client, event, { sessionId: id, ...events[event]!.good })).toBe(true);
    await client.ask('agent-join-session', { sessionId: id, agentAccountId: one });
    for (const event of needsJoin) expect(await isRefused(client, event, { sessionId: other, ...events[event]!.good })).toBe(true);
    for (const event of needsJoin.slice(0, 2)) expect(await isRefused(client, event, { sessionId: id, agentId: two, fromAgentId: two, message: 'x' })).toBe(true);
    await client.ask('end-session', { sessionId: id });
    for (const event of [...needsJoin.slice(0, 3), 'agent-join-session']) expect(await isRefused(client, event, { sessionId: id, ...events[event]!.good })).toBe(true);
    await isAlive(client, id);
  });

  it('a flood ends the flooding connection alone', async () => {
    const id = await newSession();
    const [flooding, other] = [await open(), await open()];
    for (let count = 0; count < 2000; count += 1) flooding.socket.emit('get-session-status', { sessionId: id });
    expect(await flooding.gone).toBeTruthy();
    await isAlive(other, id);
    // A large message is one too many for the frame.
    other.socket.emit('agent-send-message', { sessionId: id, fromAgentId: one, message: 'x'.repeat(2_000_000) });
    expect(await other.gone).toBeTruthy();
    await isAlive(await open(), id);
  });

  it('many clients that come and go, join, send and trigger at once, leave nothing', { timeout: 60_000 }, async () => {
    const id = await newSession();
    await Promise.all(Array.from({ length: 100 }, async (_, index) => {
      const client = await open();
      client.socket.emit('agent-join-session', { sessionId: id, agentAccountId: index % 2 === 0 ? one : two });
      client.socket.emit('user-send-message-on-behalf', { sessionId: id, agentId: index % 2 === 0 ? one : two, message: `Hello ${index}`, triggerAI: true });
      if (index % 3 !== 0) await client.ask('trigger-ai-response', { sessionId: id, agentAccountId: index % 4 < 2 ? one : two });
      client.close();
    }));
    for (const socket of sockets) socket.close();
    for (let look = 0; server.agents.joined > 0 && look < 500; look += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(server.agents.joined).toBe(0);
    const shown = await server.request('GET', `/api/agent-chat/sessions/${id}/messages?batchSize=1000`, { as: ann });
    const times = shown.json.data.messages.map(({ timestamp }: Json) => timestamp);
    expect(times).toEqual(times.toSorted());
    expect(shown.json.data.messages.length).toBeGreaterThan(60);
  });
});
