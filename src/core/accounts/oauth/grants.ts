import { ParleyError } from '../../../base/errors.ts';
import { isId, newId } from '../../../base/ids.ts';
import type { OauthGrantsTable, UsersTable, WriteQueries } from '../../../base/storage/index.ts';
import { addressOf } from '../sign-in-limit.ts';
import type { SignIn } from '../types.ts';
import { digestOf, newRefreshToken, refreshTokenPrefix } from './codes.ts';
import { takeOne, type OauthParts } from './parts.ts';
import { OauthRefusal } from './refusal.ts';
import { clientOf, deviceOf, knownScopes, scopesOf } from './rows.ts';
import { oauthScopes, type Oauth, type OauthGrant, type OauthScope, type OauthTokens } from './types.ts';

const hour = 3_600_000;
/** How long an access token lasts, milliseconds. */
const accessLifetimeMs = hour;
/** How long a grant can be used without anybody approving it anew, milliseconds. */
const grantLifetimeMs = 90 * 24 * hour;
/** Grants of one user; the oldest ends when there are more. */
const mostGrants = 100;
/** Access tokens of one grant that are valid at a time: the one just made, and the one before it, for requests under way. */
const mostTokens = 2;
/** Used refresh tokens that are remembered for each grant. */
const mostUsed = 100;

/** Ends grants, with their tokens. In the caller's transaction. */
export async function revokeGrants(queries: WriteQueries, sessions: OauthParts['sessions'], grants: readonly Pick<OauthGrantsTable, 'id' | 'user_id'>[], now: number): Promise<void> {
  for (const grant of grants) {
    await queries.updateTable('oauth_grants').set({ revoked_at: now }).where('id', '=', grant.id).where('revoked_at', 'is', null).execute();
    await sessions.revokeMadeWith(queries, grant.user_id, grant.id);
  }
}

/** Makes a grant with its first tokens. In the caller's transaction. */
export async function addGrant(queries: WriteQueries, { sessions }: Pick<OauthParts, 'sessions'>, user: UsersTable, what: Pick<OauthGrantsTable, 'client_id' | 'device'> & { scopes: readonly OauthScope[] }, now: number): Promise<OauthTokens> {
  const id = newId();
  // The wall clock may have gone back since the user's sign-ins were ended; the grant still comes after that.
  const createdAt = Math.max(now, user.tokens_valid_from);
  await queries.insertInto('oauth_grants').values({
    id, client_id: what.client_id, user_id: user.id, scopes: JSON.stringify(what.scopes), device: what.device,
    created_at: createdAt, last_used_at: now, expires_at: now + grantLifetimeMs, revoked_at: null,
  }).execute();
  const beyond = await queries.selectFrom('oauth_grants').select(['id', 'user_id']).where('user_id', '=', user.id).where('revoked_at', 'is', null)
    .orderBy('created_at', 'desc').orderBy('id', 'desc').limit(mostGrants).offset(mostGrants).execute();
  await revokeGrants(queries, sessions, beyond, now);
  await queries.deleteFrom('oauth_grants').where('user_id', '=', user.id).where('expires_at', '<=', now).execute();
  return issue(queries, { sessions }, user, { id, client_id: what.client_id, expires_at: now + grantLifetimeMs }, what.scopes, now);
}

async function issue(queries: WriteQueries, { sessions }: Pick<OauthParts, 'sessions'>, user: UsersTable, grant: Pick<OauthGrantsTable, 'id' | 'client_id' | 'expires_at'>, scopes: readonly OauthScope[], now: number): Promise<OauthTokens> {
  const refreshToken = newRefreshToken();
  await queries.insertInto('oauth_refresh_tokens').values({ hash: digestOf(refreshToken), grant_id: grant.id, created_at: now, used_at: null }).execute();
  const permissions = scopes.map((scope) => oauthScopes[scope]);
  const bounds = { scopes: permissions, expiresAt: Math.min(now + accessLifetimeMs, grant.expires_at), originId: grant.id };
  const signIn: SignIn = await sessions.issueIn(queries, user, `oauth ${grant.client_id}`, bounds);
  return { accessToken: signIn.token, refreshToken, expiresInSeconds: (signIn.expiresAt - signIn.issuedAt) / 1000, scopes, permissions };
}

