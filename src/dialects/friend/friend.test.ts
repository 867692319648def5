import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const ann = { username: 'ann', password: 'correct horse 1', email: 'ann@example.com', name: 'Ann' };

describe('Accounts in the friend dialect', () => {
  it('registers with 201 and a bearer token, once', async () => {
    const first = await server.request('POST', '/api/auth/register', { body: ann });
    expect(first.status).toBe(201);
    expect(first.json).toEqual({ access_token: expect.any(String), token_type: 'bearer' });
    const again = await server.request('POST', '/api/auth/register', { body: ann });
    expect([again.status, again.json]).toEqual([400, { detail: 'Username already exists' }]);
  });

  it('says which field is wrong', async () => {
    const answer = await server.request('POST', '/api/auth/register', { body: { ...ann, username: 'bob', password: 'short' } });
    expect(answer.status).toBe(422);
    expect(answer.json.detail).toEqual([{ loc: ['body', 'password'], msg: 'must have at least 8 characters', type: 'too_small' }]);
    const missing = await server.request('POST', '/api/auth/register', { body: { username: 'bob' } });
    expect(missing.json.detail).toContainEqual({ loc: ['body', 'email'], msg: 'field required', type: 'missing' });
  });

  it('signs in, knows the session, and signs out for good', async () => {
    const wrong = await server.request('POST', '/api/auth/login', { body: { ...ann, password: 'not it at all' } });
    expect([wrong.status, wrong.json]).toEqual([401, { detail: 'Invalid credentials' }]);
    const login = await server.request('POST', '/api/auth/login', { body: ann });
    expect(login.status).toBe(200);
    const headers = { authorization: `Bearer ${login.json.access_token}` };
    const session = await server.request('GET', '/api/auth/session', { headers });
    expect(session.json).toMatchObject({ user: { username: 'ann', role: 'owner', claimed: true }, registration: { mode: 'open', owner_claimed: true }, local_trust: true });
    const logout = await server.request('POST', '/api/auth/logout', { headers });
    expect([logout.status, logout.json]).toEqual([200, { message: 'Logged out successfully' }]);
    expect((await server.request('POST', '/api/auth/logout', { headers })).status).toBe(401);
    const after = await server.request('GET', '/api/auth/session', { headers });
    expect([after.status, after.json.user]).toEqual([200, null]);
  });

  it('sets cookies for the page, which needs the second one to change anything', async () => {
    const login = await server.request('POST', '/api/auth/login', { body: ann });
    const [session, csrf] = login.headers.getSetCookie();
    expect(session).toMatch(/^parley_session=.*HttpOnly.*SameSite=Strict/);
    expect(csrf).toMatch(/^parley_csrf=/);
    expect(csrf).not.toMatch(/HttpOnly/);
    const cookie = [session, csrf].map((text) => text!.split(';')[0]).join('; ');
    const token = csrf!.split(';')[0]!.slice('parley_csrf='.length);
    const body = { title: 'By cookie' };
    const refused = await server.request('POST', '/api/v1/chat/chats', { headers: { cookie }, body });
    expect([refused.status, refused.headers.get('x-error-code')]).toEqual([403, 'csrf_failed']);
    const taken = await server.request('POST', '/api/v1/chat/chats', { headers: { cookie, 'x-csrf-token': token }, body });
    expect(taken.status).toBe(200);
    const out = await server.request('POST', '/api/auth/logout', { headers: { cookie, 'x-csrf-token': token } });
    expect(out.headers.getSetCookie().join()).toMatch(/parley_session=;.*Max-Age=0/);
  });

  it('signs a browser of this machine in as the owner', async () => {
    const local = await server.request('POST', '/api/auth/local');
    expect([local.status, local.json]).toEqual([200, { username: 'ann' }]);
    const foreign = await server.request('POST', '/api/auth/local', { headers: { origin: 'https://elsewhere.example' } });
    expect(foreign.status).toBe(403);
  });

  it('answers 501 for what is documented and not built', async () => {
    const user = await server.user('cleo');
    for (const [method, path] of [['POST', '/api/memory/save'], ['GET', '/api/persona/get'], ['PUT', '/api/profile/cleo']] as const) {
      const answer = await server.request(method, path, { as: user, ...(method === 'GET' ? {} : { body: {} }) });
      expect([path, answer.status, answer.json]).toEqual([path, 501, { detail: 'This is not built yet.' }]);
    }
    expect((await server.request('POST', '/api/memory/save', { body: {} })).status).toBe(401);
  });
});
