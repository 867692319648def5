import net from 'node:net';
import { shapes, textOf, wordOf, type Shape } from './shapes.ts';

/*
 * A mock model service in the form of OpenAI, in a process of its own. It reads just enough of HTTP to know what was
 * asked and writes prepared bytes, so that it costs little beside what is measured. One write for each chunk.
 */

/** Writes at full speed in one turn of the event loop. */
const burst = 50;

/** What it has sent so far. */
const sent = { requests: 0, chunks: 0 };

interface Prepared {
  shape: Shape;
  /** Head of the answer, the role and each chunk as they go over the wire. */
  head: Buffer;
  role: Buffer;
  chunks: Buffer[];
  end: Buffer;
  endWithUsage: Buffer;
  whole: Buffer;
}

function framed(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

function prepare(shape: Shape): Prepared {
  const event = (choices: object[], more = {}): string => `data: ${JSON.stringify({ id: 'chatcmpl-mock', object: 'chat.completion.chunk', created: 1767225600, model: shape.name, choices, ...more })}\n\n`;
  const delta = (value: object, finish: string | null = null): string => event([{ index: 0, delta: value, finish_reason: finish }]);
  const usage = { prompt_tokens: 12, completion_tokens: shape.chunks, total_tokens: shape.chunks + 12 };
  const body = JSON.stringify({
    id: 'chatcmpl-mock', object: 'chat.completion', created: 1767225600, model: shape.name,
    choices: [{ index: 0, message: { role: 'assistant', content: textOf(shape) }, finish_reason: 'stop' }], usage,
  });
  return {
    shape,
    head: Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n'),
    role: framed(delta({ role: 'assistant', content: '' })),
    chunks: Array.from({ length: shape.chunks }, (_, index) => framed(delta({ content: wordOf(index) }))),
    end: Buffer.concat([framed(delta({}, 'stop')), framed('data: [DONE]\n\n'), Buffer.from('0\r\n\r\n')]),
    endWithUsage: Buffer.concat([framed(delta({}, 'stop')), framed(event([], { usage })), framed('data: [DONE]\n\n'), Buffer.from('0\r\n\r\n')]),
    whole: json(body),
  };
}

function json(body: string, status = '200 OK'): Buffer {
  return Buffer.from(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

const prepared = new Map(shapes.map((shape) => [shape.name, prepare(shape)]));
const models = json(JSON.stringify({ object: 'list', data: shapes.map(({ name }) => ({ id: name, object: 'model', created: 1767225600, owned_by: 'bench' })) }));
const unknown = json('{"error":{"message":"No such model.","type":"invalid_request_error","code":"model_not_found"}}', '404 Not Found');

function serve(socket: net.Socket): void {
  socket.setNoDelay(true);
  let waiting = Buffer.alloc(0);
  socket.on('data', (data) => {
    waiting = waiting.length === 0 ? data : Buffer.concat([waiting, data]);
    for (let request = take(); request !== null; request = take()) answer(socket, request);
  });
  socket.on('error', () => socket.destroy());

  /** The next whole request, taken off what has come. */
  function take(): string | null {
    const headEnd = waiting.indexOf('\r\n\r\n');
    if (headEnd < 0) return null;
    const head = waiting.toString('latin1', 0, headEnd).toLowerCase();
    const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
    const isChunked = length === undefined && head.includes('transfer-encoding: chunked');
    const bodyEnd = isChunked ? waiting.indexOf('\r\n0\r\n\r\n', headEnd) : headEnd + 4 + Number(length ?? 0);
    if ((isChunked && bodyEnd < 0) || waiting.length < bodyEnd) return null;
    const request = waiting.toString('latin1', 0, bodyEnd);
    waiting = waiting.subarray(isChunked ? bodyEnd + 7 : bodyEnd);
    return request;
  }
}

function answer(socket: net.Socket, request: string): void {
  if (request.startsWith('GET ')) return void socket.write(models);
  const found = prepared.get(/"model": ?"([^"]+)"/.exec(request)?.[1] ?? '');
  sent.requests += 1;
  if (!found) return void socket.write(unknown);
  const isStream = /"stream": ?true/.test(request);
  const begin = (): void => {
    if (!isStream) {
      sent.chunks += found.shape.chunks;
      socket.write(found.whole);
    } else stream(socket, found, /"include_usage": ?true/.test(request));
  };
  if (found.shape.firstMs > 0) setTimeout(begin, found.shape.firstMs);
  else begin();
}

function stream(socket: net.Socket, { shape, head, role, chunks, end, endWithUsage }: Prepared, withUsage: boolean): void {
  let next = 0;
  const last = withUsage ? endWithUsage : end;
  socket.write(Buffer.concat([head, role]));
  if (shape.everyMs > 0) {
    const step = (): void => {
      if (socket.destroyed || next >= chunks.length) {
        clearInterval(timer);
        if (!socket.destroyed) socket.write(last);
        return;
      }
      sent.chunks += 1;
      socket.write(chunks[next++]!);
    };
    const timer = setInterval(step, shape.everyMs);
    step();
    return;
  }
  const pump = (): void => {
    for (let count = 0; count < burst && next < chunks.length; count += 1) {
      sent.chunks += 1;
      if (!socket.write(chunks[next++]!) && next < chunks.length) return void socket.once('drain', pump);
    }
    if (socket.destroyed) return;
    if (next < chunks.length) setImmediate(pump);
    else socket.write(last);
  };
  pump();
}

const server = net.createServer(serve);
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as net.AddressInfo).port }));
process.on('message', () => process.send!({ sent }));
process.on('disconnect', () => process.exit(0));
