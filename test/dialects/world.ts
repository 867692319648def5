import { mkdtemp, rm, cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import { registerUser, sendRequest, type TestUser } from '../../src/dialects/testing.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { createDatabase } from '../instances/database.ts';
import { startStandIn, type StandIn } from '../stand-in/index.ts';

/** One running server. */
export interface Server {
  url: string;
  port: number;
  parts: Parts;
}

/** One server, or two over the same database and Redis, and the model service that they ask. */
export interface DialectWorld {
  /** Where a client is at first. */
  here: Server;
  /** Where it comes back, and where others are: another instance, or the same one. */
  there: Server;
  standIn: StandIn;
  user(name: string): Promise<TestUser>;
  stop(): Promise<void>;
}

/** The model that answers, by all its names. */
export const spoken = { provider: 'openai', name: 'gpt-4o', id: 'openai/gpt-4o' } as const;

/** A model of Ollama's, which the stand-in speaks for as well. */
export const spokenByOllama = 'ollama/llama2:latest';

/** @param instances two need DATABASE_URL_TEST and REDIS_URL_TEST */
export async function startDialectWorld(instances: 1 | 2, settings: Record<string, string> = {}): Promise<DialectWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-dialects-'));
  const standIn = await startStandIn();
  const database = instances === 1 ? null : await createDatabase();
  const shared = database === null ? {} : { DATABASE_URL: database.url, REDIS_URL: process.env['REDIS_URL_TEST']! };
  const servers: Server[] = [];
  for (let index = 0; index < instances; index += 1) {
    const dataDir = join(folder, `data-${index}`);
    // Instances have their secrets in common.
    if (index > 0) await cp(join(folder, 'data-0', 'secrets.json'), join(dataDir, 'secrets.json'));
    const parts = createParts(readConfig({
      PORT: '0', DATA_DIR: dataDir, OLLAMA_URLS: standIn.url, LOG_LEVEL: 'silent', DRAIN_SECONDS: '0', LOCAL_TRUST: 'off', REGISTRATION: 'open',
      OPENAI_BASE_URL: `${standIn.url}/v1`, DEFAULT_MODEL: spoken.id, LIMIT_LOGINS_PER_MINUTE: '10000', LIMIT_REQUESTS_PER_MINUTE: '100000',
      LIMIT_SOCKETS_PER_ADDRESS: '1000', ...shared, ...settings,
    }));
    await parts.start();
    const { port } = parts.http.addresses()[0]!;
    servers.push({ url: `http://127.0.0.1:${port}`, port, parts });
  }
  const [here, there = here] = servers as [Server, Server?];
  const code = here.parts.accounts.setupCode();
  await sendRequest(here.url, 'POST', '/api/auth/register', { body: { username: 'owner', password: 'owner-secret-1', email: 'owner@example.com', name: 'Owner', ...(code === null ? {} : { code }) } });
  const users = new Map<string, Promise<TestUser>>();
  const newUser = async (name: string): Promise<TestUser> => {
    const user = await registerUser(here.url, name);
    await here.parts.accounts.setProviderKey(user.userId, spoken.provider, `sk-key-of-${name}-0123456789`);
    return user;
  };
  return {
    here, there, standIn,
    user(name) {
      const known = users.get(name) ?? newUser(name);
      users.set(name, known);
      return known;
    },
    async stop() {
      for (const { parts } of servers) await parts.stop();
      await standIn.close();
      await database?.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
