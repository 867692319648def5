import type { IncomingHttpHeaders } from 'node:http';
import type { Part } from '../../base/lifecycle.ts';
import type { Oauth } from './oauth/types.ts';
import type { Credentials, Role, Scope, Viewer } from './viewer.ts';

export type { Credentials, PeerSocket, Role, Scope, Viewer } from './viewer.ts';

export interface User {
  id: string;
  username: string;
  email: string | null;
  name: string | null;
  role: Role;
  /** False only for an owner row nobody has claimed yet. */
  claimed: boolean;
  createdAt: number;
  disabledAt: number | null;
}

/** What a dialect accepts. */
export interface AuthenticationPolicy {
  /** Whether a request without credentials may act as the owner under local trust (DESIGN section 7). */
  localTrust: boolean;
  /** Whether the session cookie counts. */
  cookie: boolean;
  /**
   * What unsafe methods by cookie need: `token`, the CSRF header `x-csrf-token` (default); or `same-origin`, that header or
   * a request of which the browser says that a page of this very origin sent it. For documents whose own clients send no
   * such header, and only where bodies must be JSON.
   */
  csrf?: 'token' | 'same-origin';
}

export interface RegistrationRequest {
  username: string;
  password: string;
  email: string | null;
  name: string | null;
  /** The set-up code or an invite code. */
  code?: string | null;
}

export interface SignIn {
  user: User;
  /** JWT for `Authorization: Bearer` and for the session cookie. */
  token: string;
  /** What requests by cookie must repeat in the header `x-csrf-token`; the page finds it in the cookie `parley_csrf`. */
  csrfToken: string;
  tokenId: string;
  /** Whole seconds, as `iat` of the token says it. */
  issuedAt: number;
  expiresAt: number;
}

/** A token that a program asks for. */
export interface TokenWish {
  scopes: readonly Scope[];
  /** What the program calls itself; kept to tell tokens apart. */
  client: string;
}

export interface IssuedToken {
  token: string;
  scopes: readonly Scope[];
  /** Seconds from `iat` to `exp`. */
  expiresInSeconds: number;
}

/** A sign-in that is used. */
export interface ActiveSession {
  username: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  lastUsedAt: number;
}

