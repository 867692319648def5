import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.ts';
import { engines } from '../../base/storage/testing.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

/** The machine's clock, moved on. */
let movedMs = 0;
const clock: Clock = { now: () => systemClock.now() + movedMs, monotonic: () => systemClock.monotonic() + movedMs };

describe.each(engines)('The figures of the server on %s', (engine) => {
  let server: TestServer;
  /** The owner. */
  let ann: TestUser;
  beforeEach(async () => {
    movedMs = 0;
    server = await startTestServer({ engine, clock });
    ann = await server.user('ann');
  });
  afterEach(() => server.stop());
  const stats = async (): Promise<Json> => (await server.request('GET', '/stats', { as: ann })).json;

  it('are for administrators, whoever registered as what', async () => {
    const body = { username: 'mallory', password: 'a long password', email: 'm@example.com', name: 'M', role: 'admin', is_admin: true, scopes: ['admin'] };
    const registered = await server.request('POST', '/api/auth/register', { body });
    const headers = { authorization: `Bearer ${registered.json.access_token}` };
    const refused = await server.request('GET', '/stats', { headers });
    expect([refused.status, refused.json]).toEqual([403, { detail: expect.any(String) }]);
    expect((await server.request('GET', '/stats')).status).toBe(401);
    const { id } = (await server.parts.accounts.findUser('mallory'))!;
    await server.parts.accounts.setRole(id, 'admin');
    const again = await server.request('POST', '/api/auth/login', { body });
    expect((await server.request('GET', '/stats', { headers: { authorization: `Bearer ${again.json.access_token}` } })).status).toBe(200);
  });

  it('count rows', async () => {
    const bob = await server.user('bob');
    server.models.answerWith(['fine']);
    await server.request('POST', '/api/chat/send', { as: bob, body: { message: 'Hello?' } });
    await server.request('GET', '/api/chat/history', { as: ann });
    expect(await stats()).toMatchObject({ total_users: 2, total_conversations: 2, total_messages: 2 });
  });

  it('tell who used a sign-in lately, and when', async () => {
    const began = systemClock.now();
    const bob = await server.user('bob');
    movedMs = 20 * 60_000;
    await server.request('GET', '/api/chat/history', { as: ann });
    movedMs += 15 * 60_000;
    const { active_sessions: active, session_info: sessions } = await stats();
    // Bob has not been seen for 35 minutes.
    expect([active, sessions.map((session: Json) => session.user_id)]).toEqual([1, ['ann']]);
    const [{ created_at: created, last_accessed: last }] = sessions;
    expect(Math.abs(Date.parse(created) - began)).toBeLessThan(10_000);
    expect(Math.abs(Date.parse(last) - clock.now())).toBeLessThan(10_000);
    await server.request('POST', '/api/auth/logout', { as: bob });
    await server.request('POST', '/api/auth/login', { body: bob });
    expect((await stats()).session_info.map((session: Json) => session.user_id).sort()).toEqual(['ann', 'bob']);
  });

  it('keep the last use over a restart, to the minute', async () => {
    await stats();
    const rows = () => server.parts.storage.read.selectFrom('tokens').select('last_used_at').where('user_id', '=', ann.userId).execute();
    const [first] = await rows();
    movedMs = 30_000;
    await stats();
    expect((await rows())[0]).toEqual(first);
    movedMs = 61_000;
    await stats();
    while ((await rows())[0]!.last_used_at === first!.last_used_at) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await rows())[0]!.last_used_at! - first!.last_used_at!).toBeGreaterThanOrEqual(60_000);
  });

  it('count the requests of the last minute', async () => {
    movedMs += 120_000;
    const before = (await stats()).requests_per_minute;
    for (let count = 0; count < 20; count += 1) await server.request('GET', '/health');
    expect((await stats()).requests_per_minute).toBe(before + 21);
    movedMs += 61_000;
    expect((await stats()).requests_per_minute).toBe(0);
  });

  it('measure the process and the database', async () => {
    const until = performance.now() + 300;
    while (performance.now() < until) await Promise.resolve();
    const figures = await stats();
    expect(Math.abs(figures.memory_usage_mb * 1e6 - process.memoryUsage.rss())).toBeLessThan(50e6);
    expect(figures.cpu_usage_percent).toBeGreaterThan(5);
    expect(figures.database_size_mb * 1e6).toBeCloseTo(await server.parts.storage.sizeBytes(), -6);
  });
});
