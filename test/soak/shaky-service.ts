import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRandom } from '../kill/random.ts';
import { tagOf } from '../kill/upstream.ts';

/** A model service that does everything wrong, in turn: refuses, breaks off, sends what is no answer, keeps silent. */
export interface ShakyService {
  /** Base URL in the form of OpenAI. */
  url: string;
  calls(): number;
  close(): Promise<void>;
}

export const shakyName = 'shaky';
export const shakyModelId = `${shakyName}/words`;

/** How it fails; and every now and then it answers after all, so that the breaker lets the next ones through. */
const misdeeds = ['refuse', 'overload', 'busy', 'forbid', 'hang up', 'break off', 'garbage', 'error event', 'web page', 'no end', 'answer', 'answer'] as const;

export async function startShakyService(): Promise<ShakyService> {
  const random = createRandom(9);
  let calls = 0;
  const server = http.createServer((request, response) => {
    request.on('error', () => request.destroy());
    response.on('error', () => response.destroy());
    void read(request).then((body) => {
      if (request.url?.endsWith('/models')) return void json(response, 200, { object: 'list', data: [{ id: 'words', object: 'model', created: 1, owned_by: 'test' }] });
      calls += 1;
      respond(response, random.pick(misdeeds), body);
    }, () => response.destroy());
  });
  server.keepAliveTimeout = 3_600_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls: () => calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function read(request: http.IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

function json(response: http.ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function respond(response: http.ServerResponse, misdeed: (typeof misdeeds)[number], body: string): void {
  const { messages = [], stream = false } = JSON.parse(body) as { messages?: { content: unknown }[]; stream?: boolean };
  const question = messages.map(({ content }) => (typeof content === 'string' ? tagOf(content) : null)).findLast((tag) => tag !== null) ?? 'q0';
  switch (misdeed) {
    case 'refuse': return json(response, 500, { error: { message: 'something broke' } });
    case 'overload': return json(response, 503, { error: { message: 'too much to do' } });
    case 'busy': return json(response, 429, { error: { message: 'later' } });
    case 'forbid': return json(response, 400, { error: { message: 'not like this' } });
    case 'hang up': return void response.socket?.destroy();
    case 'web page': return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Welcome</html>');
    case 'garbage': return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"choices": [{"delta": {"content": "bro\n\n');
    case 'error event': return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${chunk(`<${question} wrong`)}data: {"error":{"message":"lost it","type":"server_error"}}\n\n`);
    case 'no end': return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(chunk(`<${question} half`));
    case 'break off':
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk(`<${question} some`));
      return void setTimeout(() => response.socket?.destroy(), 5);
    case 'answer':
      if (!stream) return json(response, 200, { id: 'x', object: 'chat.completion', created: 1, model: 'words', choices: [{ index: 0, message: { role: 'assistant', content: `<${question} whole` }, finish_reason: 'stop' }] });
      return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${chunk(`<${question} whole`)}${chunk('', 'stop')}data: [DONE]\n\n`);
  }
}

function chunk(content: string, finish: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'words', choices: [{ index: 0, delta: content === '' ? {} : { content }, finish_reason: finish }] })}\n\n`;
}
