import { createHmac } from 'node:crypto';
import { ParleyError } from '../../../base/errors.ts';
import { newId } from '../../../base/ids.ts';
import { isUniqueViolation, type OauthRequestsTable, type WriteQueries } from '../../../base/storage/index.ts';
import { addressOf } from '../sign-in-limit.ts';
import { equalTexts } from '../tokens.ts';
import type { Viewer } from '../types.ts';
import { digestOf, newDeviceCode, newUserCode, readUserCode } from './codes.ts';
import { addGrant } from './grants.ts';
import { takeOne, type OauthParts } from './parts.ts';
import { OauthRefusal } from './refusal.ts';
import { clientOf, deviceOf, knownScopes, scopesOf } from './rows.ts';
import { oauthScopes, type Oauth, type OauthTokens, type WaitingRequest } from './types.ts';

const minute = 60_000;
/** How long a code may be typed in, milliseconds. */
const requestLifetimeMs = 10 * minute;
/** How long an expired request is remembered, so that its program learns why it gets nothing. */
const rememberedMs = 60 * minute;
const firstIntervalMs = 5000;
/** What is added for a program that asks too often (RFC 8628, section 3.5), and the longest pause it comes to. */
const slowerMs = 5000;
const longestIntervalMs = 60_000;
/** A request may be this much earlier than its pause says: clocks and networks are not even. */
const toleranceMs = 500;
/** Requests that may wait at a time, of all programs together. */
const mostWaiting = 1000;

/** From the question of a program to the decision of a person. */
export function createRequests(parts: OauthParts): Pick<Oauth, 'begin' | 'waiting' | 'decide' | 'redeem' | 'approvalToken' | 'isApprovalToken'> {
  const { storage, secrets } = parts;
  const approvalTokenBy = (key: Buffer, viewer: Viewer, userCode: string): string =>
    createHmac('sha256', key).update(`oauth approval\n${viewer.userId}\n${viewer.credentialId ?? ''}\n${readUserCode(userCode) ?? ''}`).digest('base64url');
  return {
    begin: (request, from) => begin(parts, request, from),
    async waiting(viewer, userCode) {
      await requirePerson(parts, viewer);
      await takeOne(parts, 'oauth-codes', parts.perMinute / 3, viewer.userId);
      return toWaiting(await waitingRow(parts, userCode), viewer);
    },
    async decide(viewer, userCode, approve) {
      await requirePerson(parts, viewer);
      const row = await waitingRow(parts, userCode);
      const shown = toWaiting(row, viewer);
      if (approve && shown.scopes.length === 0) throw new ParleyError('forbidden', { message: 'You may not give any of these permissions yourself.' });
      const now = parts.clock.now();
      const { numUpdatedRows } = await storage.write(async (queries) => {
        await requireSignedIn(queries, viewer);
        return queries.updateTable('oauth_requests')
          .set({ state: approve ? 'approved' : 'denied', user_id: viewer.userId, scopes: JSON.stringify(shown.scopes) })
          .where('id', '=', row.id).where('state', '=', 'waiting').where('expires_at', '>', now).executeTakeFirst();
      });
      if (numUpdatedRows === 0n) throw noRequest();
      return shown;
    },
    async redeem(request, from) {
      await takeOne(parts, 'oauth-tokens', parts.perMinute, addressOf(from, parts.trustProxy));
      if (!(await clientOf(storage.read, request.clientId))) throw new OauthRefusal('invalid_client');
      const now = parts.clock.now();
      const outcome = await storage.write((queries) => redeemIn(queries, parts, request, now));
      if (outcome instanceof OauthRefusal) throw outcome;
      return outcome;
    },
    approvalToken: (viewer, userCode) => approvalTokenBy(secrets.signingKeys().current.key, viewer, userCode),
    isApprovalToken: (viewer, userCode, token) => secrets.signingKeys().all.some(({ key }) => equalTexts(approvalTokenBy(key, viewer, userCode), token)),
  };
}

async function begin(parts: OauthParts, request: Parameters<Oauth['begin']>[0], from: Parameters<Oauth['begin']>[1]): ReturnType<Oauth['begin']> {
  const { storage } = parts;
  await takeOne(parts, 'oauth-requests', parts.perMinute / 3, addressOf(from, parts.trustProxy));
  const client = await clientOf(storage.read, request.clientId);
  if (!client) throw new OauthRefusal('invalid_client');
  const registered = scopesOf(client.scopes);
  const asked = request.scopes ?? registered;
  const scopes = knownScopes(asked).filter((scope) => registered.includes(scope));
  if (scopes.length === 0 || !asked.every((scope) => Object.hasOwn(oauthScopes, scope))) throw new OauthRefusal('invalid_scope');
  const now = parts.clock.now();
  const row = (deviceCode: string, userCode: string): OauthRequestsTable => ({
    id: newId(), client_id: client.id, device_code_hash: digestOf(deviceCode), user_code_hash: digestOf(readUserCode(userCode)!), scopes: JSON.stringify(scopes),
    device: JSON.stringify(request.device), state: 'waiting', user_id: null, interval_ms: firstIntervalMs, polled_at: null, created_at: now, expires_at: now + requestLifetimeMs,
  });
  for (let attempt = 1; ; attempt += 1) {
    const [deviceCode, userCode] = [newDeviceCode(), newUserCode()];
    try {
      await storage.write((queries) => addRequest(queries, row(deviceCode, userCode), now));
      return { deviceCode, userCode, expiresInSeconds: requestLifetimeMs / 1000, intervalSeconds: firstIntervalMs / 1000, scopes };
    } catch (error) {
      // The code of somebody who waits already.
      if (!isUniqueViolation(error) || attempt === 5) throw error;
    }
  }
}

