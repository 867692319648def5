import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import { registerUser, sendRequest, type TestUser } from '../../src/dialects/testing.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { startStandIn, type StandIn } from '../stand-in/index.ts';

/** A whole server as `npm start` makes it, with a stand-in for OpenAI that records what reaches it. */
export interface ContractWorld {
  url: string;
  port: number;
  parts: Parts;
  standIn: StandIn;
  /** A user with an own key for OpenAI; the first one is the owner. */
  user(name: string): Promise<TestUser>;
  /** A user without any key. */
  userWithoutKey(name: string): Promise<TestUser>;
  stop(): Promise<void>;
}

/** @param settings more settings, by the names of the table in src/config.ts; or what makes them of the address of the stand-in */
export async function startContractWorld(settings: Record<string, string> | ((standInUrl: string) => Record<string, string>) = {}): Promise<ContractWorld> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-contract-'));
  const standIn = await startStandIn();
  const parts = createParts(readConfig({
    PORT: '0', DATA_DIR: dataDir, OLLAMA_URLS: 'off', LOG_LEVEL: 'silent', DRAIN_SECONDS: '0', OPENAI_BASE_URL: `${standIn.url}/v1`, LOCAL_TRUST: 'off',
    REGISTRATION: 'open', LIMIT_LOGINS_PER_MINUTE: '10000', LIMIT_REQUESTS_PER_MINUTE: '100000', LIMIT_SOCKETS_PER_ADDRESS: '1000',
    ...(typeof settings === 'function' ? settings(standIn.url) : settings),
  }));
  await parts.start();
  const { port } = parts.http.addresses()[0]!;
  const url = `http://127.0.0.1:${port}`;
  const users = new Map<string, Promise<TestUser>>();
  const first = async (): Promise<void> => {
    // The set-up code admits the owner where local trust is off.
    const code = parts.accounts.setupCode();
    if (code !== null) await sendRequest(url, 'POST', '/api/auth/register', { body: { username: 'owner', password: 'owner-secret-1', email: 'owner@example.com', name: 'Owner', code } });
  };
  const withoutKey = (name: string): Promise<TestUser> => {
    const known = users.get(name) ?? registerUser(url, name);
    users.set(name, known);
    return known;
  };
  await first();
  return {
    url, port, parts, standIn,
    userWithoutKey: withoutKey,
    async user(name) {
      const user = await withoutKey(name);
      await parts.accounts.setProviderKey(user.userId, 'openai', `sk-key-of-${name}-0123456789`);
      return user;
    },
    async stop() {
      await parts.stop();
      await standIn.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
