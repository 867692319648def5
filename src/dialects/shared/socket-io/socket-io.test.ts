import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemClock } from '../../../base/clock.ts';
import { openSocket, openSocketIo, startTestServer, type TestServer, type TestSocketIo, type TestUser } from '../../testing.ts';
import { text } from '../fields.ts';
import type { SocketConnection } from './connection.ts';
import { socketEvent } from './types.ts';

let server: TestServer;
let ann: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  ann = await server.user('ann');
  registerEcho(server);
});
afterAll(() => server.stop());

/** Events of a namespace of this test's own. */
function registerEcho(target: TestServer): { connections: Set<SocketConnection> } {
  const connections = new Set<SocketConnection>();
  const namespace = target.http.app.socketIo.namespace({
    name: '/echo', policy: { localTrust: false, cookie: true }, scope: 'read',
    errorEvent: (error, event) => ({ event: 'failed', payload: { event, message: error.message } }),
  });
  namespace.onGone((connection) => connections.delete(connection));
  const waiting: (() => void)[] = [];
  namespace.on({
    say: socketEvent(z.object({ text: text({ max: 100 }) }), 'write', (connection, payload) => {
      connections.add(connection);
      return { said: payload.text };
    }),
    wait: socketEvent(z.object({ text: text({ max: 100 }) }), null, async (_connection, payload) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { said: payload.text };
    }),
    wake: socketEvent(z.object({}).optional(), null, () => ({})),
    breaks: socketEvent(z.unknown(), null, () => {
      throw new Error('a secret of the inside');
    }),
    many: socketEvent(z.object({ count: z.int(), length: z.int() }), null, (connection, { count, length }) => {
      for (let at = 0; at < count; at += 1) connection.emit('piece', { at, text: 'x'.repeat(length) });
      return { isSlow: connection.isSlow };
    }),
  });
  return { connections };
}

const byToken = (user: TestUser): { auth: { token: string } } => ({ auth: { token: user.token } });

/** Connects and says what became of it: `connected`, or the code of the refusal. */
async function attempt(options: Parameters<typeof openSocketIo>[1], target: { port: number } = server): Promise<string> {
  try {
    const client = await openSocketIo(target, options);
    client.close();
    return 'connected';
  } catch (error) {
    return (error as { data?: { code: string } }).data?.code ?? (error as Error).message;
  }
}

async function signIn(user: TestUser): Promise<{ headers: Record<string, string>; cookie: string; csrf: string }> {
  const login = await server.request('POST', '/api/auth/login', { body: { username: user.username, password: user.password } });
  const pairs = login.headers.getSetCookie().map((header) => header.split(';')[0]!);
  return { headers: { authorization: `Bearer ${login.json.access_token}` }, cookie: pairs.join('; '), csrf: pairs[1]!.slice('parley_csrf='.length) };
}

/** A proxy header: local trust does not hold for who sends it. */
const remote = { 'x-forwarded-for': '192.0.2.1' };

