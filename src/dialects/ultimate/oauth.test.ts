import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type Json, type TestResponse, type TestServer, type TestUser } from '../testing.ts';

/** A proxy header: local trust does not hold for who sends it. */
const remote = { 'x-forwarded-for': '192.0.2.1' };
const grantType = 'urn:ietf:params:oauth:grant-type:device_code';

describe('OAuth over HTTP', () => {
  let server: TestServer;
  let owner: TestUser;
  let ann: TestUser;
  let cookie: string;

  beforeAll(async () => {
    server = await startTestServer();
    owner = await server.user('owner');
    ann = await server.user('ann');
    const login = await server.request('POST', '/api/auth/login', { body: { username: ann.username, password: ann.password } });
    cookie = login.headers.getSetCookie().map((header) => header.split(';')[0]).join('; ');
    const added = await server.request('POST', '/api/v4/auth/oauth/clients', { as: owner, body: { client_id: 'mobile_app_123', name: 'My <b>Mobile</b>', scope: ['chat', 'inference', 'monitoring'] } });
    expect([added.status, added.json]).toEqual([201, { client_id: 'mobile_app_123', name: 'My <b>Mobile</b>', scope: ['chat', 'inference', 'monitoring'], created_at: expect.any(String) }]);
  });
  afterAll(() => server.stop());

  /** The request that the document prints. */
  const printed = { client_id: 'mobile_app_123', scope: ['chat', 'inference', 'p2p', 'monitoring'], device_info: { platform: 'ios', version: '16.0', device_id: 'iPhone14,2' } };
  const authorize = (body: Json = printed) => server.request('POST', '/api/v4/auth/oauth/authorize', { headers: remote, body });
  const asForm = (fields: Record<string, string>): Promise<TestResponse> =>
    server.request('POST', '/api/v4/auth/oauth/token', { raw: new URLSearchParams(fields).toString(), headers: { ...remote, 'content-type': 'application/x-www-form-urlencoded' } });
  const redeem = (deviceCode: string) => asForm({ grant_type: grantType, device_code: deviceCode, client_id: 'mobile_app_123' });
  const openPage = (query: string, headers: Record<string, string> = { cookie }) => server.request('GET', `/device${query}`, { headers: { ...remote, ...headers } });
  const tokenOf = (page: string): string => /name="approval_token" value="([^"]+)"/.exec(page)![1]!;
  const decide = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    server.request('POST', '/device', { raw: new URLSearchParams(fields).toString(), headers: { ...remote, cookie, 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded', ...headers } });
  async function approve(userCode: string): Promise<TestResponse> {
    const page = await openPage(`?user_code=${userCode}`);
    return decide({ user_code: userCode, approval_token: tokenOf(page.text), decision: 'approve' });
  }

  it('goes from the printed request over the page to tokens that work', async () => {
    const { status, json: asked } = await authorize();
    expect([status, asked]).toEqual([200, {
      device_code: expect.any(String), user_code: expect.any(String), verification_uri: `${server.url}/device`, verification_uri_complete: `${server.url}/device?user_code=${asked.user_code}`,
      expires_in: 600, interval: 5, scope: ['chat', 'inference', 'monitoring'],
    }]);
    const waiting = await redeem(asked.device_code);
    expect([waiting.status, waiting.json]).toEqual([400, { error: 'authorization_pending', error_description: expect.any(String) }]);
    expect((await approve(asked.user_code)).text).toContain('Access given');
    const { json: tokens, headers } = await redeem(asked.device_code);
    expect(tokens).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 3600, refresh_token: expect.stringMatching(/^ort_/), scope: 'chat inference monitoring', permissions: ['chat', 'write', 'read'] });
    expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    const bearer = { authorization: `Bearer ${tokens.access_token}` };
    expect((await server.request('GET', '/api/v4/capabilities', { headers: bearer })).status).toBe(200);
    expect((await server.request('GET', '/api/v4/auth/oauth/clients', { headers: bearer })).status).toBe(403);
    const refreshed = (await asForm({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token, client_id: 'mobile_app_123', scope: 'monitoring' })).json;
    expect(refreshed).toMatchObject({ scope: 'monitoring', permissions: ['read'] });
    const { grants } = (await server.request('GET', '/api/v4/auth/oauth/grants', { as: ann })).json;
    expect(grants).toMatchObject([{ client_id: 'mobile_app_123', scope: ['chat', 'inference', 'monitoring'], device_info: { platform: 'ios' } }]);
    expect((await server.request('DELETE', `/api/v4/auth/oauth/grants/${grants[0].id}`, { as: owner })).status).toBe(404);
    expect((await server.request('DELETE', `/api/v4/auth/oauth/grants/${grants[0].id}`, { as: ann })).json).toEqual({ success: true });
    expect((await server.request('GET', '/api/v4/capabilities', { headers: { authorization: `Bearer ${refreshed.access_token}` } })).status).toBe(401);
    expect((await asForm({ grant_type: 'refresh_token', refresh_token: refreshed.refresh_token, client_id: 'mobile_app_123' })).json.error).toBe('invalid_grant');
  });

  it('takes the request as the standard has it too: a form, its scopes in one text', async () => {
    const asForm = (fields: Record<string, string>): Promise<TestResponse> =>
      server.request('POST', '/api/v4/auth/oauth/authorize', { raw: new URLSearchParams(fields).toString(), headers: { ...remote, 'content-type': 'application/x-www-form-urlencoded' } });
    const asked = await asForm({ client_id: 'mobile_app_123', scope: 'chat monitoring' });
    expect([asked.status, asked.json]).toMatchObject([200, { scope: ['chat', 'monitoring'], user_code: expect.any(String) }]);
    // The scope may be left out (RFC 8628, section 3.1): then it is all that the program is registered for.
    expect((await asForm({ client_id: 'mobile_app_123' })).json.scope).toEqual(['chat', 'inference', 'monitoring']);
    expect((await asForm({ client_id: 'mobile_app_123', scope: 'everything' })).json.error).toBe('invalid_scope');
    expect((await asForm({ client_id: 'mobile_app_123', scope: '' })).json.error).toBe('invalid_scope');
  });

  it('refuses in the words of the standards', async () => {
    expect((await authorize({ ...printed, client_id: 'nobody' })).json.error).toBe('invalid_client');
    expect((await authorize({ ...printed, scope: ['everything'] })).json.error).toBe('invalid_scope');
    expect((await authorize({ client_id: 5 })).json.error).toBe('invalid_request');
    for (const [fields, error] of [
      [{}, 'invalid_request'], [{ grant_type: 'password', client_id: 'mobile_app_123' }, 'unsupported_grant_type'], [{ grant_type: grantType, client_id: 'mobile_app_123' }, 'invalid_request'],
      [{ grant_type: grantType, client_id: 'mobile_app_123', device_code: 'x' }, 'invalid_grant'], [{ grant_type: 'refresh_token', client_id: 'mobile_app_123', refresh_token: 'x' }, 'invalid_grant'],
      [{ grant_type: 'refresh_token', client_id: 'nobody', refresh_token: 'x' }, 'invalid_client'],
    ] as [Record<string, string>, string][]) {
      const refused = await asForm(fields);
      expect([refused.status, refused.json]).toEqual([400, { error, error_description: expect.any(String) }]);
    }
    const twice = await server.request('POST', '/api/v4/auth/oauth/token', { raw: 'grant_type=a&grant_type=b&client_id=mobile_app_123', headers: { ...remote, 'content-type': 'application/x-www-form-urlencoded' } });
    expect([twice.status, twice.json.error]).toEqual([400, 'invalid_request']);
    expect((await server.request('POST', '/api/v4/auth/oauth/revoke', { headers: remote, body: { token: 'nobody’s', client_id: 'mobile_app_123' } })).status).toBe(200);
  });

  it('lets the token endpoint speak JSON as well', async () => {
    const { json: asked } = await authorize();
    const answer = await server.request('POST', '/api/v3/auth/oauth/token', { headers: remote, body: { grant_type: grantType, device_code: asked.device_code, client_id: 'mobile_app_123' } });
    expect(answer.json.error).toBe('authorization_pending');
  });

  describe('The page', () => {
    it('shows the client, the scopes and the code, and runs nothing', async () => {
      const { json: asked } = await authorize({ ...printed, device_info: { platform: '<script>alert(1)</script>' } });
      const page = await openPage(`?user_code=${asked.user_code.toLowerCase()}`);
      expect(page.status).toBe(200);
      for (const part of [asked.user_code, 'mobile_app_123', 'My &#60;b&#62;Mobile', '&#60;script&#62;', '<strong>chat</strong>', '<strong>inference</strong>', '<strong>monitoring</strong>', 'ann']) expect(page.text).toContain(part);
      expect(page.text).not.toMatch(/<script|<b>|onerror|style="/);
      const policy = page.headers.get('content-security-policy')!;
      expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'$/);
      expect(page.headers.get('x-frame-options')).toBe('DENY');
      expect(page.text).not.toContain(asked.device_code);
    });

    it('asks for the code, also after a wrong one, and sends strangers to sign in', async () => {
      expect((await openPage('')).text).toContain('name="user_code"');
      expect((await openPage('?user_code=BCDF-BCDF')).text).toContain('No program waits for this code');
      expect((await openPage('?user_code=BCDF-BCDF&user_code=X')).text).toContain('name="user_code"');
      const stranger = await openPage('?user_code=BCDF-BCDF', {});
      expect(stranger.text).toContain('Sign in first');
      expect(stranger.text).toContain('/device?user_code=BCDF-BCDF');
    });

    it('takes no decision from another page, without its token, or for another session', async () => {
      const { json: asked } = await authorize();
      const token = tokenOf((await openPage(`?user_code=${asked.user_code}`)).text);
      const fields = { user_code: asked.user_code, approval_token: token, decision: 'approve' };
      for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': '', origin: 'https://elsewhere.example' }] as Record<string, string>[]) {
        const refused = await decide(fields, headers);
        expect([refused.status, refused.headers.get('x-error-code')]).toEqual([403, expect.stringMatching(/csrf_failed|origin_refused/)]);
      }
      expect((await decide({ ...fields, approval_token: '' })).status).toBe(403);
      expect((await decide({ ...fields, approval_token: tokenOf((await openPage(`?user_code=${asked.user_code}`, { cookie: await cookieOf(owner) })).text) })).status).toBe(403);
      expect((await decide(fields, { cookie: '' })).status).toBe(401);
      expect((await decide({ ...fields, decision: 'perhaps' })).status).toBe(400);
      const keyed = await server.request('POST', '/device', { raw: new URLSearchParams(fields).toString(), headers: { ...ann.headers, 'content-type': 'application/x-www-form-urlencoded' } });
      expect(keyed.status).toBe(403);
      expect((await redeem(asked.device_code)).json.error).toBe('authorization_pending');
      expect((await decide({ ...fields, decision: 'deny' })).text).toContain('Refused');
      expect((await redeem(asked.device_code)).json.error).toBe('access_denied');
      expect((await decide(fields)).status).toBe(404);
    });

    it('works for the owner on this machine without any session', async () => {
      const { json: asked } = await authorize();
      const page = await server.request('GET', `/device?user_code=${asked.user_code}`);
      const answer = await server.request('POST', '/device', {
        raw: new URLSearchParams({ user_code: asked.user_code, approval_token: tokenOf(page.text), decision: 'approve' }).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
      expect(answer.text).toContain('Access given');
    });
  });

  const cookieOf = async (user: TestUser): Promise<string> =>
    (await server.request('POST', '/api/auth/login', { body: { username: user.username, password: user.password } })).headers.getSetCookie().map((header) => header.split(';')[0]).join('; ');
});
