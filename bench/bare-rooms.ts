import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { WebSocketServer, type WebSocket } from 'ws';

/*
 * The least that tells many sockets the same: a loop over `ws` sockets, or a room of Socket.IO, on node:http, with events of the
 * size that Parley's have. `POST /?events=N` begins N pieces of an answer, one every 50 ms; `POST /?typing=1` tells at once that
 * somebody is typing, and so does the event `typing_indicator` of Socket.IO. Prints its port.
 *
 * node bare-rooms.ts ws | socket.io
 */

const kind = process.argv[2];
const everyMs = 50;
const message = { message_id: '01a1fd7a-1ceb-7428-9b99-96b7ea5e232b', chat_id: '01a1fd7a-1cc5-7648-a3f5-2522da7d2417' };
const person = { user_id: '01a1fd7a-1cc5-7648-a3f5-2522da7d2418', username: 'owner', timestamp: '2026-11-21T10:11:12.131Z' };
let tellPiece: (index: number) => void = () => undefined;
let tellTyping: () => void = () => undefined;

const onRequest: RequestListener = (request, response) => {
  const asked = new URL(request.url ?? '/', 'http://x').searchParams;
  response.end('ok');
  if (asked.has('typing')) return tellTyping();
  let left = Number(asked.get('events'));
  let index = 0;
  const timer = setInterval(() => {
    tellPiece((index += 1));
    left -= 1;
    if (left <= 0) clearInterval(timer);
  }, everyMs);
};
const server = createServer(onRequest);

if (kind === 'socket.io') {
  const io = new Server(server, { perMessageDeflate: false, httpCompression: false, serveClient: false });
  io.on('connection', (socket) => {
    void socket.join('room');
    socket.on('typing_indicator', ({ conversation_id, is_typing }: { conversation_id: string; is_typing: boolean }) => {
      socket.to('room').emit('user_typing', { user_id: person.user_id, conversation_id, is_typing });
    });
  });
  tellPiece = (index) => void io.to('room').emit('answer_chunk', { message_id: message.message_id, conversation_id: message.chat_id, seq: index, offset: index * 7, content: 'word123' });
} else {
  const sockets = new Set<WebSocket>();
  new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 65_536 }).on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const tell = (event: object): void => {
    const frame = JSON.stringify(event);
    for (const socket of sockets) socket.send(frame);
  };
  tellPiece = (index) => tell({ type: 'ai_response_chunk', ...message, chunk: 'word123', offset: index * 7, seq: index });
  tellTyping = () => tell({ type: 'typing_indicator', chat_id: message.chat_id, ...person });
}
server.listen(0, '127.0.0.1', () => console.log(`port ${(server.address() as AddressInfo).port}`));
