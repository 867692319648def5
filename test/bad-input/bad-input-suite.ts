import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RouteOptions } from 'fastify';
import { errorTable } from '../../src/base/errors.ts';
import type { Engine } from '../../src/base/storage/index.ts';
import { clientFrames } from '../../src/dialects/arketic/socket.ts';
import { clientFrames as friendFrames } from '../../src/dialects/friend/socket.ts';
import { openSocket, openSocketIo, type RequestOptions, type Json, type TestResponse, type TestUser } from '../../src/dialects/testing.ts';
import { forgedCredentials, hostileBodies, hostileQueries, hostileSegments, hostileValues, mutations } from './hostile.ts';
import { eventTable, frameTable, routeTable, type Entry } from './table.ts';
import { secondApp, startWorld, type Chat, type World } from './world.ts';

/** Of a route that repeats another one, the name of that other. */
function firstOf({ method, url, config }: RouteOptions): string | null {
  if (url.startsWith(`${secondApp}/v1`)) return `${method} ${url.slice(secondApp.length)}`;
  const isOlder = ['ultimate', 'oauth'].includes(config?.dialect?.name ?? '') && /^\/api\/v[13]\//.test(url);
  return isOlder ? `${method} ${url.replace(/v[13]/, 'v4')}` : null;
}

/** Words that only Ann's chats hold: nobody else may ever be sent them. */
const secret = 'the treasure lies under the oak';

/** Throws bad input at everything that a server on this engine takes. A file for each engine: they run side by side. */
export async function badInputSuite(engine: Engine): Promise<void> {
  const world = await startWorld(engine);
  describe(`On ${engine}`, () => suite(world));
}

