import { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { OauthRefusal, oauthScopes, type OauthClient, type OauthGrant, type OauthScope, type OauthTokens } from '../../core/accounts/index.ts';
import { credentialsOf, text, viewerFrom, type App, type DialectScope } from '../shared/index.ts';
import { addressOfServer } from './own-address.ts';
import type { UltimateParts } from './parts.ts';
import { everyVersion } from './versions.ts';

const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const token = text({ min: 1, max: 2048 });
const clientId = text({ min: 1, max: 100 });
const device = z.object({ platform: text({ max: 100 }).optional(), version: text({ max: 100 }).optional(), device_id: text({ max: 200 }).optional() });

const authorizeRequest = z.object({
  client_id: clientId,
  scope: z.union([z.array(text({ max: 100 })).max(20), text({ max: 500 })]).optional().describe(`${Object.keys(oauthScopes).join(', ')}: in a list, or in one text with blanks between them; default all that the program is registered for`),
  device_info: device.default({}),
});
const authorizeAnswer = z.object({
  device_code: z.string(), user_code: z.string(), verification_uri: z.string(), verification_uri_complete: z.string(),
  expires_in: z.int(), interval: z.int(), scope: z.array(z.string()),
});
const tokenRequest = z.object({ grant_type: text({ max: 200 }).optional(), client_id: clientId.optional(), device_code: token.optional(), refresh_token: token.optional(), scope: text({ max: 500 }).optional() });
const tokenAnswer = z.object({
  access_token: z.string(), token_type: z.literal('Bearer'), expires_in: z.int(), refresh_token: z.string(), scope: z.string(), permissions: z.array(z.string()),
});
const revokeRequest = z.object({ token, client_id: clientId, token_type_hint: text({ max: 100 }).optional() });

/** For programs, which have nothing yet to prove themselves with. */
export function registerOauth(scope: DialectScope, parts: UltimateParts): void {
  const { oauth } = parts.accounts;
  takeForms(scope as unknown as App);
  everyVersion('/api/v4/auth/oauth/authorize', (url, hide) => {
    scope.post(url, { schema: { hide, summary: 'Begins to ask for access: the device authorization request of RFC 8628', body: authorizeRequest, response: { 200: authorizeAnswer } } }, async (request) => {
      const { client_id, scope: asked, device_info } = request.body;
      const made = await oauth.begin({ clientId: client_id, ...(asked === undefined ? {} : { scopes: scopeList(asked) }), device: device_info }, credentialsOf(request));
      const address = `${addressOfServer(parts, request)}/device`;
      return {
        device_code: made.deviceCode, user_code: made.userCode, verification_uri: address, verification_uri_complete: `${address}?user_code=${made.userCode}`,
        expires_in: made.expiresInSeconds, interval: made.intervalSeconds, scope: [...made.scopes],
      };
    });
  });
  everyVersion('/api/v4/auth/oauth/token', (url, hide) => {
    scope.post(
      url,
      { schema: { hide, summary: 'Addition: the tokens, for a device code that was approved or for a refresh token', description: 'As a form or as JSON. Errors are those of RFC 6749 and RFC 8628.', body: tokenRequest, response: { 200: tokenAnswer } } },
      async (request, reply) => {
        reply.header('pragma', 'no-cache');
        return tokensShape(await tokensFor(parts, request.body, credentialsOf(request)));
      },
    );
  });
  everyVersion('/api/v4/auth/oauth/revoke', (url, hide) => {
    scope.post(url, { schema: { hide, summary: 'Addition: ends the grant of a token (RFC 7009)', body: revokeRequest, response: { 200: z.object({}) } } }, async (request) => {
      await oauth.revokeToken({ clientId: request.body.client_id, token: request.body.token }, credentialsOf(request));
      return {};
    });
  });
}

async function tokensFor({ accounts: { oauth } }: UltimateParts, body: z.output<typeof tokenRequest>, from: ReturnType<typeof credentialsOf>): Promise<OauthTokens> {
  const { grant_type: type, client_id: id } = body;
  if (type === undefined || id === undefined) throw new OauthRefusal('invalid_request');
  if (type === deviceCodeGrant) {
    if (body.device_code === undefined) throw new OauthRefusal('invalid_request');
    return oauth.redeem({ clientId: id, deviceCode: body.device_code }, from);
  }
  if (type !== 'refresh_token') throw new OauthRefusal('unsupported_grant_type');
  if (body.refresh_token === undefined) throw new OauthRefusal('invalid_request');
  const scopes = body.scope === undefined ? {} : { scopes: scopeList(body.scope) };
  return oauth.refresh({ clientId: id, refreshToken: body.refresh_token, ...scopes }, from);
}

/** Scopes as OAuth writes them: in one text, with blanks between them (RFC 6749, section 3.3). */
function scopeList(scope: string | readonly string[]): readonly string[] {
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : scope;
}

function tokensShape(tokens: OauthTokens): z.output<typeof tokenAnswer> {
  return {
    access_token: tokens.accessToken, token_type: 'Bearer', expires_in: tokens.expiresInSeconds, refresh_token: tokens.refreshToken,
    scope: tokens.scopes.join(' '), permissions: [...tokens.permissions],
  };
}

/** OAuth's own clients send forms; a parameter that comes twice is an error (RFC 6749, section 3.1). */
export function takeForms(app: App): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, async (_request: unknown, body: string) => {
    const fields = new URLSearchParams(body);
    const names = [...fields.keys()];
    if (new Set(names).size !== names.length) throw new OauthRefusal('invalid_request');
    return Object.fromEntries(fields);
  });
}

