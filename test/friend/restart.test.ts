import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCommandLine } from '../../src/cli/testing.ts';
import { joined, openStream } from '../../src/dialects/friend/testing.ts';
import { openSocket, registerUser, sendRequest, type RequestOptions } from '../../src/dialects/testing.ts';
import { spawnServer, type ServerProcess } from '../kill/server-process.ts';
import { startStandIn, type StandIn } from '../stand-in/index.ts';

const message = { message: 'Count to three.' };

describe('The friend dialect over restarts of the server', { timeout: 60_000 }, () => {
  let dataDir: string;
  let upstream: StandIn;
  let server: ServerProcess;
  let url = '';
  const environment = (): Record<string, string> => ({ COMPATIBLE_SERVERS: `upstream=${upstream.url}/v1`, DEFAULT_MODEL: 'upstream/gpt-4o', DRAIN_SECONDS: '0' });

  async function start(): Promise<void> {
    server = spawnServer({ dataDir, environment: environment() });
    const address = await server.ready;
    if (address === null) throw new Error(server.output());
    url = address;
  }
  async function restart(signal: NodeJS.Signals): Promise<void> {
    server.kill(signal);
    await server.exited;
    await start();
  }
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-friend-'));
    upstream = await startStandIn();
    await start();
  });
  afterEach(async () => {
    server.kill('SIGKILL');
    await server.exited;
    await upstream.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  const ask = (method: string, path: string, options?: RequestOptions) => sendRequest(url, method, path, options);

  it('a token that signed out is dead on every way in, at once and after a restart; another sign-in goes on', async () => {
    const ann = await registerUser(url, 'ann');
    const login = await ask('POST', '/api/auth/login', { body: ann });
    const chat = (await ask('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A chat' } })).json.id;
    const headers = { authorization: `Bearer ${login.json.access_token}` };
    const port = Number(new URL(url).port);
    const open = await openSocket({ port }, `/api/chat/ws/ann?token=${login.json.access_token}`);
    expect((await ask('POST', '/api/auth/logout', { headers })).status).toBe(200);
    expect((await open.closed).code).toBe(4401);
    for (const when of ['at once', 'after a restart']) {
      if (when === 'after a restart') await restart('SIGTERM');
      const place = { port: Number(new URL(url).port) };
      expect((await ask('GET', '/api/chat/history', { headers })).status, when).toBe(401);
      expect((await ask('POST', '/api/auth/logout', { headers })).status, when).toBe(401);
      expect((await openStream({ url }, `message=Hello&token=${login.json.access_token}`)).status, when).toBe(401);
      for (const path of ['/api/chat/ws/ann', `/api/v1/chat/chats/${chat}/ws`]) {
        expect((await (await openSocket(place, `${path}?token=${login.json.access_token}`)).closed).code, `${path} ${when}`).toBe(4401);
      }
      expect((await ask('GET', '/api/chat/history', { as: ann })).status, when).toBe(200);
    }
  });

  it('nobody becomes an administrator but by the command line', async () => {
    await registerUser(url, 'ann');
    const bob = { username: 'bob', password: 'a long password', email: 'bob@example.com', name: 'Bob', role: 'admin' };
    const registered = await ask('POST', '/api/auth/register', { body: bob });
    expect((await ask('GET', '/stats', { headers: { authorization: `Bearer ${registered.json.access_token}` } })).status).toBe(403);
    const commands = createCommandLine({ DATA_DIR: dataDir, ...environment() });
    expect((await commands.run(['user', 'role', 'bob', 'admin'])).code).toBe(0);
    const login = await ask('POST', '/api/auth/login', { body: bob });
    const stats = await ask('GET', '/stats', { headers: { authorization: `Bearer ${login.json.access_token}` } });
    expect([stats.status, stats.json.total_users]).toEqual([200, 2]);
  });

  it('one of twenty registrations of one name at the same moment succeeds', async () => {
    const body = { username: 'ann', password: 'a long password', email: 'ann@example.com', name: 'Ann' };
    const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await ask('POST', '/api/auth/register', { body })).status));
    expect(statuses.sort()).toEqual([201, ...Array.from({ length: 19 }, () => 400)]);
  });

  it('a stream that is come back to after the end of the reply has nothing more, or exactly the rest', async () => {
    const ann = await registerUser(url, 'ann');
    upstream.next({ pieces: ['One ', 'two ', 'three.'] });
    const stream = await openStream({ url }, new URLSearchParams(message).toString(), { as: ann });
    const events = await stream.rest();
    expect(joined(events)).toBe('One two three.');
    const chats = (): number => upstream.requests.filter(({ endpoint }) => endpoint === 'chat').length;
    const asked = chats();
    await restart('SIGTERM');
    expect((await openStream({ url }, new URLSearchParams(message).toString(), { as: ann, lastId: stream.lastId() })).status).toBe(204);
    const late = await openStream({ url }, new URLSearchParams(message).toString(), { as: ann, lastId: events[0]!.id });
    expect(joined(await late.rest())).toBe('two three.');
    expect(chats()).toBe(asked);
    expect((await ask('GET', '/api/chat/history', { as: ann })).json.stats.message_count).toBe(2);
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('a stream whose server ended in the middle (%s) ends with an error behind what was said, and is not made anew', async (signal) => {
    const ann = await registerUser(url, 'ann');
    const answer = upstream.next({ pieces: ['One ', 'two ', 'three.'], gated: true });
    const stream = await openStream({ url }, new URLSearchParams(message).toString(), { as: ann });
    answer.release(2);
    const seen = [await stream.next(), await stream.next()];
    expect(seen.map((event) => event!.data)).toEqual(['One', 'two']);
    const lastId = stream.lastId();
    await restart(signal);
    const again = await openStream({ url }, new URLSearchParams(message).toString(), { as: ann, lastId });
    const rest = await again.rest();
    expect(rest.at(-1)!.event).toBe('error');
    expect(JSON.parse(rest.at(-1)!.data)).toMatchObject({ error_code: 'shutting_down' });
    const history = (await ask('GET', '/api/chat/history', { as: ann })).json;
    expect(history.messages.map(({ content }: { content: string }) => content)).toEqual(['Count to three.', 'One two ']);
    expect(joined([...(seen as never), ...rest])).toBe('One two ');
    expect((await openStream({ url }, new URLSearchParams(message).toString(), { as: ann, lastId: again.lastId() })).status).toBe(204);
  });
});
