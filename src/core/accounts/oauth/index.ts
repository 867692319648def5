import { createClients } from './clients.ts';
import { createGrants } from './grants.ts';
import type { OauthParts } from './parts.ts';
import { createRequests } from './requests.ts';
import type { Oauth } from './types.ts';

export { OauthRefusal, type OauthErrorName } from './refusal.ts';
export { oauthScopes, type DeviceAuthorization, type Oauth, type OauthClient, type OauthDevice, type OauthGrant, type OauthScope, type OauthTokens, type WaitingRequest } from './types.ts';

/** OAuth 2.0 over one database. */
export function createOauth(parts: OauthParts): Oauth {
  return { ...createClients(parts), ...createRequests(parts), ...createGrants(parts) };
}
