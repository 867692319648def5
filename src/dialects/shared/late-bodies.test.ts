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
