export type * from './types.ts';
export { createAccounts, type AccountsParts } from './accounts.ts';
export { clearedSessionCookies, csrfCookieName, csrfHeaderName, sessionCookieName, sessionCookies } from './cookies.ts';
export { mayAdminister, scopesOfRole } from './scopes.ts';
export { OauthRefusal, oauthScopes, type DeviceAuthorization, type Oauth, type OauthClient, type OauthErrorName, type OauthGrant, type OauthScope, type OauthTokens, type WaitingRequest } from './oauth/index.ts';
export type { AccountSettings } from './settings.ts';
export { addressOf } from './sign-in-limit.ts';
export { isUsername, usernameKey } from './validation.ts';
