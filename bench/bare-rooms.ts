import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { WebSocketServer, type WebSocket } from 'ws';

/*
 * The least that tells many sockets the same: a loop over `ws` sockets, or a room of Socket.IO, on node:http. `POST /?events=N`
 * begins: every 50 ms an event of the size that Parley's has. Prints its port.
 *
 * node bare-rooms.ts ws | socket.io
 */

const kind = process.argv[2];
const everyMs = 50;
const message = { message_id: '01a1fd7a-1ceb-7428-9b99-96b7ea5e232b', chat_id: '01a1fd7a-1cc5-7648-a3f5-2522da7d2417' };
let tell: (index: number) => void = () => undefined;

const onRequest: RequestListener = (request, response) => {
  let left = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('events'));
  let index = 0;
  response.end('ok');
  const timer = setInterval(() => {
    tell((index += 1));
    left -= 1;
    if (left <= 0) clearInterval(timer);
  }, everyMs);
};
const server = createServer(onRequest);

if (kind === 'socket.io') {
  const io = new Server(server, { perMessageDeflate: false, httpCompression: false, serveClient: false });
  io.on('connection', (socket) => void socket.join('room'));
  tell = (index) => void io.to('room').emit('answer_chunk', { message_id: message.message_id, conversation_id: message.chat_id, seq: index, offset: index * 7, content: 'word123' });
} else {
  const sockets = new Set<WebSocket>();
  new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 65_536 }).on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  tell = (index) => {
    const frame = JSON.stringify({ type: 'ai_response_chunk', ...message, chunk: 'word123', offset: index * 7, seq: index });
    for (const socket of sockets) socket.send(frame);
  };
}
server.listen(0, '127.0.0.1', () => console.log(`port ${(server.address() as AddressInfo).port}`));