async function addRequest(queries: WriteQueries, row: OauthRequestsTable, now: number): Promise<void> {
  await queries.deleteFrom('oauth_requests').where('expires_at', '<', now - rememberedMs).execute();
  const { count } = await queries.selectFrom('oauth_requests').select((select) => select.fn.countAll<number | string>().as('count'))
    .where('state', '=', 'waiting').where('expires_at', '>', now).executeTakeFirstOrThrow();
  if (Number(count) >= mostWaiting) throw new ParleyError('rate_limited', { message: 'Too many programs wait for approval. Try again later.', retryAfterMs: minute });
  await queries.insertInto('oauth_requests').values(row).execute();
}

type WaitingRow = OauthRequestsTable & { name: string };

async function waitingRow({ storage, clock }: OauthParts, userCode: string): Promise<WaitingRow> {
  const code = readUserCode(userCode);
  const now = clock.now();
  const row = code === null ? undefined : await storage.read.selectFrom('oauth_requests').innerJoin('oauth_clients', 'oauth_clients.id', 'oauth_requests.client_id')
    .selectAll('oauth_requests').select('oauth_clients.name').where('user_code_hash', '=', digestOf(code)).where('state', '=', 'waiting').where('expires_at', '>', now).executeTakeFirst();
  if (!row) throw noRequest();
  return row;
}

function noRequest(): ParleyError {
  return new ParleyError('not_found', { message: 'No program waits for this code. It may have expired, or was decided already.' });
}

function toWaiting(row: WaitingRow, viewer: Viewer): WaitingRequest {
  const scopes = scopesOf(row.scopes).filter((scope) => viewer.scopes.includes(oauthScopes[scope]));
  return { client: { id: row.client_id, name: row.name }, scopes, device: deviceOf(row.device), createdAt: row.created_at, expiresAt: row.expires_at };
}

/**
 * Only who is signed in as a person decides: a key or a token that was made for a program would live on in a grant.
 * @throws {ParleyError} `forbidden`
 */
async function requirePerson({ storage }: OauthParts, viewer: Viewer): Promise<void> {
  if (viewer.via === 'local-trust') return;
  const row = viewer.via === 'cookie' && viewer.credentialId !== null
    ? await storage.read.selectFrom('tokens').select('origin_id').where('id', '=', viewer.credentialId).executeTakeFirst()
    : undefined;
  if (row?.origin_id !== null) throw new ParleyError('forbidden', { message: 'Sign in to decide this; a key or the token of a program is not enough.' });
}

/** The session must still hold; its row stays locked, so that whoever ends it finds the approval. @throws {ParleyError} `unauthorized` */
async function requireSignedIn(queries: WriteQueries, { via, userId, credentialId }: Viewer): Promise<void> {
  if (via === 'local-trust') return;
  const row = await queries.selectFrom('tokens').select('id').where('id', '=', credentialId).where('user_id', '=', userId).where('revoked_at', 'is', null).forUpdate().executeTakeFirst();
  if (!row) throw new ParleyError('unauthorized');
}

async function redeemIn(queries: WriteQueries, parts: OauthParts, { clientId, deviceCode }: { clientId: string; deviceCode: string }, now: number): Promise<OauthTokens | OauthRefusal> {
  const row = await queries.selectFrom('oauth_requests').selectAll().where('device_code_hash', '=', digestOf(deviceCode)).forUpdate().executeTakeFirst();
  if (!row || row.client_id !== clientId || row.state === 'used') return new OauthRefusal('invalid_grant');
  if (row.state === 'denied') return new OauthRefusal('access_denied');
  if (row.expires_at <= now) return new OauthRefusal('expired_token');
  if (row.state === 'waiting') return askAgain(queries, row, now);
  const user = await queries.selectFrom('users').selectAll().where('id', '=', row.user_id).executeTakeFirst();
  if (!user || user.disabled_at !== null) return new OauthRefusal('access_denied');
  await queries.updateTable('oauth_requests').set({ state: 'used' }).where('id', '=', row.id).execute();
  return addGrant(queries, parts, user, { client_id: row.client_id, device: row.device, scopes: scopesOf(row.scopes) }, now);
}

/** Nobody has decided yet: the program is told so, or to ask less often. */
async function askAgain(queries: WriteQueries, row: OauthRequestsTable, now: number): Promise<OauthRefusal> {
  const tooSoon = row.polled_at !== null && now - row.polled_at < row.interval_ms - toleranceMs;
  const interval = tooSoon ? Math.min(row.interval_ms + slowerMs, longestIntervalMs) : row.interval_ms;
  await queries.updateTable('oauth_requests').set({ polled_at: now, interval_ms: interval }).where('id', '=', row.id).execute();
  return new OauthRefusal(tooSoon ? 'slow_down' : 'authorization_pending', interval);
}