describe('Who may connect over Socket.IO', () => {
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']] as const) {
    describe(`by ${transports.join(' and ')}`, () => {
      const form = { transports: [...transports] };

      it('whoever has a token: as auth.token, with or without "Bearer", or in the header', async () => {
        expect(await attempt({ ...form, ...byToken(ann) })).toBe('connected');
        expect(await attempt({ ...form, auth: { token: `Bearer ${ann.token}` } })).toBe('connected');
        expect(await attempt({ ...form, extraHeaders: ann.headers })).toBe('connected');
      });

      it('whoever has the session cookie, but from no foreign page', async () => {
        const { cookie } = await signIn(ann);
        const own = `http://127.0.0.1:${server.port}`;
        expect(await attempt({ ...form, extraHeaders: { cookie, ...remote } })).toBe('connected');
        expect(await attempt({ ...form, extraHeaders: { cookie, origin: own, ...remote } })).toBe('connected');
        expect(await attempt({ ...form, extraHeaders: { cookie, origin: 'https://elsewhere.example' } })).toBe('origin_refused');
        expect(await attempt({ ...form, extraHeaders: { cookie, origin: 'null' } })).toBe('origin_refused');
      });

      it('the owner under local trust, where the namespace allows it, but from no foreign page', async () => {
        expect(await attempt(form)).toBe('connected');
        expect(await attempt({ ...form, namespace: '/echo' })).toBe('unauthorized');
        expect(await attempt({ ...form, extraHeaders: { origin: 'https://elsewhere.example' } })).toBe('unauthorized');
        expect(await attempt({ ...form, extraHeaders: { 'sec-fetch-site': 'cross-site' } })).toBe('unauthorized');
      });

      it('nobody else', async () => {
        expect(await attempt({ ...form, extraHeaders: remote })).toBe('unauthorized');
        for (const token of ['x', 'ask_unknown', `${ann.token}x`, 5, {}, ['x']]) expect(await attempt({ ...form, auth: { token } })).toBe('unauthorized');
        expect(await attempt({ ...form, namespace: '/elsewhere', ...byToken(ann) })).toBe('Invalid namespace');
      });
    });
  }

  it('needs the scope of the namespace', async () => {
    const { key } = await server.parts.accounts.createApiKey(ann.userId, 'chat only', ['chat']);
    expect(await attempt({ auth: { token: key }, namespace: '/echo' })).toBe('forbidden');
    expect(await attempt({ auth: { token: key } })).toBe('connected');
  });

  it('tells a page of another origin nothing over polling', async () => {
    const path = '/socket.io/?EIO=4&transport=polling';
    const foreign = await server.request('GET', path, { headers: { origin: 'https://elsewhere.example' } });
    expect([foreign.status, foreign.headers.get('access-control-allow-origin')]).toEqual([200, null]);
    const own = await server.request('GET', path, { headers: { origin: 'http://localhost:3000' } });
    expect(own.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
    expect(own.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('moves from polling to a WebSocket on the same connection', async () => {
    const client = await openSocketIo(server, { ...byToken(ann), transports: ['polling', 'websocket'], namespace: '/echo' });
    const { engine } = client.socket.io;
    if (engine.transport.name !== 'websocket') await new Promise((resolve) => engine.once('upgrade', resolve));
    expect(await client.ask('say', { text: 'hello' })).toEqual({ said: 'hello' });
    client.close();
  });

  it('ends a connection that tries again and again', async () => {
    const client = io(`http://127.0.0.1:${server.port}`, { transports: ['websocket'], reconnection: false, forceNew: true, extraHeaders: remote });
    let refusals = 0;
    const closed = new Promise<void>((resolve) => client.io.once('close', () => resolve()));
    client.on('connect_error', () => {
      refusals += 1;
      if (refusals < 20) client.connect();
    });
    await closed;
    expect(refusals).toBeLessThan(10);
    client.close();
  });
});

describe('Sockets end with the credential', () => {
  it('on logout, by whichever transport, and do not come back by themselves', async () => {
    for (const transports of [['websocket'], ['polling']]) {
      const { headers } = await signIn(ann);
      const client = await openSocketIo(server, { extraHeaders: headers, transports });
      await server.request('POST', '/api/auth/logout', { headers });
      expect(await client.gone).toBe('io server disconnect');
    }
  });

  it('when the account is locked, and when the token expires', async () => {
    let ahead = 0;
    const clock = { now: () => Date.now() + ahead, monotonic: () => systemClock.monotonic() };
    const other = await startTestServer({ clock, settings: { TOKEN_LIFETIME: '60' } });
    try {
      await other.user('owner');
      const [bob, cleo] = [await other.user('bob'), await other.user('cleo')];
      const [first, second] = [await openSocketIo(other, byToken(bob)), await openSocketIo(other, byToken(cleo))];
      await other.parts.accounts.setDisabled(bob.userId, true);
      expect(await first.gone).toBe('io server disconnect');
      ahead = 61_000;
      expect(await second.gone).toBe('io server disconnect');
    } finally {
      await other.stop();
    }
  });
});

describe('Events', () => {
  let client: TestSocketIo;
  beforeAll(async () => {
    client = await openSocketIo(server, { ...byToken(ann), namespace: '/echo' });
  });
  afterAll(() => client.close());

  it('are answered in their acknowledgement', async () => {
    expect(await client.ask('say', { text: 'hello' })).toEqual({ said: 'hello' });
  });

  it('that are wrong or unknown are told so, also by the event of a namespace that has one', async () => {
    expect(await client.ask('say', { text: 5 })).toEqual({ error: 'text: must be a text', code: 'validation_failed' });
    expect(await client.next('failed')).toEqual({ event: 'say', message: 'text: must be a text' });
    expect(await client.ask('sing', {})).toEqual({ error: 'Unknown event: sing', code: 'invalid_request' });
    client.socket.emit('say');
    expect(await client.next('failed', ({ event }) => event === 'say')).toMatchObject({ message: expect.any(String) });
  });

  it('tell nothing of the inside when a handler breaks', async () => {
    expect(await client.ask('breaks')).toEqual({ error: 'Internal server error', code: 'internal' });
    expect(await client.ask('say', { text: 'still here' })).toEqual({ said: 'still here' });
  });

  it('are handled one after another', async () => {
    const order: string[] = [];
    const slow = client.ask('say', { text: 'one' }).then(() => order.push('one'));
    const quick = client.ask('wake').then(() => order.push('two'));
    await Promise.all([slow, quick]);
    expect(order).toEqual(['one', 'two']);
  });

  it('need the scope of the event', async () => {
    const { key } = await server.parts.accounts.createApiKey(ann.userId, 'read only', ['read']);
    const reader = await openSocketIo(server, { auth: { token: key }, namespace: '/echo' });
    expect(await reader.ask('say', { text: 'x' })).toMatchObject({ code: 'forbidden' });
    reader.close();
  });

  it('of more than a megabyte end the connection, not the server', async () => {
    for (const transports of [['websocket'], ['polling']]) {
      const large = await openSocketIo(server, { ...byToken(ann), transports, namespace: '/echo' });
      expect(await large.ask('say', { text: 'x'.repeat(900_000) })).toMatchObject({ code: 'validation_failed' });
      large.socket.emit('say', { text: 'x'.repeat(1_000_100) });
      expect(await large.gone).toMatch(/transport/);
    }
    expect(await client.ask('say', { text: 'still here' })).toEqual({ said: 'still here' });
  });

  it('that come faster than they can be handled end the connection', async () => {
    const flood = await openSocketIo(server, { ...byToken(ann), namespace: '/echo' });
    for (let at = 0; at < 400; at += 1) flood.socket.emit('wait', { text: 'x' });
    expect(await flood.gone).toBe('io server disconnect');
  });

  it('count against the limit of the user', async () => {
    const small = await startTestServer({ settings: { LIMIT_REQUESTS_PER_MINUTE: '5' } });
    try {
      const user = await small.user('ann');
      registerEcho(small);
      const limited = await openSocketIo(small, { ...byToken(user), namespace: '/echo' });
      const answers = [];
      for (let at = 0; at < 8; at += 1) answers.push(await limited.ask('say', { text: 'x' }));
      expect(answers.filter(({ said }) => said === 'x')).toHaveLength(5);
      expect(answers.at(-1)).toEqual({ error: expect.any(String), code: 'rate_limited' });
      limited.close();
    } finally {
      await small.stop();
    }
  });
});

describe('Slow clients', () => {
  it('are cut off when they read nothing, and hold nobody up', { timeout: 30_000 }, async () => {
    const stuck = await openSocketIo(server, { ...byToken(ann), namespace: '/echo' });
    const other = await openSocketIo(server, { ...byToken(ann), namespace: '/echo' });
    const wire = (stuck.socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }).ws;
    wire.pause();
    // More than the system keeps for a connection, and more than is kept here.
    for (let at = 0; at < 12; at += 1) stuck.socket.emit('many', { count: 30, length: 100_000 });
    expect(await other.ask('say', { text: 'quick' })).toEqual({ said: 'quick' });
    stuck.socket.emit('many', { count: 1, length: 1 });
    await expect.poll(async () => (await server.request('GET', '/health')).status).toBe(200);
    wire.resume();
    expect(await stuck.gone).toMatch(/transport/);
    other.close();
  });
});

describe('The connections of an address', () => {
  it('are counted together with its raw WebSockets, and given back', async () => {
    const small = await startTestServer({ settings: { LIMIT_SOCKETS_PER_ADDRESS: '3' } });
    try {
      const user = await small.user('ann');
      const { json: chat } = await small.request('POST', '/api/v1/chat/chats', { as: user, body: { title: 'A chat' } });
      const raw = await openSocket(small, `/api/v1/chat/chats/${chat.id}/ws?token=${user.token}`);
      await raw.next('welcome');
      const [web, poll] = [await openSocketIo(small, byToken(user)), await openSocketIo(small, { ...byToken(user), transports: ['polling'] })];
      expect(await attempt(byToken(user), small)).toMatch(/websocket error/);
      expect((await small.request('GET', '/socket.io/?EIO=4&transport=polling')).status).toBe(429);
      const fourth = await openSocket(small, `/api/v1/chat/chats/${chat.id}/ws?token=${user.token}`);
      expect((await fourth.closed).code).toBe(4429);
      for (const client of [web, poll]) client.close();
      await expect.poll(() => attempt(byToken(user), small)).toBe('connected');
    } finally {
      await small.stop();
    }
  });

  it('give their place back when nothing comes of a handshake', async () => {
    const small = await startTestServer({ settings: { LIMIT_SOCKETS_PER_ADDRESS: '1' } });
    try {
      const user = await small.user('ann');
      for (const query of ['EIO=3&transport=polling', 'EIO=4&transport=carrier-pigeon', 'EIO=4&transport=websocket', 'EIO=4', 'EIO=4&transport=polling&sid=unknown']) {
        expect([query, (await small.request('GET', `/socket.io/?${query}`)).status]).toEqual([query, 400]);
      }
      expect((await small.request('POST', '/socket.io/?EIO=4&transport=polling', { raw: '40' })).status).toBe(400);
      for (const lines of [['Sec-WebSocket-Key: short', 'Sec-WebSocket-Version: 13'], ['Sec-WebSocket-Version: 7', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']]) {
        expect(await rawUpgrade(small.port, '/socket.io/?EIO=4&transport=websocket', lines)).toMatch(/^HTTP\/1.1 4/);
      }
      await expect.poll(() => attempt(byToken(user), small)).toBe('connected');
    } finally {
      await small.stop();
    }
  });
});

/** A request to upgrade, written by hand; resolves with what came back until the end. */
function rawUpgrade(port: number, path: string, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write([`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Connection: Upgrade', 'Upgrade: websocket', ...lines, '', ''].join('\r\n'));
    });
    let got = '';
    socket.on('data', (bytes) => (got += bytes));
    socket.on('error', reject);
    socket.on('close', () => resolve(got));
  });
}

describe('The addresses of Socket.IO', () => {
  it('serve the client library', async () => {
    for (const file of ['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js']) {
      const answer = await server.request('GET', `/socket.io/${file}`);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/javascript; charset=utf-8']);
      expect(answer.text).toMatch(/Socket\.IO v4/);
    }
  });

  it('know nothing else, and leave requests without EIO to others', async () => {
    for (const path of ['/socket.io/', '/socket.io/../../package.json', '/socket.io/package.json', '/socket.io/socket.io.js.exe', '/socket.io/x?EIO=4&transport=polling']) {
      expect([path, (await server.request('GET', path)).status]).toEqual([path, 404]);
    }
    expect(await rawUpgrade(server.port, '/socket.io/x', ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'])).toMatch(/^HTTP\/1.1 404/);
    expect((await server.request('DELETE', '/socket.io/?EIO=4')).status).toBe(405);
  });

  it('stand on every port', async () => {
    const more = await startTestServer({ settings: { ALSO_LISTEN: '0,0' } });
    try {
      const user = await more.user('ann');
      for (const { port } of more.http.addresses()) {
        for (const transports of [['websocket'], ['polling']]) expect(await attempt({ ...byToken(user), transports }, { port })).toBe('connected');
      }
    } finally {
      await more.stop();
    }
  });

  it('end a body that is too long before it is read', async () => {
    const sid = JSON.parse((await server.request('GET', '/socket.io/?EIO=4&transport=polling')).text.slice(1)).sid as string;
    const status = await new Promise<number>((resolve, reject) => {
      const request = httpRequest({ port: server.port, method: 'POST', path: `/socket.io/?EIO=4&transport=polling&sid=${sid}`, headers: { 'content-length': 50_000_000 } }, (response) => {
        resolve(response.statusCode!);
        request.destroy();
      });
      request.on('error', reject);
      const more = (): void => {
        while (!request.destroyed && request.write('x'.repeat(65_536)));
      };
      request.on('drain', more);
      more();
    });
    expect(status).toBe(413);
  });
});

describe('A stopping server', () => {
  it('closes its Socket.IO connections, so that clients come back, and leaves nothing running', { timeout: 20_000 }, async () => {
    const other = await startTestServer();
    const user = await other.user('ann');
    const clients = await Promise.all([['websocket'], ['polling']].map((transports) => openSocketIo(other, { ...byToken(user), transports })));
    const idle = connect(other.port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => idle.once('connect', resolve).on('error', reject));
    const began = performance.now();
    await other.stop();
    expect(performance.now() - began).toBeLessThan(5000);
    for (const client of clients) expect(await client.gone).toMatch(/^transport/);
    idle.destroy();
  });

  it('is not held up by a client that does not answer', { timeout: 20_000 }, async () => {
    const other = await startTestServer();
    const user = await other.user('ann');
    const client = await openSocketIo(other, byToken(user));
    (client.socket.io.engine.transport as unknown as { ws: { pause(): void } }).ws.pause();
    const began = performance.now();
    await other.stop();
    expect(performance.now() - began).toBeLessThan(5000);
    client.close();
  });
});

describe('A thousand connections that come and go', () => {
  it('leave nothing behind', { timeout: 60_000 }, async () => {
    const other = await startTestServer();
    try {
      const user = await other.user('ann');
      const { connections } = registerEcho(other);
      for (let round = 0; round < 50; round += 1) {
        const transports = round % 5 === 0 ? ['polling'] : ['websocket'];
        const clients = await Promise.all(Array.from({ length: 20 }, () => openSocketIo(other, { ...byToken(user), namespace: '/echo', transports })));
        await Promise.all(clients.map((client) => client.ask('say', { text: 'x' })));
        for (const client of clients) client.close();
      }
      await expect.poll(() => connections.size, { timeout: 10_000 }).toBe(0);
      const figures = (await other.request('GET', '/metrics', { as: user })).text;
      expect(figures).toMatch(/^parley_sockets\{dialect="socket\.io"\} 0$/m);
      expect(other.http.app.socketIo.namespace({ name: '/echo', policy: { localTrust: false, cookie: true }, scope: 'read' }).size).toBe(0);
    } finally {
      await other.stop();
    }
  });
});
