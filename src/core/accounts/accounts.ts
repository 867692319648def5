import type { Clock } from '../../base/clock.ts';
import type { Bus } from '../../base/events/index.ts';
import type { Limiter } from '../../base/limits/index.ts';
import type { Log, Metrics } from '../../base/observability/index.ts';
import type { Secrets } from '../../base/secrets.ts';
import type { Storage } from '../../base/storage/index.ts';
import { createApiKeys, type ApiKeys } from './api-keys.ts';
import { createAuthenticate } from './authentication.ts';
import { createCredentialCache } from './credential-cache.ts';
import { createInternalTokens } from './internal-tokens.ts';
import { createInvites } from './invites.ts';
import { createIssuedTokens } from './issued-tokens.ts';
import { createLocalTrust } from './local-trust.ts';
import { createLogin } from './login.ts';
import { createOauth } from './oauth/index.ts';
import { createOriginRules } from './origins.ts';
import { createPasswordHasher, type PasswordHasher } from './passwords.ts';
import { createProviderKeys, type ProviderKeys } from './provider-keys.ts';
import { createRegistration } from './registration.ts';
import { createRevocationWatch } from './revocation-watch.ts';
import { createRevocations } from './revocations.ts';
import { scopesOfRole } from './scopes.ts';
import { createSecretsGuard } from './secrets-guard.ts';
import { createSessionUse } from './session-use.ts';
import { createSessions, type Sessions } from './sessions.ts';
import type { AccountSettings } from './settings.ts';
import { newSetupCode, sharedSetupCode } from './setup-code.ts';
import { createSignInLimit } from './sign-in-limit.ts';
import { createTokens } from './tokens.ts';
import type { Accounts, User, Viewer } from './types.ts';
import { createUsers, userOf, type Users } from './users.ts';
import { checkPassword } from './validation.ts';

export interface AccountsParts {
  /** Started before accounts are. */
  storage: Storage;
  secrets: Secrets;
  limiter: Limiter;
  bus: Bus;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  settings: AccountSettings;
  /** In place of the hasher of every server, for tests: theirs are cheap. */
  passwords?: PasswordHasher;
}

/** @throws {Error} when ALLOWED_ORIGINS or PUBLIC_URL holds what is no address */
export function createAccounts({ storage, secrets, limiter, bus, clock, log, metrics, settings, passwords = createPasswordHasher() }: AccountsParts): Accounts {
  const cache = createCredentialCache(clock.monotonic);
  const revocations = createRevocations(cache, log, bus);
  const origins = createOriginRules(settings);
  const localTrust = createLocalTrust(settings, origins);
  const users = createUsers({ storage, clock, revocations });
  const sessions = createSessions({ storage, tokens: createTokens(secrets), clock, revocations, lifetimeMs: settings.tokenLifetimeMs });
  const sessionUse = createSessionUse({ storage, clock, log });
  const apiKeys = createApiKeys({ storage, clock, log, users, revocations, sessions });
  const providerKeys = createProviderKeys({ storage, secrets, clock, log, bus });
  const internalTokens = createInternalTokens({ users, clock });
  const invites = createInvites({ storage, clock, users });
  const setupCodeOf = (ownerId: string): string => (settings.redisUrl === null ? newSetupCode() : sharedSetupCode(secrets.signingKeys().current.key, ownerId));
  const registration = createRegistration({ storage, clock, settings, users, invites, passwords, localTrust, newSetupCode: setupCodeOf });
  const revocationWatch = createRevocationWatch({ storage, bus, clock, log, revocations });
  const secretsGuard = createSecretsGuard({ storage, secrets, bus, log });
  const owner = createOwnerViewer(users, clock);
  const signIns = createLogin({ storage, users, sessions, registration, passwords, origins, limit: createSignInLimit(limiter, settings, metrics), afterClaim: owner.forget });

  return {
    name: 'accounts',
    async start() {
      await secretsGuard.start();
      await providerKeys.refuseOtherKey();
      await users.ensureOwner();
      await registration.start();
      await revocationWatch.start();
      // A rotation by hand, or one that broke off, left provider keys to an old key. They can be read all the same.
      await providerKeys.reencrypt().catch((error: unknown) => log.warn({ err: error }, 'Provider keys could not be encrypted with the new key'));
    },
    async stop() {
      await secretsGuard.stop();
      await revocationWatch.stop();
      await Promise.all([apiKeys.settle(), sessionUse.settle()]);
    },
    authenticate: createAuthenticate({ cache, sessions, apiKeys, sessionUse, internalTokens, localTrust, origins, clock, ownerViewer: owner.viewer }),
    localTrust: (credentials) => localTrust.check(credentials),
    localTrustOff: localTrust.impossible,
    originAllowed: (headers) => origins.allowedWithCookie(headers),
    ...signIns,
    ...programAccess({ storage, secrets, limiter, metrics, clock, sessions, settings, users }),
    onRevoked: (listener) => revocations.onRevoked(listener),
    ...userMethods(users),
    createUser: async (request) => userOf(await registration.create(request)),
    setRole: (userId, role) => users.setRole(userId, role),
    setDisabled: (userId, disabled) => users.setDisabled(userId, disabled),
    async setPassword(userId, password) {
      checkPassword(password);
      await users.setPasswordHash(userId, await passwords.hash(password));
      if ((await users.owner()).claimed) registration.ownerClaimed();
    },
    createInvite: (...parameters) => invites.create(...parameters),
    internalCredential: (userId) => internalTokens.issue(userId),
    ...keyMethods(apiKeys, providerKeys),
    async rotateSecrets(options = {}) {
      await secretsGuard.rotate(options.endSignIns ?? false);
      if (options.endSignIns) await users.endAllSignIns();
      return { reencrypted: await providerKeys.reencrypt() };
    },
    activeSessions: (...parameters) => sessionUse.activeSessions(...parameters),
    async acceptSecrets() {
      await secretsGuard.record();
      return { forgotten: await providerKeys.forgetOtherKey() };
    },
    registration: async () => ({ mode: registration.mode, ownerClaimed: (await users.owner()).claimed }),
    setupCode: () => registration.setupCode(),
  };
}