const oauthScope = z.enum(Object.keys(oauthScopes) as [OauthScope, ...OauthScope[]]);
const newClient = z.object({ client_id: clientId, name: text({ min: 1, max: 100 }), scope: z.array(oauthScope).min(1).max(20) });
const clientAnswer = z.object({ client_id: z.string(), name: z.string(), scope: z.array(oauthScope), created_at: z.string() });
const clientPath = z.object({ client_id: clientId });
const grantAnswer = z.object({
  id: z.string(), client_id: z.string(), client_name: z.string(), scope: z.array(oauthScope), device_info: device,
  created_at: z.string(), last_used_at: z.string(), expires_at: z.string(),
});
const grantPath = z.object({ grant_id: text({ min: 1, max: 255 }) });
const done = z.object({ success: z.literal(true) });

/** For administrators: which programs may ask. */
export function registerClients(scope: DialectScope, parts: UltimateParts): void {
  const { oauth } = parts.accounts;
  everyVersion('/api/v4/auth/oauth/clients', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'Addition: the programs that may ask for access. Administrators only', response: { 200: z.object({ success: z.literal(true), clients: z.array(clientAnswer) }) } } }, async (request) => ({
      success: true as const, clients: (await oauth.clients(viewerFrom(request))).map(clientShape),
    }));
    scope.post(url, { schema: { hide, summary: 'Addition: lets a program ask for access. Administrators only', body: newClient, response: { 201: clientAnswer } } }, async (request, reply) => {
      const { client_id, name, scope: scopes } = request.body;
      return reply.code(201).send(clientShape(await oauth.addClient(viewerFrom(request), { id: client_id, name, scopes })));
    });
  });
  everyVersion('/api/v4/auth/oauth/clients/:client_id', (url, hide) => {
    scope.delete(url, { schema: { hide, summary: 'Addition: removes a program with everything that was granted to it. Administrators only', params: clientPath, response: { 200: done } } }, async (request) => {
      await oauth.removeClient(viewerFrom(request), request.params.client_id);
      return { success: true as const };
    });
  });
}

/** For everybody: what they have granted. */
export function registerGrants(scope: DialectScope, parts: UltimateParts): void {
  const { oauth } = parts.accounts;
  everyVersion('/api/v4/auth/oauth/grants', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'Addition: programs that the caller has given access', response: { 200: z.object({ success: z.literal(true), grants: z.array(grantAnswer) }) } } }, async (request) => ({
      success: true as const, grants: (await oauth.grants(viewerFrom(request))).map(grantShape),
    }));
  });
  everyVersion('/api/v4/auth/oauth/grants/:grant_id', (url, hide) => {
    scope.delete(url, { schema: { hide, summary: 'Addition: takes the access away again', params: grantPath, response: { 200: done } } }, async (request) => {
      await oauth.endGrant(viewerFrom(request), request.params.grant_id);
      return { success: true as const };
    });
  });
}

function clientShape({ id, name, scopes, createdAt }: OauthClient): z.output<typeof clientAnswer> {
  return { client_id: id, name, scope: [...scopes], created_at: isoTime(createdAt) };
}

function grantShape(grant: OauthGrant): z.output<typeof grantAnswer> {
  return {
    id: grant.id, client_id: grant.client.id, client_name: grant.client.name, scope: [...grant.scopes], device_info: grant.device,
    created_at: isoTime(grant.createdAt), last_used_at: isoTime(grant.lastUsedAt), expires_at: isoTime(grant.expiresAt),
  };
}
