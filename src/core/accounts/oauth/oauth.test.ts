import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../../base/storage/testing.ts';
import { everything, registrationOf, requestWith, startTestAccounts, type TestAccounts } from '../testing.ts';
import type { Accounts, SignIn, Viewer } from '../types.ts';
import { OauthRefusal } from './refusal.ts';
import type { OauthTokens } from './types.ts';

const minute = 60_000;

describe.each(engines)('OAuth on %s', (engine) => {
  let test: TestAccounts;
  let accounts: Accounts;
  let owner: Viewer;
  let ann: Viewer;
  let annSignIn: SignIn;
  /** Each request from an address of its own, so that the limits of addresses do not matter. */
  let addresses = 0;
  const somewhere = () => requestWith({}, { socket: { remoteAddress: `198.51.${(addresses += 1) >> 8}.${addresses & 255}` } });

  /** As the page does: with the session cookie. */
  const byCookie = async (signIn: SignIn): Promise<Viewer> => (await accounts.authenticate(requestWith({ cookie: `parley_session=${signIn.token}` }), everything))!;
  const bearer = (token: string, of = accounts): Promise<Viewer | null> => of.authenticate(requestWith({ authorization: `Bearer ${token}` }), everything);

  async function signUp(username: string, role: 'admin' | 'user' = 'user'): Promise<SignIn> {
    const request = registrationOf(username);
    await accounts.createUser({ ...request, role });
    return accounts.login(username, request.password, somewhere());
  }

  beforeAll(async () => {
    test = await startTestAccounts(engine, { registration: 'open' });
    accounts = test.accounts;
    owner = await byCookie(await signUp('ada', 'admin'));
    annSignIn = await signUp('ann');
    ann = await byCookie(annSignIn);
    await accounts.oauth.addClient(owner, { id: 'mobile_app_123', name: 'Mobile', scopes: ['chat', 'inference', 'monitoring'] });
  });
  afterAll(() => test.close());

  const begin = (scopes: readonly string[] = ['chat', 'monitoring']) => accounts.oauth.begin({ clientId: 'mobile_app_123', scopes, device: { platform: 'ios' } }, somewhere());
  const redeem = (deviceCode: string, clientId = 'mobile_app_123', by = accounts) => by.oauth.redeem({ clientId, deviceCode }, somewhere());
  const refresh = (refreshToken: string, more: { clientId?: string; scopes?: string[] } = {}, by = accounts) => by.oauth.refresh({ clientId: 'mobile_app_123', refreshToken, ...more }, somewhere());
  /** A grant of Ann's. */
  async function granted(scopes?: readonly string[], by = ann): Promise<OauthTokens> {
    const asked = await begin(scopes);
    await accounts.oauth.decide(by, asked.userCode, true);
    return redeem(asked.deviceCode);
  }
  async function refusalOf(work: Promise<unknown>): Promise<string> {
    const thrown: unknown = await work.then(() => null, (error: unknown) => error);
    return thrown instanceof OauthRefusal ? thrown.oauthError : `no refusal: ${String(thrown)}`;
  }

  it('gives tokens once somebody has approved the code, and once only', async () => {
    const asked = await begin();
    expect(asked).toMatchObject({ userCode: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/), expiresInSeconds: 600, intervalSeconds: 5, scopes: ['chat', 'monitoring'] });
    expect(await refusalOf(redeem(asked.deviceCode))).toBe('authorization_pending');
    const shown = await accounts.oauth.waiting(ann, ` ${asked.userCode.toLowerCase().replace('-', ' ')}`);
    expect(shown).toMatchObject({ client: { id: 'mobile_app_123', name: 'Mobile' }, scopes: ['chat', 'monitoring'], device: { platform: 'ios' } });
    await accounts.oauth.decide(ann, asked.userCode, true);
    const tokens = await redeem(asked.deviceCode);
    expect(tokens).toMatchObject({ expiresInSeconds: 3600, scopes: ['chat', 'monitoring'], permissions: ['chat', 'read'] });
    expect(await bearer(tokens.accessToken)).toMatchObject({ userId: ann.userId, scopes: ['read', 'chat'] });
    expect(await refusalOf(redeem(asked.deviceCode))).toBe('invalid_grant');
    await expect(accounts.oauth.decide(ann, asked.userCode, true)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('grants what is registered for the client, and never more than who approves may do', async () => {
    expect((await begin(['chat', 'p2p'])).scopes).toEqual(['chat']);
    expect(await refusalOf(begin(['p2p']))).toBe('invalid_scope');
    expect(await refusalOf(begin(['chat', 'everything']))).toBe('invalid_scope');
    expect(await refusalOf(begin([]))).toBe('invalid_scope');
    expect(await refusalOf(accounts.oauth.begin({ clientId: 'nobody', scopes: ['chat'], device: {} }, somewhere()))).toBe('invalid_client');
    const readOnly = { ...ann, scopes: ['read'] as const };
    expect((await granted(['chat', 'monitoring'], readOnly)).permissions).toEqual(['read']);
    const asked = await begin(['chat']);
    await expect(accounts.oauth.decide(readOnly, asked.userCode, true)).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('lets only people decide who are signed in: no key, no token of a program', async () => {
    const asked = await begin();
    const { key } = await accounts.createApiKey(ann.userId, 'a key');
    const program = await accounts.issueToken(ann, { scopes: ['read', 'chat'], client: 'agent' });
    const stolen = await byCookie({ ...annSignIn, token: program.token });
    for (const viewer of [(await bearer(key))!, (await bearer(program.token))!, (await bearer(annSignIn.token))!, stolen]) {
      await expect(accounts.oauth.waiting(viewer, asked.userCode)).rejects.toMatchObject({ code: 'forbidden' });
      await expect(accounts.oauth.decide(viewer, asked.userCode, true)).rejects.toMatchObject({ code: 'forbidden' });
    }
    expect(await refusalOf(redeem(asked.deviceCode))).toBe('authorization_pending');
  });

  it('says that a request was denied, and that a code has expired', async () => {
    const denied = await begin();
    await accounts.oauth.decide(ann, denied.userCode, false);
    expect(await refusalOf(redeem(denied.deviceCode))).toBe('access_denied');
    const late = await begin();
    test.clock.advance(10 * minute);
    await expect(accounts.oauth.decide(ann, late.userCode, true)).rejects.toMatchObject({ code: 'not_found' });
    expect(await refusalOf(redeem(late.deviceCode))).toBe('expired_token');
  });

  it('tells who asks too often to slow down, by five seconds more each time, until it does', async () => {
    const asked = await begin();
    expect(await refusalOf(redeem(asked.deviceCode))).toBe('authorization_pending');
    test.clock.advance(4000);
    expect(await refusalOf(redeem(asked.deviceCode))).toBe('slow_down');
    test.clock.advance(5000);
    expect(await refusalOf(redeem(asked.deviceCode))).toBe('slow_down');
    test.clock.advance(15_000);
    expect(await refusalOf(redeem(asked.deviceCode))).toBe('authorization_pending');
  });

  it('goes on in another process with what one began', async () => {
    const asked = await begin();
    const other = await test.restart();
    await other.oauth.decide(ann, asked.userCode, true);
    const tokens = await redeem(asked.deviceCode);
    expect(await bearer(tokens.accessToken, other)).toMatchObject({ userId: ann.userId });
    const next = await refresh(tokens.refreshToken, {}, other);
    expect(await bearer(next.accessToken)).toMatchObject({ userId: ann.userId });
  });

  it('gives the tokens to one only of two who redeem at the same time', async () => {
    const asked = await begin();
    await accounts.oauth.decide(ann, asked.userCode, true);
    const other = await test.restart();
    const outcomes = await Promise.allSettled([redeem(asked.deviceCode), redeem(asked.deviceCode, 'mobile_app_123', other), redeem(asked.deviceCode)]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('does not give a code or token of one client to another', async () => {
    await accounts.oauth.addClient(owner, { id: 'other-app', name: 'Other', scopes: ['chat'] });
    const asked = await begin();
    await accounts.oauth.decide(ann, asked.userCode, true);
    expect(await refusalOf(redeem(asked.deviceCode, 'other-app'))).toBe('invalid_grant');
    const tokens = await redeem(asked.deviceCode);
    expect(await refusalOf(refresh(tokens.refreshToken, { clientId: 'other-app' }))).toBe('invalid_grant');
    expect(await refusalOf(refresh(tokens.refreshToken, { clientId: 'nobody' }))).toBe('invalid_client');
    await refresh(tokens.refreshToken);
  });

  it('refreshes with a new token each time, also for less, and keeps two access tokens at most', async () => {
    const first = await granted(['chat', 'inference', 'monitoring']);
    expect(await refusalOf(refresh(first.refreshToken, { scopes: ['chat', 'p2p'] }))).toBe('invalid_scope');
    const second = await refresh(first.refreshToken, { scopes: ['monitoring'] });
    expect(second.permissions).toEqual(['read']);
    expect(await bearer(first.accessToken)).not.toBeNull();
    const third = await refresh(second.refreshToken);
    expect(third.permissions).toEqual(['chat', 'write', 'read']);
    await expect(bearer(first.accessToken)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await bearer(second.accessToken)).not.toBeNull();
    expect(await refusalOf(refresh(`${third.refreshToken}x`))).toBe('invalid_grant');
  });

  it('ends the whole grant when a refresh token is used twice', async () => {
    const first = await granted();
    const second = await refresh(first.refreshToken);
    expect(await refusalOf(refresh(first.refreshToken))).toBe('invalid_grant');
    for (const { accessToken } of [first, second]) await expect(bearer(accessToken)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await refusalOf(refresh(second.refreshToken))).toBe('invalid_grant');
  });

  it('shows what was granted, and ends it for who granted it, for its program, and with the client', async () => {
    const [one, two, three] = [await granted(), await granted(), await granted()];
    const grants = await accounts.oauth.grants(ann);
    expect(grants[0]).toMatchObject({ client: { id: 'mobile_app_123', name: 'Mobile' }, scopes: ['chat', 'monitoring'], device: { platform: 'ios' } });
    await expect(accounts.oauth.endGrant(owner, grants[0]!.id)).rejects.toMatchObject({ code: 'not_found' });
    await accounts.oauth.endGrant(ann, grants[0]!.id);
    await expect(bearer(three.accessToken)).rejects.toMatchObject({ code: 'unauthorized' });
    await accounts.oauth.revokeToken({ clientId: 'mobile_app_123', token: two.refreshToken }, somewhere());
    await expect(bearer(two.accessToken)).rejects.toMatchObject({ code: 'unauthorized' });
    await accounts.oauth.revokeToken({ clientId: 'mobile_app_123', token: one.accessToken }, somewhere());
    expect(await refusalOf(refresh(one.refreshToken))).toBe('invalid_grant');
    await accounts.oauth.revokeToken({ clientId: 'mobile_app_123', token: annSignIn.token }, somewhere());
    expect(await bearer(annSignIn.token)).not.toBeNull();
    await accounts.oauth.addClient(owner, { id: 'short-lived', name: 'Short', scopes: ['chat'] });
    const asked = await accounts.oauth.begin({ clientId: 'short-lived', scopes: ['chat'], device: {} }, somewhere());
    await accounts.oauth.decide(ann, asked.userCode, true);
    const gone = await redeem(asked.deviceCode, 'short-lived');
    await accounts.oauth.removeClient(owner, 'short-lived');
    await expect(bearer(gone.accessToken)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await refusalOf(redeem(asked.deviceCode, 'short-lived'))).toBe('invalid_client');
  });

  it('ends grants with the password they were made under, and with the account', async () => {
    const bob = await signUp('bob');
    const tokens = await granted(['chat'], await byCookie(bob));
    await accounts.setPassword(bob.user.id, 'another secret 1');
    await expect(bearer(tokens.accessToken)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await refusalOf(refresh(tokens.refreshToken))).toBe('invalid_grant');
    const cleo = await signUp('cleo');
    const other = await granted(['chat'], await byCookie(cleo));
    await accounts.setDisabled(cleo.user.id, true);
    expect(await refusalOf(refresh(other.refreshToken))).toBe('invalid_grant');
  });

  it('ends an approval that nobody has used yet with the sign-ins of who gave it', async () => {
    const erin = await signUp('erin');
    const viewer = await byCookie(erin);
    const [asked, other, undecided] = [await begin(), await begin(), await begin()];
    await accounts.oauth.decide(viewer, asked.userCode, true);
    await accounts.setPassword(erin.user.id, 'another secret 2');
    expect(await refusalOf(redeem(asked.deviceCode))).toBe('invalid_grant');
    // What is known by heart of a session that has just ended decides nothing.
    await expect(accounts.oauth.decide(viewer, other.userCode, true)).rejects.toMatchObject({ code: 'unauthorized' });
    await accounts.oauth.decide(ann, undecided.userCode, true);
    expect((await redeem(undecided.deviceCode)).scopes).toEqual(['chat', 'monitoring']);
  });

  it('keeps no code and no token in clear', async () => {
    const asked = await begin();
    await accounts.oauth.decide(ann, asked.userCode, true);
    const tokens = await redeem(asked.deviceCode);
    const { read } = test.database.storage;
    const rows = JSON.stringify([await read.selectFrom('oauth_requests').selectAll().execute(), await read.selectFrom('oauth_grants').selectAll().execute(), await read.selectFrom('oauth_refresh_tokens').selectAll().execute()]);
    for (const secret of [asked.deviceCode, asked.userCode, asked.userCode.replace('-', ''), tokens.refreshToken, tokens.accessToken]) expect(rows).not.toContain(secret);
  });

  it('is set up by administrators alone', async () => {
    await expect(accounts.oauth.addClient(ann, { id: 'x', name: 'X', scopes: ['chat'] })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(accounts.oauth.clients(ann)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(accounts.oauth.removeClient(ann, 'mobile_app_123')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(accounts.oauth.addClient(owner, { id: 'mobile_app_123', name: 'X', scopes: ['chat'] })).rejects.toMatchObject({ code: 'conflict' });
    await expect(accounts.oauth.addClient(owner, { id: 'two words', name: '', scopes: [] })).rejects.toMatchObject({ code: 'validation_failed', issues: [{}, {}, {}] });
    expect((await accounts.oauth.clients(owner)).map(({ id }) => id)).toContain('mobile_app_123');
  });

  it('binds the value that decides to who looks and to the code', () => {
    const token = accounts.oauth.approvalToken(ann, 'WDJB-MJHT');
    expect(accounts.oauth.isApprovalToken(ann, 'wdjbmjht', token)).toBe(true);
    expect(accounts.oauth.isApprovalToken(owner, 'WDJB-MJHT', token)).toBe(false);
    expect(accounts.oauth.isApprovalToken(ann, 'WDJB-MJHX', token)).toBe(false);
    expect(accounts.oauth.isApprovalToken(ann, 'WDJB-MJHT', '')).toBe(false);
  });

  describe('Tokens for programs', () => {
    it('may no more than the credential that makes them, last an hour, and end with it', async () => {
      const { key, id } = await accounts.createApiKey(ann.userId, 'reader', ['read', 'chat']);
      const viewer = (await bearer(key))!;
      const made = await accounts.issueToken(viewer, { scopes: ['read', 'write', 'admin', 'chat', 'p2p'], client: 'agent-123' });
      expect(made).toMatchObject({ scopes: ['read', 'chat'], expiresInSeconds: 3600 });
      const claims = JSON.parse(Buffer.from(made.token.split('.')[1]!, 'base64url').toString());
      expect([claims.scope, claims.exp - claims.iat]).toEqual(['read chat', 3600]);
      expect(await bearer(made.token)).toMatchObject({ userId: ann.userId, scopes: ['read', 'chat'] });
      const again = await accounts.issueToken((await bearer(made.token))!, { scopes: ['read', 'write'], client: 'agent of the agent' });
      expect(again.scopes).toEqual(['read']);
      await expect(accounts.issueToken(viewer, { scopes: ['admin', 'p2p'], client: 'x' })).rejects.toMatchObject({ code: 'forbidden' });
      await accounts.revokeApiKey(ann.userId, id);
      for (const { token } of [made, again]) await expect(bearer(token)).rejects.toMatchObject({ code: 'unauthorized' });
      // What is known by heart of a credential that has just ended is worth nothing.
      await expect(accounts.issueToken(viewer, { scopes: ['read'], client: 'late' })).rejects.toMatchObject({ code: 'unauthorized' });
    });

    it('end with the sign-in they were made with, and by their time', async () => {
      const signIn = await signUp('dora');
      const viewer = await byCookie(signIn);
      const made = await accounts.issueToken(viewer, { scopes: ['read'], client: 'agent' });
      await accounts.logout(viewer);
      await expect(bearer(made.token)).rejects.toMatchObject({ code: 'unauthorized' });
      const other = await accounts.issueToken(owner, { scopes: ['read'], client: 'agent' });
      expect(await bearer(other.token)).not.toBeNull();
      test.clock.advance(60 * minute + 1000);
      await expect(bearer(other.token)).rejects.toMatchObject({ code: 'unauthorized' });
    });
  });
});