/** What programs get: short-lived tokens, and what people grant them. */
function programAccess({ users, settings, ...parts }: Pick<AccountsParts, 'storage' | 'secrets' | 'limiter' | 'metrics' | 'clock' | 'settings'> & { sessions: Sessions; users: Users }): Pick<Accounts, 'issueToken' | 'oauth'> {
  return {
    ...createIssuedTokens({ ...parts, users, perHour: settings.limits.tokensPerHour }),
    oauth: createOauth({ ...parts, trustProxy: settings.trustProxy, perMinute: settings.limits.oauthPerMinute }),
  };
}

function keyMethods(apiKeys: ApiKeys, providerKeys: ProviderKeys): Pick<Accounts, 'createApiKey' | 'apiKeys' | 'revokeApiKey' | 'setProviderKey' | 'removeProviderKey' | 'providerKeys' | 'providerKey'> {
  return {
    createApiKey: (...parameters) => apiKeys.create(...parameters),
    apiKeys: (userId) => apiKeys.list(userId),
    revokeApiKey: (userId, keyId) => apiKeys.revoke(userId, keyId),
    setProviderKey: (userId, provider, key) => providerKeys.set(userId, provider, key),
    removeProviderKey: (userId, provider) => providerKeys.remove(userId, provider),
    providerKeys: (userId) => providerKeys.list(userId),
    providerKey: (userId, provider) => providerKeys.get(userId, provider),
  };
}

function userMethods(users: Users): Pick<Accounts, 'owner' | 'user' | 'findUser' | 'users'> {
  return {
    owner: () => users.owner(),
    user: async (id) => userOrNull(await users.byId(id)),
    findUser: async (username) => userOrNull(await users.byName(username)),
    users: () => users.list(),
  };
}

function userOrNull(row: Parameters<typeof userOf>[0] | null): User | null {
  return row && userOf(row);
}

/** How long the owner's row is believed: the command line may give the owner another name meanwhile. */
const ownerReadEveryMs = 10_000;

/** The viewer of local trust. */
function createOwnerViewer(users: Users, clock: Clock): { viewer: () => Promise<Viewer>; forget: () => void } {
  let known: { viewer: Promise<Viewer>; readAt: number } | null = null;
  const read = async (): Promise<Viewer> => {
    const owner = await users.owner();
    return Object.freeze({
      userId: owner.id, username: owner.username, role: owner.role, scopes: Object.freeze([...scopesOfRole(owner.role)]),
      via: 'local-trust', credentialId: null, expiresAt: null,
    });
  };
  const forget = (): void => {
    known = null;
  };
  return {
    forget,
    viewer() {
      if (!known || clock.monotonic() - known.readAt >= ownerReadEveryMs) {
        known = { viewer: read(), readAt: clock.monotonic() };
        known.viewer.catch(forget);
      }
      return known.viewer;
    },
  };
}
