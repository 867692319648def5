import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openSocketIo, type Json, type TestSocketIo } from '../../src/dialects/testing.ts';
import { createDatabase, type FreshDatabase } from './database.ts';
import { openInstances, register, type Instance, type Instances, type Person } from './instances.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);
const one = '0.0.6154098';
const two = '0.0.6153500';

describe.skipIf(!runs)('Two agents in a session over several servers', () => {
  let database: FreshDatabase;
  let instances: Instances;
  let ann: Person;
  let sessionId: string;
  const clients: TestSocketIo[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    instances = await openInstances({ databaseUrl: database.url, redisUrl: process.env['REDIS_URL_TEST']!, count: 2, words: { fewest: 10, most: 10 } });
    ann = await register(instances.all[0]!, 'ann');
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await instances?.close();
    await database?.close();
  });
  beforeEach(async () => {
    instances.upstream.pace(5);
    sessionId = (await ask(instances.all[0]!, 'POST', '', { agent1Id: one, agent2Id: two })).data.sessionId;
  });

  async function ask(instance: Instance, method: string, path: string, body?: Json): Promise<Json> {
    const response = await fetch(`${instance.address}/api/agent-chat/sessions${path}`, {
      method, headers: { authorization: `Bearer ${ann.token}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return response.json();
  }

  async function join(instance: Instance, agentAccountId = one): Promise<TestSocketIo> {
    const client = await openSocketIo({ port: Number(new URL(instance.address).port) }, { namespace: '/agent-chat', auth: { token: ann.token } });
    clients.push(client);
    await client.ask('agent-join-session', { sessionId, agentAccountId });
    return client;
  }

  const names = ({ events }: TestSocketIo): string[] => events.map(({ event }) => event);

  test('clients of both hear the same, in order, and an agent is triggered once, wherever that is asked', async () => {
    const [here, there] = [await join(instances.all[0]!), await join(instances.all[1]!, two)];
    expect(await here.next('agent-joined')).toEqual({ agentId: two });
    await here.ask('user-send-message-on-behalf', { sessionId, agentId: one, message: 'Hello' });
    instances.upstream.pace(100);
    await Promise.all([here, there].map((client) => client.ask('trigger-ai-response', { sessionId, agentAccountId: two })));
    const replies = await Promise.all([here, there].map((client) => client.next('ai-response-generated')));
    expect(replies[0]).toEqual(replies[1]);
    for (const client of [here, there]) expect(await client.next('ai-skip')).toEqual({ agentId: two, reason: 'already-generating' });
    expect(names(here).filter((name) => name !== 'ai-skip')).toEqual(['session-info', 'conversation-history', 'agent-joined', 'message-sent-on-behalf', 'new-message', 'ai-thinking', 'ai-response-generated']);
    expect(names(there).filter((name) => name !== 'ai-skip')).toEqual(['session-info', 'conversation-history', 'new-message', 'ai-thinking', 'ai-response-generated']);
    await there.ask('trigger-ai-response', { sessionId, agentAccountId: one });
    expect(await here.next('ai-response-generated')).toMatchObject({ from: one });
    await ask(instances.all[1]!, 'DELETE', `/${sessionId}`);
    for (const client of [here, there]) expect(await client.next('session-ended')).toEqual({ sessionId, transcriptSubmitted: false });
  });

  test('a run goes on when its server is killed, with as many replies as were asked for', async () => {
    const killed = await instances.start();
    const listener = await join(instances.all[0]!);
    instances.upstream.pace(100);
    expect((await ask(killed, 'POST', `/${sessionId}/run`, { turns: 3, message: 'Hello' })).data.run).toMatchObject({ state: 'running' });
    await listener.next('ai-response-generated');
    await killed.kill();
    for (let reply = 0; reply < 2; reply += 1) await listener.next('ai-response-generated');
    for (;;) {
      const { data } = await ask(instances.all[0]!, 'GET', `/${sessionId}`);
      if (data.run.state === 'ended') {
        expect(data).toMatchObject({ run: { reason: 'turns-done', turnsLeft: 0 }, messageCount: 4 });
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { data } = await ask(instances.all[1]!, 'GET', `/${sessionId}/messages`);
    expect(data.messages.map(({ from }: Json) => from)).toEqual([one, two, one, two]);
  });
});
