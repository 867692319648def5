import { Agent, request as httpRequest } from 'node:http';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocketIo, startTestServer, type TestServer, type TestUser } from '../../testing.ts';

let server: TestServer;
let ann: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  ann = await server.user('ann');
});
afterAll(() => server.stop());

/** Signs in once more. */
async function anotherToken(): Promise<string> {
  const { json } = await server.request('POST', '/api/auth/login', { body: { username: ann.username, password: ann.password } });
  return json.access_token;
}

/** A handshake over polling by this agent; the first packet of the answer. */
function handshake(target: { port: number }, agent: Agent, query = 'EIO=4&transport=polling'): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port: target.port, host: '127.0.0.1', path: `/socket.io/?${query}`, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => (text += piece)).on('end', () => resolve({ status: response.statusCode!, text }));
    });
    request.on('error', reject).end();
  });
}

describe('A handshake', () => {
  it('takes a place, however its address is written', async () => {
    const small = await startTestServer({ settings: { LIMIT_SOCKETS_PER_ADDRESS: '2' } });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (let count = 0; count < 2; count += 1) expect((await handshake(small, agent)).status).toBe(200);
      // Who parses the address again must not find a handshake where none was counted.
      const many = Array.from({ length: 1001 }, (_, at) => `a${at}`).join('&');
      const ways = ['sid=', 'sid', 'sid=&sid=', `${many}&sid=x`].map((rest) => `EIO=4&transport=polling&${rest}`);
      for (const query of [...ways, `${many}&EIO=4&transport=polling&sid=x`]) {
        const { status, text } = await handshake(small, agent, query);
        expect([query.slice(-40), status >= 400, text.includes('"sid":')]).toEqual([query.slice(-40), true, false]);
      }
      for (const transports of [['websocket'], ['polling']]) {
        const refused = openSocketIo(small, { transports, query: { sid: '' } }).then((client) => (client.close(), 'connected'), () => 'refused');
        expect(await refused).toBe('refused');
      }
    } finally {
      agent.destroy();
      await small.stop();
    }
  });

  it('leaves nothing on a connection that goes on', async () => {
    const warnings: string[] = [];
    const note = ({ name, message }: Error): void => void warnings.push(`${name} ${message}`);
    process.on('warning', note);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (let count = 0; count < 30; count += 1) expect((await handshake(server, agent)).status).toBe(200);
      await new Promise((resolve) => setImmediate(resolve));
      expect(warnings.filter((warning) => warning.includes('MaxListeners'))).toEqual([]);
    } finally {
      process.off('warning', note);
      agent.destroy();
    }
  });

  it('lets nobody in whose sign-in ended while it was made', async () => {
    const { limiter, accounts } = server.parts;
    const take = limiter.take.bind(limiter);
    const heard: string[] = [];
    for (const transports of [['websocket'], ['polling']]) {
      const token = await anotherToken();
      // Between the moment in which the token was found good and the one from which the socket is watched.
      limiter.take = async (...given) => {
        if (given[0].name === 'requests') {
          limiter.take = take;
          const viewer = await accounts.authenticate({ headers: { authorization: `Bearer ${token}` }, method: 'GET', socket: {} }, { localTrust: false, cookie: false });
          await accounts.logout(viewer!);
        }
        return take(...given);
      };
      try {
        const client = await openSocketIo(server, { auth: { token }, transports });
        client.socket.emit('leave_conversation', { conversation_id: ann.userId }, () => heard.push('an answer'));
        expect([await client.gone, heard]).toEqual(['io server disconnect', []]);
      } finally {
        limiter.take = take;
      }
    }
  });

  it('lets a connection into a namespace once', async () => {
    const client = io(`http://127.0.0.1:${server.port}`, { transports: ['websocket'], reconnection: false, forceNew: true, autoConnect: false, auth: { token: ann.token } });
    const connected: string[] = [];
    const ended = new Promise<void>((resolve) => client.io.once('close', () => resolve()));
    client.io.once('open', () => {
      // As many as a client can send before the first is answered.
      for (let count = 0; count < 50; count += 1) client.io.engine.write(`0${JSON.stringify({ token: ann.token })}`);
    });
    client.io.on('packet', (packet: { type: number; data?: { sid?: string } }) => {
      if (packet.type === 0 && packet.data?.sid) connected.push(packet.data.sid);
    });
    client.connect();
    await ended;
    expect(connected.length).toBeLessThanOrEqual(1);
    client.close();
  });

  it('is not asked for without end on one connection, by whoever reads no answer', async () => {
    const { sid } = JSON.parse((await server.request('GET', '/socket.io/?EIO=4&transport=polling')).text.slice(1));
    const address = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
    const packets = Array.from({ length: 10_000 }, (_, at) => `40/nowhere-${at},`).join('\u001e');
    await server.request('POST', address, { raw: packets, headers: { 'content-type': 'text/plain' } }).catch(() => undefined);
    expect((await server.request('POST', address, { raw: '40', headers: { 'content-type': 'text/plain' } })).status).toBe(400);
  });
});