/** Users, their credentials and what they may. Implemented by `createAccounts`. */
export interface Accounts extends Part {
  /**
   * Who sent this; null when it carries no credentials and none are trusted.
   * @throws {ParleyError} `unauthorized` for a credential that is not valid (never falls back to local trust),
   * `csrf_failed`, `origin_refused`.
   */
  authenticate(credentials: Credentials, policy: AuthenticationPolicy): Promise<Viewer | null>;
  /** Whether local trust holds for this request, and, if not, which condition failed (for the log and `doctor`). */
  localTrust(credentials: Credentials): { trusted: true } | { trusted: false; reason: string };
  /** Why no request at all can be trusted under these settings, for the terminal; null when some can. */
  readonly localTrustOff: string | null;
  /** Whether the Origin header (when there is one) may talk to us with cookies or local trust. */
  originAllowed(headers: IncomingHttpHeaders): boolean;
  /**
   * Makes an account; the first one claims the owner's row with all its data.
   * @throws {ParleyError} `username_taken`, `validation_failed`, `registration_closed`, `setup_code_required`, `rate_limited`.
   */
  register(request: RegistrationRequest, from: Credentials): Promise<SignIn>;
  /** @throws {ParleyError} `invalid_credentials` (same body and about the same time for an unknown user), `rate_limited`. */
  login(username: string, password: string, from: Credentials): Promise<SignIn>;
  /** A session for a viewer who is already proven (the page under local trust). */
  signInAs(viewer: Viewer, from: Credentials): Promise<SignIn>;
  /**
   * A short-lived token for a program, made with the viewer's credential: it may no more than that one, lasts no longer, and
   * ends with it. Of the scopes asked for, those are given that the viewer has.
   * @throws {ParleyError} `forbidden` when that is none, `unauthorized`, `rate_limited`
   */
  issueToken(viewer: Viewer, wish: TokenWish): Promise<IssuedToken>;
  /** Access for other people's programs, by OAuth 2.0. */
  readonly oauth: Oauth;
  /** Revokes the viewer's token. It is dead everywhere at once, and after a restart. */
  logout(viewer: Viewer): Promise<void>;
  /** Tells of every credential that has just been revoked (logout, disabling, demotion, key removal), so that sockets close. */
  onRevoked(listener: (revoked: { userId: string; credentialId: string | null }) => void): () => void;
  owner(): Promise<User>;
  user(id: string): Promise<User | null>;
  findUser(username: string): Promise<User | null>;
  /** Newest last. Admin only in the dialects; the CLI uses it directly. */
  users(): Promise<User[]>;
  createUser(request: RegistrationRequest & { role: 'admin' | 'user' }): Promise<User>;
  setRole(userId: string, role: 'admin' | 'user'): Promise<void>;
  setDisabled(userId: string, disabled: boolean): Promise<void>;
  /** Ends all sign-ins of the user. For the operator: who asks is not checked. */
  setPassword(userId: string, password: string): Promise<void>;
  /**
   * A code that admits one registration, shown once. Only admins may invite.
   * @param role what the new account becomes; default `user`
   * @param lifetimeMs default 7 days, at most 90
   */
  createInvite(userId: string, role?: 'admin' | 'user', lifetimeMs?: number): Promise<{ code: string; expiresAt: number }>;
  /** The whole key is returned once and stored only as a hash. */
  createApiKey(userId: string, name: string, scopes?: readonly Scope[], expiresAt?: number | null): Promise<{ id: string; key: string; prefix: string }>;
  apiKeys(userId: string): Promise<{ id: string; name: string; prefix: string; createdAt: number; lastUsedAt: number | null }[]>;
  revokeApiKey(userId: string, keyId: string): Promise<void>;
  /**
   * A credential with which a process of this server calls it back for a user: for one request to /v1 within a minute, with the
   * scope `chat` alone. Such calls are a part of one that is counted already, and are not counted again.
   */
  internalCredential(userId: string): { token: string; revoke(): void };
  setProviderKey(userId: string, provider: string, key: string): Promise<void>;
  removeProviderKey(userId: string, provider: string): Promise<boolean>;
  /** Masked. */
  providerKeys(userId: string): Promise<{ provider: string; hint: string; createdAt: number }[]>;
  /** In clear, for the model registry only; null when none is set. */
  providerKey(userId: string, provider: string): Promise<string | null>;
  /**
   * New keys for tokens and encryption; provider keys are encrypted again with them. Tokens stay valid unless
   * `endSignIns` is set, which is right after the secrets have leaked. API keys and passwords do not depend on secrets.
   */
  rotateSecrets(options?: { endSignIns?: boolean }): Promise<{ reencrypted: number }>;
  /**
   * Makes the secrets of this machine those of the database, when the ones it had are lost. Sign-ins end by it, and kept
   * provider keys cannot be read any more; those of another ENCRYPTION_KEY are deleted, and counted in the answer. May be
   * called before `start`, which refuses other secrets.
   */
  acceptSecrets(): Promise<{ forgotten: number }>;
  /**
   * Sign-ins that were used within the last `withinMs`, newest use first, at most `limit` of them; `count` is of all. What
   * other instances saw is known up to a minute late. @throws {ParleyError} `forbidden` for anyone but administrators
   */
  activeSessions(viewer: Viewer, withinMs: number, limit: number): Promise<{ count: number; sessions: ActiveSession[] }>;
  /** How registration stands, for the page: who may, whether the owner is unclaimed, whether a code is needed. */
  registration(): Promise<{ mode: 'open' | 'invite' | 'closed'; ownerClaimed: boolean }>;
  /** The set-up code printed at start while the owner is unclaimed and local trust is off; null otherwise. */
  setupCode(): string | null;
}
