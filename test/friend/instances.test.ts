import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { joined, openStream } from '../../src/dialects/friend/testing.ts';
import { openSocket, sendRequest } from '../../src/dialects/testing.ts';
import { createDatabase, type FreshDatabase } from '../instances/database.ts';
import { openInstances, register, type Instances } from '../instances/instances.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);

describe.skipIf(!runs)('The friend dialect on two instances', { timeout: 60_000 }, () => {
  let database: FreshDatabase;
  let instances: Instances;
  let headers: Record<string, string>;
  let token = '';
  let urls: [string, string];
  beforeAll(async () => {
    database = await createDatabase();
    instances = await openInstances({ databaseUrl: database.url, redisUrl: process.env['REDIS_URL_TEST']!, count: 2, words: { fewest: 60, most: 60 }, environment: { LIMIT_FRIEND_MESSAGES_PER_MINUTE: '20' } });
    ({ token } = await register(instances.all[0]!, 'ann'));
    headers = { authorization: `Bearer ${token}` };
    urls = instances.all.map(({ address }) => address) as [string, string];
  });
  afterAll(async () => {
    await instances?.close();
    await database?.close();
  });
  const history = async (url: string) => (await sendRequest(url, 'GET', '/api/chat/history', { headers })).json;

  it('a stream begun on one goes on, on the other, exactly where it was, and is over on both', async () => {
    instances.upstream.pace(20);
    const first = await openStream({ url: urls[0] }, 'message=q1', { headers });
    const seen = [await first.next(), await first.next(), await first.next()];
    await first.close();
    const second = await openStream({ url: urls[1] }, 'message=q1', { headers, lastId: first.lastId() });
    const rest = await second.rest();
    instances.upstream.pace(null);
    expect(rest.at(-1)!.event).toBe('done');
    const { messages } = await history(urls[0]);
    expect(messages).toHaveLength(2);
    expect(joined([...(seen as never), ...rest])).toBe(messages[1].content);
    for (const url of urls) expect((await openStream({ url }, 'message=q1', { headers, lastId: second.lastId() })).status).toBe(204);
  });

  it('first messages of a user on both make one conversation', async () => {
    const { token: other } = await register(instances.all[1]!, 'bob');
    const answers = await Promise.all(Array.from({ length: 8 }, (_, at) =>
      sendRequest(urls[at % 2]!, 'POST', '/api/chat/send', { headers: { authorization: `Bearer ${other}` }, body: { message: `q${at + 10}` } })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(new Set(answers.map(({ json }) => json.session_id)).size).toBe(1);
  });

  it('the limit of messages counts both, and a token that signs out on one is dead on the other', async () => {
    const { token: third } = await register(instances.all[0]!, 'cleo');
    const as = { authorization: `Bearer ${third}` };
    const statuses: number[] = [];
    for (let at = 0; at < 22; at += 1) statuses.push((await sendRequest(urls[at % 2]!, 'POST', '/api/chat/send', { headers: as, body: { message: `q${at + 30}` } })).status);
    expect(statuses).toEqual([...Array.from({ length: 20 }, () => 200), 429, 429]);
    const socket = await openSocket({ port: Number(new URL(urls[1]).port) }, `/api/chat/ws/cleo?token=${third}`);
    await sendRequest(urls[0], 'POST', '/api/auth/logout', { headers: as });
    expect((await socket.closed).code).toBe(4401);
    expect((await sendRequest(urls[1], 'GET', '/api/chat/history', { headers: as })).status).toBe(401);
  });
});
