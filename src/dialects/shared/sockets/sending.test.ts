import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { sendPrepared, textFrame } from './sending.ts';

describe('Frames that are made once for many sockets', () => {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const opened: ((text: string) => void)[] = [];
  beforeAll(async () => {
    server.on('upgrade', (request, wire, head) => {
      sockets.handleUpgrade(request, wire, head, (socket) => {
        opened.push((text) => {
          sendPrepared(socket, wire, textFrame(text));
          socket.send('between');
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });

  it('arrive as they are, of any length, in order with the others', async () => {
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const got: string[] = [];
    client.on('message', (data: Buffer, isBinary) => got.push(isBinary ? 'binary' : data.toString()));
    await new Promise((resolve) => client.once('open', resolve));
    const texts = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000].map((length) => 'x'.repeat(length)).concat('ä€😀'.repeat(50));
    for (const text of texts) opened[0]!(text);
    await expect.poll(() => got.length).toBe(texts.length * 2);
    expect(got.filter((_, at) => at % 2 === 0)).toEqual(texts);
    expect(got.filter((_, at) => at % 2 === 1)).toEqual(texts.map(() => 'between'));
    client.close();
    await expect.poll(() => sockets.clients.size).toBe(0);
    // Nothing is written to a socket that is closed.
    expect(() => opened[0]!('late')).not.toThrow();
  });
});