/** Going on with what was granted. */
export function createGrants(parts: OauthParts): Pick<Oauth, 'refresh' | 'revokeToken' | 'grants' | 'endGrant'> {
  const { storage, sessions } = parts;
  return {
    async refresh(request, from) {
      await takeOne(parts, 'oauth-tokens', parts.perMinute, addressOf(from, parts.trustProxy));
      if (!(await clientOf(storage.read, request.clientId))) throw new OauthRefusal('invalid_client');
      const now = parts.clock.now();
      // What a second use of a token ends must be stored, so the refusal is thrown behind the transaction.
      const outcome = await storage.write((queries) => refreshIn(queries, parts, request, now));
      if (outcome instanceof OauthRefusal) throw outcome;
      return outcome;
    },
    async revokeToken({ clientId, token }, from) {
      await takeOne(parts, 'oauth-tokens', parts.perMinute, addressOf(from, parts.trustProxy));
      const grantId = token.startsWith(refreshTokenPrefix) ? await grantOfRefreshToken(parts, token) : await grantOfAccessToken(parts, token);
      if (grantId === null) return;
      const now = parts.clock.now();
      await storage.write(async (queries) => {
        const grant = await queries.selectFrom('oauth_grants').select(['id', 'user_id']).where('id', '=', grantId).where('client_id', '=', clientId).forUpdate().executeTakeFirst();
        if (grant) await revokeGrants(queries, sessions, [grant], now);
      });
    },
    async grants(viewer) {
      const now = parts.clock.now();
      const rows = await storage.read.selectFrom('oauth_grants').innerJoin('oauth_clients', 'oauth_clients.id', 'oauth_grants.client_id')
        .selectAll('oauth_grants').select('oauth_clients.name').where('user_id', '=', viewer.userId).where('revoked_at', 'is', null).where('expires_at', '>', now)
        .orderBy('oauth_grants.created_at', 'desc').orderBy('oauth_grants.id', 'desc').execute();
      return rows.map((row): OauthGrant => ({
        id: row.id, client: { id: row.client_id, name: row.name }, scopes: scopesOf(row.scopes), device: deviceOf(row.device),
        createdAt: row.created_at, lastUsedAt: row.last_used_at, expiresAt: row.expires_at,
      }));
    },
    async endGrant(viewer, id) {
      const now = parts.clock.now();
      await storage.write(async (queries) => {
        const grant = isId(id) ? await queries.selectFrom('oauth_grants').select(['id', 'user_id']).where('id', '=', id).where('user_id', '=', viewer.userId).where('revoked_at', 'is', null).forUpdate().executeTakeFirst() : undefined;
        if (!grant) throw new ParleyError('not_found', { message: 'There is no such grant.' });
        await revokeGrants(queries, sessions, [grant], now);
      });
    },
  };
}

type RefreshRequest = Parameters<Oauth['refresh']>[0];

async function refreshIn(queries: WriteQueries, parts: OauthParts, { clientId, refreshToken, scopes }: RefreshRequest, now: number): Promise<OauthTokens | OauthRefusal> {
  const { sessions } = parts;
  const hash = digestOf(refreshToken);
  const token = await queries.selectFrom('oauth_refresh_tokens').selectAll().where('hash', '=', hash).forUpdate().executeTakeFirst();
  if (!token) return new OauthRefusal('invalid_grant');
  const grant = await queries.selectFrom('oauth_grants').selectAll().where('id', '=', token.grant_id).forUpdate().executeTakeFirstOrThrow();
  if (token.used_at !== null) {
    await revokeGrants(queries, sessions, [grant], now);
    return new OauthRefusal('invalid_grant');
  }
  const user = await queries.selectFrom('users').selectAll().where('id', '=', grant.user_id).executeTakeFirst();
  const holds = grant.client_id === clientId && grant.revoked_at === null && grant.expires_at > now && user !== undefined && user.disabled_at === null && grant.created_at >= user.tokens_valid_from;
  if (!holds) return new OauthRefusal('invalid_grant');
  const granted = scopesOf(grant.scopes);
  if (scopes && (scopes.length === 0 || !scopes.every((scope) => (granted as readonly string[]).includes(scope)))) return new OauthRefusal('invalid_scope');
  await queries.updateTable('oauth_refresh_tokens').set({ used_at: now }).where('hash', '=', hash).execute();
  await queries.updateTable('oauth_grants').set({ last_used_at: now }).where('id', '=', grant.id).execute();
  await endOlder(queries, sessions, grant);
  return issue(queries, parts, user, grant, scopes ? knownScopes(scopes) : granted, now);
}

/** Ends access tokens beyond the bound, and forgets refresh tokens that were used long ago. */
async function endOlder(queries: WriteQueries, sessions: OauthParts['sessions'], grant: Pick<OauthGrantsTable, 'id' | 'user_id'>): Promise<void> {
  const older = await queries.selectFrom('tokens').select('id').where('origin_id', '=', grant.id).where('revoked_at', 'is', null)
    .orderBy('created_at', 'desc').orderBy('id', 'desc').limit(10).offset(mostTokens - 1).execute();
  for (const { id } of older) await sessions.revokeIn(queries, grant.user_id, id);
  const used = await queries.selectFrom('oauth_refresh_tokens').select('hash').where('grant_id', '=', grant.id).where('used_at', 'is not', null)
    .orderBy('used_at', 'desc').limit(100).offset(mostUsed).execute();
  if (used.length > 0) await queries.deleteFrom('oauth_refresh_tokens').where('hash', 'in', used.map(({ hash }) => hash)).execute();
}

async function grantOfRefreshToken({ storage }: OauthParts, token: string): Promise<string | null> {
  const row = await storage.read.selectFrom('oauth_refresh_tokens').select('grant_id').where('hash', '=', digestOf(token)).executeTakeFirst();
  return row?.grant_id ?? null;
}

async function grantOfAccessToken({ storage, sessions }: OauthParts, token: string): Promise<string | null> {
  const credential = await sessions.load(token);
  if (!credential) return null;
  const row = await storage.read.selectFrom('tokens').select('origin_id').where('id', '=', credential.credentialId).executeTakeFirst();
  return row?.origin_id ?? null;
}