function suite(world: World): void {
  afterAll(() => world.stop());

  const keyOf = (route: RouteOptions): string => `${route.method} ${route.url}`;
  /** What stands on the second port as well as on the first, or under an older version too, is the same code, and is asked there only who may. */
  const again = world.routes.filter((route) => firstOf(route) !== null);
  /** Socket.IO answers its requests by itself: its events have a table of their own. */
  const built = world.routes.filter((route) => route.config?.notBuilt !== true && route.config?.handsOver !== true && !again.includes(route));
  const notBuilt = world.routes.filter((route) => route.config?.notBuilt === true && !again.includes(route));
  /** As a request that came through a proxy: local trust does not hold for it. */
  const remote = { 'x-forwarded-for': '192.0.2.1' };

  function isWithoutModel(answer: TestResponse, route: RouteOptions | null): boolean {
    return answer.status === 503 && ['studio', 'friend', 'ultimate'].includes(route?.config?.dialect?.name ?? '') && ['no_model', 'model_not_found', 'no_api_key'].includes(answer.headers.get('x-error-code') ?? '');
  }

  /** A clear refusal in the form of the dialect: never a fault of the server, and nothing of its inside. */
  function expectClear(answer: TestResponse, route: RouteOptions | null, what: string): void {
    // That there is no such model is what the set-up of the server lacks, not a fault of the server.
    const isNotBuilt = answer.headers.get('x-error-code') === 'not_implemented';
    if (!isWithoutModel(answer, route) && !isNotBuilt) expect(answer.status, `${what}: ${answer.text.slice(0, 300)}`).toBeLessThan(500);
    if (answer.status < 400) return;
    expect(Object.keys(errorTable), what).toContain(answer.headers.get('x-error-code'));
    expect(answer.text, what).not.toMatch(/node_modules|\.ts:\d|\.js:\d|\bat [\w.]+ \(|SQLITE|select .+ from|insert into/i);
    expect(answer.text, what).not.toContain(world.dataDir);
    expect(answer.text.length, what).toBeLessThan(10_000);
    if (route?.config?.dialect?.name === 'openai') {
      expect(answer.json?.error, what).toEqual({ message: expect.any(String), type: expect.any(String), param: answer.json?.error?.param ?? null, code: answer.json?.error?.code ?? null });
    } else if (route?.config?.dialect?.name === 'ollama' || route?.config?.dialect?.name === 'studio') {
      expect(answer.json, what).toEqual({ error: expect.any(String) });
    } else if (route?.config?.dialect?.name === 'agent-chat') {
      expect(answer.json, what).toEqual({ success: false, message: expect.any(String), status: answer.status });
    } else if (answer.headers.get('content-type')?.startsWith('text/html')) {
      expect(answer.text, what).toMatch(/^<!doctype html>/);
    } else if (route?.config?.dialect?.name === 'ultimate') {
      expect(answer.json, what).toEqual({ success: false, error: { code: expect.any(String), message: expect.any(String), details: expect.any(Object) } });
    } else if (route?.config?.dialect?.name === 'oauth') {
      expect(answer.json, what).toEqual({ error: expect.any(String), error_description: expect.any(String) });
    } else if (answer.status === 422) {
      for (const issue of answer.json.detail) expect(issue, what).toEqual({ loc: expect.any(Array), msg: expect.any(String), type: expect.any(String) });
    } else {
      expect(answer.json, what).toEqual({ detail: expect.any(String) });
    }
  }

  async function good(route: RouteOptions, entry: Entry, chat: Chat): Promise<{ method: string; path: string; options: RequestOptions }> {
    const options: RequestOptions = { as: entry.access === 'user' || entry.access === 'admin' ? await signedIn(entry) : undefined };
    if (entry.body) options.body = route.url === '/api/auth/register' ? { ...entry.body, username: uniqueName() } : entry.body;
    return { method: String(route.method), path: entry.path(chat), options };
  }

  async function signedIn(entry: Entry): Promise<TestUser> {
    if (!entry.endsCredential) return world.ann;
    const { json } = await world.request('POST', '/api/auth/login', { body: { username: 'ann', password: world.ann.password } });
    return { ...world.ann, headers: { authorization: `Bearer ${json.access_token}` } };
  }

  let names = 0;
  const uniqueName = (): string => `user-${(names += 1)}`;

  describe('The table', () => {
    it('has an entry for every route, and no other', () => {
      expect(built.map(keyOf).sort()).toEqual(Object.keys(routeTable).sort());
    });

    it('finds the same /v1 on the second port, and older versions beside the newest, closed to whoever proves nothing', async () => {
      expect(again.map((route) => firstOf(route)).filter((key) => key?.includes(' /v1')).sort()).toEqual(world.routes.filter(({ url }) => url.startsWith('/v1')).map(keyOf).sort());
      const all = new Set(world.routes.map(keyOf));
      for (const route of again) {
        expect([...all], keyOf(route)).toContain(firstOf(route));
        if (route.config?.notBuilt === true || routeTable[firstOf(route)!]?.access === 'anyone') continue;
        const path = route.url.replace(/:\w+/g, 'x').replace('*', 'x/y');
        for (const headers of [remote, ...forgedCredentials.map(([, forged]) => forged)]) {
          for (const method of [route.method].flat()) expect([401, 403], keyOf(route)).toContain((await world.request(method, path, { headers })).status);
        }
      }
    });

    it('has an entry for every socket and every frame', () => {
      expect(world.parts.http.app.upgrades.routes().map(({ pattern }) => pattern)).toEqual(Object.keys(frameTable));
      expect(Object.keys(frameTable['/api/v1/chat/chats/:chat_id/ws']!).sort()).toEqual(Object.keys(clientFrames).sort());
      expect(Object.keys(frameTable['/api/chat/ws/:user_id']!).sort()).toEqual(Object.keys(friendFrames).sort());
    });
  });

  describe.each(built.filter((route) => routeTable[keyOf(route)]).map((route) => ({ route, name: keyOf(route), entry: routeTable[keyOf(route)]! })))('$name', ({ route, entry }) => {
    let chat: Chat;
    let request: { method: string; path: string; options: RequestOptions };
    beforeAll(async () => {
      chat = await world.makeChat(world.ann, secret);
      request = await good(route, entry, chat);
    });

    it('needs credentials that are true', async () => {
      if (entry.access === 'anyone') return;
      const { as: _, ...anonymous } = request.options;
      const none = await world.request(request.method, request.path, { ...anonymous, headers: remote });
      expectClear(none, route, 'no credentials');
      expect(none.status).toBe(entry.access === 'local' ? 403 : 401);
      for (const [name, headers] of forgedCredentials) {
        const answer = await world.request(request.method, request.path, { ...anonymous, headers: { ...remote, ...headers } });
        expectClear(answer, route, name);
        expect([401, 403], name).toContain(answer.status);
      }
      // A forged credential is not saved by local trust either.
      if (!entry.localTrust || entry.access === 'local') return;
      for (const [name, headers] of forgedCredentials) {
        const answer = await world.request(request.method, request.path, { ...anonymous, headers });
        expect([401, 403], name).toContain(answer.status);
      }
    });

    it('is closed to others', async () => {
      if (entry.access !== 'admin' && !entry.owned) return;
      const answer = await world.request(request.method, request.path, { ...request.options, as: world.bob });
      expectClear(answer, route, 'as somebody else');
      expect([403, 404]).toContain(answer.status);
      expect(answer.text).not.toContain(secret);
      // What belongs to somebody else is not reached through what is one's own.
      const own = await world.makeChat(world.bob, 'nothing');
      if (!request.path.includes('/messages/')) return;
      const through = await world.request(request.method, request.path.replace(chat.chatId, own.chatId), { ...request.options, as: world.bob });
      expect([403, 404]).toContain(through.status);
      expect(through.text).not.toContain(secret);
    });

    it('refuses addresses that name nothing', async () => {
      const names = route.url.split('/').filter((segment) => segment.startsWith(':'));
      const filled = request.path.split('?')[0]!.split('/');
      for (const name of names) {
        const at = route.url.split('/').indexOf(name);
        for (const [what, segment] of hostileSegments) {
          const path = filled.with(at, segment).join('/');
          const answer = await world.request(request.method, path, request.options);
          expectClear(answer, route, `${name}: ${what}`);
          expect(answer.status, `${name}: ${what}`).toBeGreaterThanOrEqual(400);
        }
      }
    });

    it('refuses bodies that are wrong as a whole', async () => {
      if (request.method === 'GET') return;
      for (const [name, body, type] of hostileBodies) {
        const answer = await world.request(request.method, request.path, { ...request.options, body: undefined, raw: body, headers: { 'content-type': type } });
        expectClear(answer, route, name);
        const isObject = name === 'bytes that are no UTF-8';
        if (entry.body && !isObject && !isOptional(route)) expect(answer.status, name).toBeGreaterThanOrEqual(400);
      }
    });

    it('refuses or understands each wrong field', { timeout: 120_000 }, async () => {
      for (const mutation of mutations(entry.body ?? {})) {
        const fresh = route.url === '/api/auth/register' && !mutation.name.includes('username') ? { ...(mutation.body as object), username: uniqueName() } : mutation.body;
        const answer = await world.request(request.method, request.path, { ...request.options, body: fresh });
        expectClear(answer, route, mutation.name);
      }
    });

    it('refuses or understands each wrong parameter', async () => {
      for (const name of entry.query ?? []) {
        const base = request.path.split('?')[0]!;
        for (const value of hostileQueries) expectClear(await world.request(request.method, `${base}?${name}=${value}`, request.options), route, `${name}=${value}`);
        expectClear(await world.request(request.method, `${base}?${name}=1&${name}=2`, request.options), route, `${name} twice`);
      }
    });

    it('takes headers of any kind', async () => {
      for (const [name, value] of [
        ['idempotency-key', 'x'.repeat(300)], ['idempotency-key', 'two words'], ['last-event-id', '99999999999999999999'], ['last-event-id', '-1'],
        ['origin', 'null'], ['x-request-id', 'x'.repeat(500)], ['accept', 'nothing/at-all'], ['cookie', ';=;=;parley_csrf'],
      ] as const) {
        expectClear(await world.request(request.method, request.path, { ...request.options, headers: { [name]: value } }), route, name);
      }
    });

    it('still does what it should', async () => {
      chat = await world.makeChat(world.ann, secret);
      const { method, path, options } = await good(route, entry, chat);
      const answer = await world.request(method, path, options);
      const expected = typeof entry.good === 'number' ? entry.good : entry.good[world.parts.storage.engine];
      expect([answer.status, answer.text.slice(0, 300)]).toEqual([expected, expect.any(String)]);
    });
  });

  /** Routes whose body may be left out altogether. */
  function isOptional(route: RouteOptions): boolean {
    return /\/(continue|regenerate)$/.test(route.url);
  }

  describe('Addresses that are not built yet', () => {
    it.each(notBuilt.map((route) => ({ route, name: `${[route.method].flat().join('|')} ${route.url}` })))('$name', async ({ route }) => {
      const path = route.url.replace(/:\w+/g, '01a1fc38-478b-7429-a13b-4e704d793342').replace('*', 'x/y');
      for (const method of [route.method].flat().filter((name) => name !== 'HEAD')) {
        const known = await world.request(method, path, { as: world.ann });
        expect([known.status, known.headers.get('x-error-code')]).toEqual([501, 'not_implemented']);
        expect((await world.request(method, path, { headers: remote })).status).toBe(401);
        // Bodies are not read here at all, so the large ones prove nothing more.
        for (const [name, body, type] of hostileBodies.filter(([, text]) => text.length < 1000)) {
          if (method === 'GET') continue;
          expect((await world.request(method, path, { as: world.ann, raw: body, headers: { 'content-type': type } })).status, name).toBe(501);
        }
      }
    });
  });

  describe('Frames of sockets', () => {
    const path = ({ chatId }: Chat, user: TestUser): string => `/api/v1/chat/chats/${chatId}/ws?token=${user.token}`;

    it('are refused or understood, and the socket goes on', { timeout: 120_000 }, async () => {
      const chat = await world.makeChat(world.ann, secret);
      const socket = await openSocket(world, path(chat, world.ann));
      await socket.next('welcome');
      const alive = async (): Promise<void> => {
        socket.send({ type: 'ping', timestamp: 'x' });
        await socket.next('pong');
      };
      for (const frame of Object.values(frameTable['/api/v1/chat/chats/:chat_id/ws']!)) {
        for (const mutation of mutations(frame(chat))) {
          if (JSON.stringify(mutation.body).length > 65_000) continue;
          socket.send(mutation.body);
          await alive();
        }
      }
      for (const text of ['', '{', 'null', '[]', '1', '"x"', '['.repeat(60_000), '\ufeff{}', ...hostileValues.map(([, value]) => JSON.stringify(value)), Buffer.from([0, 255])]) {
        socket.sendRaw(text);
        await alive();
      }
      for (const frame of socket.frames) expect(JSON.stringify(frame)).not.toMatch(/node_modules|\.ts:\d|SQLITE/);
      expect(socket.frames.filter((frame) => frame.type === 'error' && !(frame.error_code in errorTable) && !['invalid_json', 'unknown_message_type'].includes(frame.error_code))).toEqual([]);
      socket.close();
    });

    it('reach nothing of somebody else', async () => {
      const chat = await world.makeChat(world.ann, secret);
      const own = await world.makeChat(world.bob, 'nothing');
      const refused = await openSocket(world, path(chat, world.bob));
      expect((await refused.closed).code).toBe(4403);
      const socket = await openSocket(world, path(own, world.bob));
      await socket.next('welcome');
      for (const type of ['attach', 'cancel']) {
        for (const message_id of [chat.answerId, chat.questionId]) {
          socket.send({ type, message_id, after_seq: 0 });
          expect(['forbidden', 'not_found']).toContain((await socket.next('error')).error_code);
        }
      }
      expect(JSON.stringify(socket.frames)).not.toContain(secret);
      socket.close();
    });
  });

  describe('Frames of the friend socket', () => {
    const connect = (user: TestUser) => openSocket(world, `/api/chat/ws/${user.username}?token=${user.token}`);

    it('are refused or understood, and the socket goes on', { timeout: 120_000 }, async () => {
      const chat = await world.makeChat(world.ann, secret);
      const socket = await connect(world.ann);
      // Replies and errors come in order: when this message is answered, everything before it has been.
      let asked = 0;
      const alive = async (): Promise<void> => {
        const question = `Are you there, ${(asked += 1)}?`;
        socket.send({ message: question });
        while (!socket.frames.some((frame) => frame.response === question)) await new Promise((resolve) => socket.socket.once('message', resolve));
      };
      for (const frame of Object.values(frameTable['/api/chat/ws/:user_id']!)) {
        for (const mutation of mutations(frame(chat))) {
          if (JSON.stringify(mutation.body).length > 65_000) continue;
          socket.send(mutation.body);
          await alive();
        }
      }
      for (const text of ['', '{', 'null', '[]', '1', '"x"', '['.repeat(60_000), '\ufeff{}', ...hostileValues.map(([, value]) => JSON.stringify(value)), Buffer.from([0, 255])]) {
        socket.sendRaw(text);
        await alive();
      }
      for (const frame of socket.frames) expect(JSON.stringify(frame)).not.toMatch(/node_modules|\.ts:\d|SQLITE/);
      const codes = new Set(socket.frames.flatMap((frame) => frame.error_code ?? []));
      expect([...codes].filter((code) => code === 'internal' || !(code in errorTable) && !['invalid_json', 'unknown_message_type'].includes(code))).toEqual([]);
      socket.close();
    });

    it('reach nothing of somebody else', async () => {
      const chat = await world.makeChat(world.ann, secret);
      const refused = await openSocket(world, `/api/chat/ws/ann?token=${world.bob.token}`);
      expect((await refused.closed).code).toBe(4403);
      const socket = await connect(world.bob);
      for (const frame of ['message', 'attach', 'cancel']) {
        const told = socket.frames.length;
        socket.send(frameTable['/api/chat/ws/:user_id']![frame]!(chat));
        while (socket.frames.length === told) await new Promise((resolve) => socket.socket.once('message', resolve));
        expect(['forbidden', 'not_found']).toContain(socket.frames.at(-1).error_code);
      }
      expect(JSON.stringify(socket.frames)).not.toContain(secret);
      socket.close();
    });
  });

  describe('Frames of the plain socket of the ultimate dialect', () => {
    it('are refused or understood, and the socket goes on', { timeout: 120_000 }, async () => {
      const chat = await world.makeChat(world.ann, secret);
      const socket = await openSocket(world, '/socket.io/', world.ann.headers);
      const alive = async (): Promise<void> => {
        socket.send({ type: 'sing' });
        await socket.next('agent_error', ({ data }) => data.event === 'sing');
      };
      for (const frame of Object.values(frameTable['/socket.io/']!)) {
        for (const mutation of [...mutations(frame(chat)), ...mutations(frame(chat)['data'] as Record<string, unknown>).map(({ name, body }) => ({ name, body: { ...frame(chat), data: body } }))]) {
          if (JSON.stringify(mutation.body).length > 65_000) continue;
          socket.send(mutation.body);
          await alive();
        }
      }
      for (const text of ['', '{', 'null', '[]', '1', '"x"', '['.repeat(60_000), '\ufeff{}', ...hostileValues.map(([, value]) => JSON.stringify(value)), Buffer.from([0, 255])]) {
        socket.sendRaw(text);
        await alive();
      }
      for (const frame of socket.frames) expect(JSON.stringify(frame)).not.toMatch(/node_modules|\.ts:\d|SQLITE/);
      const codes = new Set(socket.frames.filter(({ type }) => type === 'agent_error').map(({ data }) => data.code));
      expect([...codes].filter((code) => code === 'internal' || (!(code in errorTable) && code !== 'invalid_json'))).toEqual([]);
      socket.close();
    });

    it('reach nothing of somebody else', async () => {
      const chat = await world.makeChat(world.ann, secret);
      const socket = await openSocket(world, '/socket.io/', world.bob.headers);
      for (const type of ['chat_message', 'get_conversation_history']) {
        socket.send(frameTable['/socket.io/']![type]!(chat));
        expect((await socket.next('agent_error')).data).toMatchObject({ event: type, code: 'not_found' });
      }
      expect(JSON.stringify(socket.frames)).not.toContain(secret);
      socket.close();
    });
  });

  describe('Events of Socket.IO', () => {
    it('has an entry for each', () => {
      expect(world.parts.http.app.socketIo.namespace({ name: '/', policy: { localTrust: true, cookie: true }, scope: null }).events.toSorted()).toEqual(Object.keys(eventTable).sort());
    });

    it('are refused or understood, and the socket goes on', { timeout: 120_000 }, async () => {
      const chat = await world.makeChat(world.ann, secret);
      const client = await openSocketIo(world, { auth: { token: world.ann.token } });
      const answers: Json[] = [];
      const leave = (): Promise<Json> => client.ask('leave_conversation', { conversation_id: 'none' });
      for (const [event, good] of Object.entries(eventTable)) {
        for (const mutation of mutations(good(chat))) answers.push(await client.ask(event, mutation.body));
        for (const [, value] of hostileValues) answers.push(await client.ask(event, value));
        answers.push(await client.ask(event), await client.ask(event, Buffer.from([0, 255])), await client.ask(event, {}, {}, 'x'));
        expect(await leave()).toEqual({ ok: true });
      }
      for (const event of ['', 'error', 'x'.repeat(10_000), 'toString', '__proto__', 'message', 'constructor']) answers.push(await client.ask(event, {}));
      for (const answer of answers) {
        if (answer.error === undefined) continue;
        expect(answer.error).toEqual(expect.any(String));
        expect(answer.error).not.toMatch(/node_modules|\.ts:\d|SQLITE/);
        expect(answer.error.length).toBeLessThan(10_000);
        expect(Object.keys(errorTable)).toContain(answer.code);
        expect(answer.code).not.toBe('internal');
      }
      expect(await leave()).toEqual({ ok: true });
      client.close();
    });

    it('reach nothing of somebody else', async () => {
      const chat = await world.makeChat(world.ann, secret);
      const client = await openSocketIo(world, { auth: { token: world.bob.token } });
      for (const [event, good] of Object.entries(eventTable)) {
        const payload = good(chat);
        if (event === 'leave_conversation' || !('conversation_id' in payload || 'message_id' in payload)) continue;
        const answer = await client.ask(event, payload);
        expect([event, answer]).toEqual([event, { error: expect.any(String), code: expect.stringMatching(/^(not_found|not_implemented)$/) }]);
      }
      expect(JSON.stringify(client.events)).not.toContain(secret);
      client.close();
    });
  });

  describe('Afterwards', () => {
    it('lists show nothing of anybody else', async () => {
      for (const listing of ['/api/v1/chat/chats?limit=1000', '/api/chat/conversations', '/api/v1/chat/public?limit=1000', '/api/v1/chat/keys']) {
        const { status, text } = await world.request('GET', listing, { as: world.bob });
        expect(status).toBe(200);
        expect(text).not.toContain(secret);
      }
    });

    it('nobody has changed what is not theirs', async () => {
      const chat = await world.makeChat(world.ann, secret);
      const before = await world.request('GET', `/api/v1/chat/chats/${chat.chatId}?include=branches`, { as: world.ann });
      for (const route of built) {
        const entry = routeTable[keyOf(route)];
        if (!entry?.owned) continue;
        await world.request(String(route.method), entry.path(chat), { as: world.bob, body: entry.body });
      }
      const after = await world.request('GET', `/api/v1/chat/chats/${chat.chatId}?include=branches`, { as: world.ann });
      expect(after.json).toEqual(before.json);
    });

    it('the server is healthy and has answered nothing with a fault of its own', async () => {
      expect((await world.request('GET', '/health')).json.status).toBe('healthy');
      const { text } = await world.request('GET', '/metrics', { as: world.ann });
      expect(text.split('\n').filter((line) => /^parley_http_requests_total\{.*status="5\d\d"/.test(line) && !line.includes('status="501"'))).toEqual([]);
    });
  });
}
