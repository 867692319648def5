import type { Credentials, Scope, Viewer } from '../viewer.ts';

/** What a program may ask for, and the permission it becomes. */
export const oauthScopes = { chat: 'chat', inference: 'write', p2p: 'p2p', monitoring: 'read' } as const satisfies Record<string, Scope>;

export type OauthScope = keyof typeof oauthScopes;

/** A program that may ask for access. It has no secret: what it gets, it gets by somebody's approval alone. */
export interface OauthClient {
  /** `client_id`: 1 to 100 letters, digits, `.`, `_`, `-`. */
  id: string;
  /** For people, 1 to 100 characters. */
  name: string;
  scopes: readonly OauthScope[];
  createdAt: number;
}

/** What a program says of the device it runs on; nothing of it is believed, it is only shown. */
export interface OauthDevice {
  platform?: string;
  version?: string;
  device_id?: string;
}

/** What a program is told that asks for access (RFC 8628, section 3.2). */
export interface DeviceAuthorization {
  deviceCode: string;
  /** Eight letters with a hyphen, such as `WDJB-MJHT`. */
  userCode: string;
  expiresInSeconds: number;
  /** Least seconds between two questions. */
  intervalSeconds: number;
  /** What would be granted. */
  scopes: readonly OauthScope[];
}

/** What somebody is shown before they decide. */
export interface WaitingRequest {
  client: { id: string; name: string };
  /** What approving would grant: no more than who looks may do. */
  scopes: readonly OauthScope[];
  device: OauthDevice;
  createdAt: number;
  expiresAt: number;
}

/** Tokens of a grant (RFC 6749, section 5.1). */
export interface OauthTokens {
  accessToken: string;
  refreshToken: string;
  expiresInSeconds: number;
  scopes: readonly OauthScope[];
  permissions: readonly Scope[];
}

/** What a user has granted to a program. */
export interface OauthGrant {
  id: string;
  client: { id: string; name: string };
  scopes: readonly OauthScope[];
  device: OauthDevice;
  createdAt: number;
  lastUsedAt: number;
  expiresAt: number;
}

/**
 * OAuth 2.0 for programs that cannot show a sign-in of their own: the device authorization grant (RFC 8628) with
 * refresh tokens that change with every use (RFC 9700, section 4.14). Everything is in the database: any instance goes
 * on with what another began, also after a restart.
 */
export interface Oauth {
  /** @throws {ParleyError} `forbidden` for anyone but administrators, `conflict` for a name that is taken, `validation_failed` */
  addClient(viewer: Viewer, client: Pick<OauthClient, 'id' | 'name' | 'scopes'>): Promise<OauthClient>;
  /** @throws {ParleyError} `forbidden` for anyone but administrators */
  clients(viewer: Viewer): Promise<OauthClient[]>;
  /** Removes a program, with everything that was granted to it. @throws {ParleyError} `forbidden`, `not_found` */
  removeClient(viewer: Viewer, id: string): Promise<void>;
  /** Begins to ask for access: without scopes for all that the client is registered for. @throws {OauthRefusal} `invalid_client`, `invalid_scope`; {ParleyError} `rate_limited` */
  begin(request: { clientId: string; scopes?: readonly string[]; device: OauthDevice }, from: Credentials): Promise<DeviceAuthorization>;
  /** What waits under a code that a person has typed. @throws {ParleyError} `not_found`, also when it has expired or was decided; `forbidden`, `rate_limited` */
  waiting(viewer: Viewer, userCode: string): Promise<WaitingRequest>;
  /** Approves or denies what `waiting` has shown. @throws {ParleyError} as `waiting` */
  decide(viewer: Viewer, userCode: string, approve: boolean): Promise<WaitingRequest>;
  /** A value that the page of an approval carries, and that is needed to decide: bound to who looks and to the code. */
  approvalToken(viewer: Viewer, userCode: string): string;
  isApprovalToken(viewer: Viewer, userCode: string, token: string): boolean;
  /**
   * The tokens, once somebody has approved; the device code is used up by it.
   * @throws {OauthRefusal} `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, `invalid_grant`, `invalid_client`; {ParleyError} `rate_limited`
   */
  redeem(request: { clientId: string; deviceCode: string }, from: Credentials): Promise<OauthTokens>;
  /**
   * New tokens for a refresh token, which is used up by it. One that is used again ends the whole grant: somebody else may have it.
   * @throws {OauthRefusal} `invalid_grant`, `invalid_client`, `invalid_scope`; {ParleyError} `rate_limited`
   */
  refresh(request: { clientId: string; refreshToken: string; scopes?: readonly string[] }, from: Credentials): Promise<OauthTokens>;
  /** Ends the grant of a refresh or access token (RFC 7009); also one that is nobody's is no error. @throws {ParleyError} `rate_limited` */
  revokeToken(request: { clientId: string; token: string }, from: Credentials): Promise<void>;
  /** Newest first. */
  grants(viewer: Viewer): Promise<OauthGrant[]>;
  /** @throws {ParleyError} `not_found` */
  endGrant(viewer: Viewer, id: string): Promise<void>;
}
