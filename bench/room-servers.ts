import { join } from 'node:path';
import { benchFolder, start } from './processes.ts';
import type { ListenRequest } from './room-listener.ts';
import { startParley, type Mock } from './servers.ts';
import type { Shape } from './shapes.ts';

/** Someone in whose one room all sockets are. */
export interface RoomServer {
  name: RoomKind;
  pid: number;
  target: Omit<ListenRequest, 'count' | 'from'>;
  pieces: {
    /** What such events begin with on the wire. */
    counts: string;
    /** Begins to tell an answer in pieces, 20 a second. */
    begin(): Promise<void>;
  };
  typing: {
    counts: string;
    /** How it is said that somebody is typing: by a request, or by an event on a socket of one's own. */
    by: 'request' | 'socket';
    say: string;
  };
  /** What a socket says now and then to stay open; null where it need not. */
  heartbeat: string | null;
  stop(): Promise<void>;
}

export type RoomKind = 'arketic WebSocket' | 'bare ws' | 'studio Socket.IO' | 'bare Socket.IO';
export const roomKinds: readonly RoomKind[] = ['arketic WebSocket', 'bare ws', 'studio Socket.IO', 'bare Socket.IO'];

/** @param shape the answer that is told in pieces */
export function startRoom(kind: RoomKind, mock: Mock, shape: Shape): Promise<RoomServer> {
  if (kind === 'bare ws' || kind === 'bare Socket.IO') return startBare(kind, shape);
  return startOurs(kind, mock, shape);
}

const onSockets = { pieces: '{"type":"ai_response_chunk"', typing: '{"type":"typing_indicator"' };
const onSocketIo = { pieces: '42["answer_chunk"', typing: '42["user_typing"' };
const socketIoPath = '/socket.io/?EIO=4&transport=websocket';

function typingEvent(conversationId: string): string {
  return `42${JSON.stringify(['typing_indicator', { conversation_id: conversationId, is_typing: true }])}`;
}

function typingRequest(port: number, path: string, headers = ''): string {
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${headers}content-length: 0\r\n\r\n`;
}

async function startOurs(kind: 'arketic WebSocket' | 'studio Socket.IO', mock: Mock, shape: Shape): Promise<RoomServer> {
  const server = await startParley({ mock });
  const { port, key } = server;
  const ask = async (path: string, body: unknown): Promise<{ id: string }> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as { id: string };
  };
  const { id } = await ask('/api/v1/chat/chats', { title: 'room', ai_model: `mock/${shape.name}` });
  const begin = async (): Promise<void> => void (await ask(`/api/v1/chat/chats/${id}/messages`, { content: 'Say some words.' }));
  const common = { name: kind, pid: server.running.pid, heartbeat: kind === 'arketic WebSocket' ? '{"type":"heartbeat"}' : null, stop: () => server.stop() };
  if (kind === 'arketic WebSocket') {
    return {
      ...common,
      target: { port, path: `/api/v1/chat/chats/${id}/ws?token=${key}&full_content=false`, steps: [], ready: '{"type":"welcome"' },
      pieces: { counts: onSockets.pieces, begin },
      typing: { counts: onSockets.typing, by: 'request', say: typingRequest(port, `/api/v1/chat/chats/${id}/typing`, `authorization: Bearer ${key}\r\n`) },
    };
  }
  return {
    ...common,
    target: {
      port,
      path: socketIoPath,
      steps: [
        { behind: '0{', say: `40${JSON.stringify({ token: key })}` },
        { behind: '40{', say: `420${JSON.stringify(['join_conversation', { conversation_id: id, stream: true }])}` },
      ],
      ready: '430[{"ok":true',
    },
    pieces: { counts: onSocketIo.pieces, begin },
    typing: { counts: onSocketIo.typing, by: 'socket', say: typingEvent(id) },
  };
}

async function startBare(kind: 'bare ws' | 'bare Socket.IO', shape: Shape): Promise<RoomServer> {
  const running = start([process.execPath, '--disable-warning=ExperimentalWarning', join(benchFolder, 'bare-rooms.ts'), kind === 'bare ws' ? 'ws' : 'socket.io']);
  const deadline = performance.now() + 20_000;
  while (!/port \d+/.test(running.output())) {
    if (performance.now() > deadline) throw new Error(`The bare server does not start:\n${running.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const port = Number(/port (\d+)/.exec(running.output())![1]);
  const begin = async (): Promise<void> => void (await fetch(`http://127.0.0.1:${port}/?events=${shape.chunks}`, { method: 'POST' }));
  const common = { name: kind, pid: running.pid, heartbeat: null, stop: () => running.stop() };
  if (kind === 'bare ws') {
    return {
      ...common,
      target: { port, path: '/', steps: [], ready: '' },
      pieces: { counts: onSockets.pieces, begin },
      typing: { counts: onSockets.typing, by: 'request', say: typingRequest(port, '/?typing=1') },
    };
  }
  return {
    ...common,
    target: { port, path: socketIoPath, steps: [{ behind: '0{', say: '40' }], ready: '40{' },
    pieces: { counts: onSocketIo.pieces, begin },
    typing: { counts: onSocketIo.typing, by: 'socket', say: typingEvent('01a1fd7a-1cc5-7648-a3f5-2522da7d2417') },
  };
}
