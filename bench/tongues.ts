import { eachFrame, handshake, Line, masked, unchunked, type Came, type Expected } from './raw-sockets.ts';
import type { ParleyServer } from './servers.ts';
import { wordOf, type Shape } from './shapes.ts';

/** One streamed turn that can begin at once: its conversation is there, its connection open. */
export interface ReadyTurn {
  /** Sends the question and reads the answer to its end. @param keep whether everything that comes is kept */
  run(keep: boolean): Promise<Came>;
  /** The text of the answer and the events that it came in, of what was kept. */
  read(kept: Buffer): { text: string; events: number };
  close(): void;
}

/** One way to have a turn streamed: a dialect over a transport. */
export interface Tongue {
  name: string;
  prepare(server: ParleyServer, shape: Shape): Promise<ReadyTurn>;
}

const question = 'Say some words.';
const firstWord = Buffer.from(wordOf(0).trim());
/** The chunk that ends an HTTP answer: nothing comes behind it. */
const lastChunk = Buffer.from('\r\n0\r\n\r\n');

function expected(keep: boolean, end: Buffer | string = lastChunk): Expected {
  return { first: firstWord, end: Buffer.from(end), endsWith: end === lastChunk, keep };
}

function request({ port, key }: ParleyServer, method: string, path: string, body?: unknown): string {
  const content = body === undefined ? '' : JSON.stringify(body);
  const length = body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(content)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${key}\r\n${length}\r\n${content}`;
}

const chats = '/api/v1/chat/chats';

async function newChat(line: Line, server: ParleyServer, shape: Shape): Promise<string> {
  return (JSON.parse(await line.ask(request(server, 'POST', chats, { title: 'turn', ai_model: `mock/${shape.name}` }))) as { id: string }).id;
}

/** The `data` of each event of one kind, of server-sent events that came in chunks. */
function dataOf(kept: Buffer, kind: string | null): string[] {
  const body = kept.subarray(kept.indexOf('\r\n\r\n', kept.indexOf('text/event-stream')) + 4);
  const events = unchunked(body).toString().split('\n\n');
  return events.filter((event) => kind === null || event.startsWith(`event: ${kind}\n`)).flatMap((event) => /^data: (.*)$/m.exec(event)?.[1] ?? []);
}

function framesOf(kept: Buffer, prefix: string): string[] {
  const frames: string[] = [];
  eachFrame(kept, (frame) => {
    const text = frame.toString();
    if (text.startsWith(prefix)) frames.push(text);
  });
  return frames;
}

/** A turn of the OpenAI dialect. Kept, each request begins a conversation of its own. */
function openai(store: boolean): Tongue {
  return {
    name: store ? 'openai, kept' : 'openai, not kept',
    async prepare(server, shape) {
      const line = await Line.open(server.port);
      const body = { model: `mock/${shape.name}`, stream: true, store, messages: [{ role: 'user', content: question }] };
      const asked = request(server, 'POST', '/v1/chat/completions', body);
      return {
        run(keep) {
          const came = line.answer(expected(keep));
          line.send(asked);
          return came;
        },
        read(kept) {
          const pieces = dataOf(kept, null).filter((data) => data.startsWith('{')).map((data) => (JSON.parse(data) as { choices: { delta: { content?: string } }[] }).choices[0]?.delta.content ?? '').filter((text) => text !== '');
          return { text: pieces.join(''), events: pieces.length };
        },
        close: () => line.close(),
      };
    },
  };
}

/** The message by one request, its answer by the next on the same connection. */
const arketicEvents: Tongue = {
  name: 'arketic, server-sent events',
  async prepare(server, shape) {
    const line = await Line.open(server.port);
    const path = `${chats}/${await newChat(line, server, shape)}/messages`;
    const asked = request(server, 'POST', `${path}?include=answer`, { content: question });
    return {
      async run(keep) {
        const { answer } = JSON.parse(await line.ask(asked)) as { answer: { id: string } };
        const came = line.answer(expected(keep));
        line.send(request(server, 'GET', `${path}/${answer.id}/stream`));
        return came;
      },
      read(kept) {
        const pieces = dataOf(kept, 'text').map((data) => (JSON.parse(data) as { text: string }).text);
        return { text: pieces.join(''), events: pieces.length };
      },
      close: () => line.close(),
    };
  },
};

/** The answer on the chat's socket, the message by a request on another connection, as the document has it. */
function arketicSocket(fullContent: boolean): Tongue {
  return {
    name: `arketic, WebSocket${fullContent ? '' : ' without full_content'}`,
    async prepare(server, shape) {
      const [line, socket] = [await Line.open(server.port), await Line.open(server.port)];
      const id = await newChat(line, server, shape);
      await socket.until('"welcome"', handshake(server.port, `${chats}/${id}/ws?token=${server.key}${fullContent ? '' : '&full_content=false'}`));
      const asked = request(server, 'POST', `${chats}/${id}/messages`, { content: question });
      return {
        async run(keep) {
          const came = socket.answer(expected(keep, '"ai_response_complete"'));
          await line.ask(asked);
          return came;
        },
        read(kept) {
          const pieces = framesOf(kept, '{"type":"ai_response_chunk"').map((frame) => (JSON.parse(frame) as { chunk: string }).chunk);
          return { text: pieces.join(''), events: pieces.length };
        },
        close() {
          line.close();
          socket.close();
        },
      };
    },
  };
}

/** The document's one request: message and words. */
const friendEvents: Tongue = {
  name: 'friend, server-sent events',
  async prepare(server, shape) {
    const line = await Line.open(server.port);
    const id = await newChat(line, server, shape);
    const asked = request(server, 'GET', `/api/chat/stream?message=${encodeURIComponent(question)}&session_id=${id}`);
    return {
      run(keep) {
        const came = line.answer(expected(keep));
        line.send(asked);
        return came;
      },
      read(kept) {
        const words = dataOf(kept, 'message');
        return { text: words.join(' '), events: words.length };
      },
      close: () => line.close(),
    };
  },
};

const friendSocket: Tongue = {
  name: 'friend, WebSocket',
  async prepare(server, shape) {
    const line = await Line.open(server.port);
    const id = await newChat(line, server, shape);
    const { user_id: user } = JSON.parse(await line.ask(request(server, 'GET', `/api/chat/history?limit=1&session_id=${id}`))) as { user_id: string };
    line.close();
    const socket = await Line.open(server.port);
    await socket.until('\r\n\r\n', handshake(server.port, `/api/chat/ws/${user}?token=${server.key}`));
    const asked = masked(JSON.stringify({ message: question, session_id: id, stream: true }));
    return {
      run(keep) {
        const came = socket.answer(expected(keep, '"type":"reply"'));
        socket.send(asked);
        return came;
      },
      read(kept) {
        const pieces = framesOf(kept, '{"type":"chunk"').map((frame) => (JSON.parse(frame) as { text: string }).text);
        return { text: pieces.join(''), events: pieces.length };
      },
      close: () => socket.close(),
    };
  },
};

/** A socket in the conversation's room that sends the message itself. */
const studio: Tongue = {
  name: 'studio, Socket.IO',
  async prepare(server, shape) {
    const line = await Line.open(server.port);
    const id = await newChat(line, server, shape);
    line.close();
    const socket = await Line.open(server.port);
    await socket.until('0{', handshake(server.port, '/socket.io/?EIO=4&transport=websocket'));
    await socket.until('40{', masked(`40${JSON.stringify({ token: server.key })}`));
    await socket.until('430[{"ok":true', masked(`420${JSON.stringify(['join_conversation', { conversation_id: id, stream: true }])}`));
    const asked = masked(`421${JSON.stringify(['send_message', { conversation_id: id, content: question }])}`);
    return {
      run(keep) {
        const came = socket.answer(expected(keep, '42["answer_ended"'));
        socket.send(asked);
        return came;
      },
      read(kept) {
        const pieces = framesOf(kept, '42["answer_chunk"').map((frame) => (JSON.parse(frame.slice(2)) as [string, { content: string }])[1].content);
        return { text: pieces.join(''), events: pieces.length };
      },
      close: () => socket.close(),
    };
  },
};

/** What the others are held against. */
export const standard = openai(true);

export const tongues: readonly Tongue[] = [standard, openai(false), arketicEvents, arketicSocket(true), arketicSocket(false), friendEvents, friendSocket, studio];
