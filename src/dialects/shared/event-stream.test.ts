import net from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing.ts';

let server: TestServer;
beforeAll(async () => { server = await startTestServer(); });
afterAll(() => server.stop());

/** Sends requests over one connection, each when the answer before it is complete; returns what came for each. */
async function talk(version: string, requests: number, isComplete: (answer: string) => boolean): Promise<{ answers: string[]; closed: boolean }> {
  const body = JSON.stringify({ model: 'scripted/one', stream: true, messages: [{ role: 'user', content: 'Hello?' }] });
  const head = `POST /v1/chat/completions HTTP/${version}\r\nHost: 127.0.0.1:${server.port}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  const socket = net.connect(server.port, '127.0.0.1');
  const answers: string[] = [];
  let closed = false;
  socket.once('close', () => { closed = true; });
  for (let count = 0; count < requests; count += 1) {
    socket.write(head + body);
    const call = await server.models.call();
    for (const word of ['Grüß ', 'Gott 🦜']) call.text(word);
    call.finish();
    let answer = '';
    await new Promise<void>((resolve) => {
      const take = (data: Buffer): void => {
        answer += data.toString('latin1');
        if (isComplete(answer)) {
          socket.off('data', take);
          resolve();
        }
      };
      socket.on('data', take);
      socket.once('end', resolve);
    });
    answers.push(Buffer.from(answer, 'latin1').toString('utf8'));
  }
  socket.destroy();
  return { answers, closed };
}

/** The body of a chunked answer; fails where a length is wrong. */
function unframed(answer: string): string {
  let rest = Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4));
  let body = '';
  for (;;) {
    const lineEnd = rest.indexOf('\r\n');
    const length = parseInt(rest.toString('latin1', 0, lineEnd), 16);
    const chunk = rest.subarray(lineEnd + 2, lineEnd + 2 + length);
    expect(rest.toString('latin1', lineEnd + 2 + length, lineEnd + 4 + length)).toBe('\r\n');
    if (length === 0) return body;
    body += chunk.toString('utf8');
    rest = rest.subarray(lineEnd + 4 + length);
  }
}

it('frames its pieces as HTTP/1.1 has it, and leaves the connection fit for the next request', async () => {
  const { answers, closed } = await talk('1.1', 2, (answer) => answer.endsWith('0\r\n\r\n'));
  expect(closed).toBe(false);
  for (const answer of answers) {
    expect(answer.match(/transfer-encoding: chunked/gi)).toHaveLength(1);
    const body = unframed(answer);
    expect(body).toContain('"content":"Grüß "');
    expect(body).toContain('🦜');
    expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
  }
});

it('writes plain bytes to a client of HTTP/1.0, and closes the connection behind them', async () => {
  const { answers: [answer] } = await talk('1.0', 1, () => false);
  expect(answer).not.toMatch(/transfer-encoding/i);
  const body = answer!.slice(answer!.indexOf('\r\n\r\n') + 4);
  expect(body.startsWith('data: {')).toBe(true);
  expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
});
