import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openSocketIo, startTestServer, type TestServer, type TestSocketIo } from '../../testing.ts';
import type { SocketConnection } from './connection.ts';
import { socketEvent, type SocketNamespace } from './types.ts';

const lengths = [0, 1, 100, 125, 126, 65_535, 65_536, 200_000];

describe('What is sent to many connections', () => {
  let server: TestServer;
  let namespace: SocketNamespace;
  const joined: SocketConnection[] = [];
  const clients: TestSocketIo[] = [];

  beforeAll(async () => {
    server = await startTestServer();
    namespace = server.http.app.socketIo.namespace({ name: '/many', policy: { localTrust: false, cookie: true }, scope: 'read' });
    namespace.on({
      join: socketEvent(z.object({}), 'read', (connection) => {
        joined.push(connection);
        connection.enter('all');
        return {};
      }),
    });
    const { token } = await server.user('ann');
    for (const transports of [['websocket'], ['polling'], ['websocket']]) {
      const client = await openSocketIo(server, { auth: { token }, namespace: '/many', transports });
      await client.ask('join', {});
      clients.push(client);
    }
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await server.stop();
  });

  it('arrives as it is, of any length, in order with what each is sent by itself', async () => {
    const texts = [...lengths.map((length) => 'x'.repeat(length)), '"ä€😀"\n'.repeat(9000)];
    for (const text of texts) {
      expect(namespace.emitToGroup('all', clients.length, 'told', { text })).toBe(true);
      for (const connection of joined) connection.emit('between', {});
      namespace.emitToMany(joined, 'told', { text: `named ${text}` });
    }
    for (const { events } of clients) {
      await expect.poll(() => events.length).toBe(texts.length * 3);
      expect(events.map(({ event, payload }) => (event === 'told' ? payload.text : event))).toEqual(texts.flatMap((text) => [text, 'between', `named ${text}`]));
    }
  });

  it('reaches those it names and nobody else, also with bytes in it', async () => {
    namespace.emitToMany([joined[1]!, joined[2]!], 'bytes', { bytes: Buffer.from([1, 2, 3]) });
    for (const client of clients.slice(1)) expect(Buffer.from((await client.next('bytes')).bytes)).toEqual(Buffer.from([1, 2, 3]));
    namespace.emitToMany(joined, 'last', {});
    await clients[0]!.next('last');
    expect(clients[0]!.events.some(({ event }) => event === 'bytes')).toBe(false);
  });
});
