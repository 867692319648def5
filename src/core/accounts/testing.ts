import type { IncomingHttpHeaders } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { createLocalBus } from '../../base/events/index.ts';
import { createLocalLimiter } from '../../base/limits/index.ts';
import { createMetrics, silentLog } from '../../base/observability/index.ts';
import { openSecrets, type Secrets } from '../../base/secrets.ts';
import type { Engine } from '../../base/storage/index.ts';
import { openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import { createAccounts } from './accounts.ts';
import { createPasswordHasher, type PasswordHasher } from './passwords.ts';
import type { AccountSettings } from './settings.ts';
import type { Accounts, AuthenticationPolicy, Credentials } from './types.ts';

/** A clock that stands still until it is moved. */
export interface TestClock extends Clock {
  advance(milliseconds: number): void;
}

export function createTestClock(): TestClock {
  let now = Date.UTC(2030, 0, 1);
  return {
    now: () => now,
    monotonic: () => now,
    advance(milliseconds) {
      now += milliseconds;
    },
  };
}

/**
 * Real argon2id at the least cost there is. The recommended one takes 35 ms of a processor for every account that a test
 * makes; passwords.test.ts and login.test.ts try that.
 */
export function cheapPasswords(): PasswordHasher {
  return createPasswordHasher({ memory: 8, passes: 1, parallelism: 1 });
}

export const defaultSettings: AccountSettings = {
  host: '127.0.0.1', redisUrl: null, publicUrl: null, trustProxy: false, localTrust: true, allowedOrigins: [], registration: null,
  tokenLifetimeMs: 3_600_000, limits: { loginsPerMinute: 1000, tokensPerHour: 120, oauthPerMinute: 60 },
};

export interface TestAccounts {
  accounts: Accounts;
  clock: TestClock;
  secrets: Secrets;
  database: TestStorage;
  /** The same rows and secrets in another process: nothing of the first one's memory. */
  restart(settings?: Partial<AccountSettings>): Promise<Accounts>;
  close(): Promise<void>;
}

export async function startTestAccounts(engine: Engine, settings: Partial<AccountSettings> = {}, passwords = cheapPasswords()): Promise<TestAccounts> {
  const clock = createTestClock();
  const database = await openTestStorage(engine);
  const running: Accounts[] = [];
  const start = async (changes: Partial<AccountSettings>): Promise<Accounts> => {
    const accounts = createAccounts({
      storage: database.storage, secrets: openSecrets(database.dataDir), limiter: createLocalLimiter(clock),
      bus: createLocalBus((error) => { throw error; }), clock, log: silentLog(),
      metrics: createMetrics(), settings: { ...defaultSettings, ...settings, ...changes }, passwords,
    });
    await accounts.start?.();
    running.push(accounts);
    return accounts;
  };
  return {
    accounts: await start({}),
    clock,
    secrets: openSecrets(database.dataDir),
    database,
    restart: (changes = {}) => start(changes),
    async close() {
      for (const accounts of running) await accounts.stop?.();
      await database.close();
    },
  };
}

/** A request from another machine, which nothing is believed of but its credentials. */
export function requestWith(headers: IncomingHttpHeaders = {}, rest: Partial<Credentials> = {}): Credentials {
  return {
    headers: { host: 'chat.example', ...headers }, method: 'GET',
    socket: { remoteAddress: '192.0.2.7', remotePort: 40_000, localAddress: '192.0.2.1', localPort: 8080 }, ...rest,
  };
}

/** A real connection between two sockets of this process, for local trust. */
export interface LocalConnection {
  /** The server's end. */
  socket: Socket;
  close(): void;
}

export async function openLocalConnection(): Promise<LocalConnection> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const socket = await new Promise<Socket>((resolve) => server.on('connection', resolve));
  return {
    socket,
    close() {
      client.destroy();
      socket.destroy();
      server.close();
    },
  };
}

export const everything: AuthenticationPolicy = { localTrust: true, cookie: true };

/** A registration that is right in every field. */
export function registrationOf(username: string, code: string | null = null) {
  return { username, password: `${username}-secret-1`, email: `${username}@example.com`, name: username, code };
}
