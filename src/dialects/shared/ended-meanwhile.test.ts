import { request as httpRequest, type ClientRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer, type TestUser } from '../testing.ts';

let server: TestServer;
let ann: TestUser;
let address: string;
beforeAll(async () => {
  server = await startTestServer();
  ann = await server.user('ann');
  const { json } = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A chat', ai_model: 'default' } });
  address = `/api/v1/chat/chats/${json.id}/messages`;
});
afterAll(() => server.stop());

const body = JSON.stringify({ content: 'Late', answer: false });

/** A request whose head has been read, and whose body is still to come. */
async function begun(headers: Record<string, string>): Promise<{ request: ClientRequest; status: Promise<number> }> {
  const request = httpRequest({ host: '127.0.0.1', port: server.port, path: address, method: 'POST', headers: { ...headers, 'content-type': 'application/json', 'content-length': body.length, expect: '100-continue' } });
  const status = new Promise<number>((resolve, reject) => {
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    request.on('error', reject);
  });
  const read = new Promise((resolve) => request.once('continue', resolve));
  request.flushHeaders();
  await read;
  return { request, status };
}

async function signedIn(): Promise<Record<string, string>> {
  const { json } = await server.request('POST', '/api/auth/login', { body: { username: ann.username, password: ann.password } });
  return { authorization: `Bearer ${json.access_token}` };
}

const said = async (): Promise<number> => (await server.request('GET', address.replace('/messages', ''), { as: ann })).json.messages.length;

describe('A request whose body comes late', () => {
  it('does nothing when its credential has ended meanwhile', async () => {
    const headers = await signedIn();
    await server.request('GET', '/api/v1/chat/chats', { headers });
    const { request, status } = await begun(headers);
    expect((await server.request('POST', '/api/auth/logout', { headers })).status).toBe(200);
    request.end(body);
    expect([await status, await said()]).toEqual([401, 0]);
  });

  it('goes on when it was that of somebody else', async () => {
    const [headers, other] = [await signedIn(), await signedIn()];
    const { request, status } = await begun(headers);
    await server.request('POST', '/api/auth/logout', { headers: other });
    request.end(body);
    expect([await status, await said()]).toEqual([200, 1]);
  });
});

describe('A request that waits for an answer', () => {
  const waiting: [name: string, limit: string, path: () => Promise<string>, body: object][] = [
    ['of friend', 'friend-messages', async () => '/api/chat/send', { message: 'Hello' }],
    ['of studio', 'messages', async () => `/api/chat/conversations/${(await server.request('POST', '/api/chat/conversations', { as: ann, body: {} })).json.id}/messages`, { content: 'Hello' }],
  ];
  it.each(waiting)('%s is refused when its credential ends while the message is stored', async (_name, limit, path, sent) => {
    const headers = await signedIn();
    const { limiter } = server.parts;
    const take = limiter.take.bind(limiter);
    limiter.take = async (...given) => {
      if (given[0].name === limit) {
        limiter.take = take;
        await server.request('POST', '/api/auth/logout', { headers });
      }
      return take(...given);
    };
    server.models.answerWith(['Not for you any more.']);
    try {
      const answer = await server.request('POST', await path(), { headers, body: sent });
      expect([answer.status, answer.text.includes('Not for you')]).toEqual([401, false]);
    } finally {
      limiter.take = take;
    }
  });

  it('through LangChain, or by a test of OpenAI, is refused at once when its credential ends, and the model is stopped', async () => {
    const headers = await signedIn();
    server.models.answerWith(null);
    const before = server.models.calls.length;
    const answer = server.request('POST', '/api/v1/chat/openai/test', { headers, body: { message: 'Hello', model: 'gpt-4o' } });
    await expect.poll(() => server.models.calls.length).toBe(before + 1);
    await server.request('POST', '/api/auth/logout', { headers });
    expect((await answer).status).toBe(401);
    expect(server.models.calls.at(-1)!.signal.aborted).toBe(true);
  });
});
