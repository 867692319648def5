import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../src/base/observability/index.ts';
import { readConfig } from '../../src/config.ts';
import { registerUser, sendRequest, type Json, type TestUser } from '../../src/dialects/testing.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { startStandIn, type StandIn, type StandInOptions } from '../stand-in/index.ts';

/** A whole server over several stand-ins for Ollama. */
export interface PoolWorld {
  url: string;
  port: number;
  parts: Parts;
  servers: StandIn[];
  /** The first user: an administrator. */
  owner: TestUser;
  ann: TestUser;
  status(): Promise<Json>;
  /** Of one instance in the status. */
  details(server: StandIn): Promise<Json>;
  /** Stops the server and starts it again on the same data; sockets and addresses of before are gone. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export function idOf(server: StandIn): string {
  return new URL(server.url).host;
}

export async function startPoolWorld(count: number, options: StandInOptions = {}, settings: Record<string, string> = {}): Promise<PoolWorld> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-pool-'));
  const servers = await Promise.all(Array.from({ length: count }, () => startStandIn(options)));
  const config = readConfig({
    PORT: '0', DATA_DIR: dataDir, OLLAMA_URLS: servers.map(({ url }) => url).join(',') || 'off', DRAIN_SECONDS: '0', REGISTRATION: 'open', LOCAL_TRUST: 'off',
    LIMIT_REQUESTS_PER_MINUTE: '100000', LIMIT_LOGINS_PER_MINUTE: '10000', MODEL_TIMEOUT: '5', ...settings,
  });
  const open = async () => {
    const parts = createParts(config, { log: silentLog() });
    await parts.start();
    const { port } = parts.http.addresses()[0]!;
    return { parts, port, url: `http://127.0.0.1:${port}` };
  };
  const opened = await open();
  const { parts, url } = opened;
  const ownerBody = { username: 'owner', password: 'owner-secret-1', email: 'owner@example.com', name: 'Owner', code: parts.accounts.setupCode() };
  const registered = await sendRequest(url, 'POST', '/api/auth/register', { body: ownerBody });
  const owner = { username: 'owner', password: 'owner-secret-1', userId: (await parts.accounts.owner()).id, token: registered.json.access_token, headers: { authorization: `Bearer ${registered.json.access_token}` } };
  const ann = await registerUser(url, 'ann');
  const status = async (): Promise<Json> => (await sendRequest(world.url, 'GET', '/api/v4/ai/ollama/status', { as: ann })).json;
  const world: PoolWorld = {
    ...opened, servers, owner, ann, status,
    async restart() {
      await world.parts.stop();
      Object.assign(world, await open());
    },
    details: async (server) => (await status()).instance_details.find((instance: Json) => instance.instance_id === idOf(server)),
    async stop() {
      await world.parts.stop();
      await Promise.all(servers.map((server) => server.close()));
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return world;
}

/** What one generation told: each event with its name, in the order of coming. */
export interface Told {
  status: number;
  events: { name: string; data: Json; at: number }[];
  /** The body where it is no stream. */
  json: Json;
  headers: Headers;
}

/** Asks for a generation and reads it to its end. `onEvent` may stop it by throwing. */
export async function generate(world: PoolWorld, body: Json, { as = world.ann, signal, onEvent }: { as?: TestUser; signal?: AbortSignal; onEvent?(event: Told['events'][number]): void } = {}): Promise<Told> {
  const response = await fetch(`${world.url}/api/v4/ai/ollama/generate/stream`, {
    method: 'POST', headers: { ...as.headers, 'content-type': 'application/json' }, body: JSON.stringify(body), signal: signal ?? AbortSignal.timeout(10_000),
  });
  const told: Told = { status: response.status, events: [], json: undefined, headers: response.headers };
  if (!response.headers.get('content-type')!.startsWith('text/event-stream')) return { ...told, json: await response.json() };
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + chunk).split('\n\n');
    rest = frames.pop()!;
    for (const frame of frames) {
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      if (data === undefined) continue;
      const event = { name: /^event: (.*)$/m.exec(frame)?.[1] ?? 'message', data: JSON.parse(data) as Json, at: performance.now() };
      told.events.push(event);
      onEvent?.(event);
    }
  }
  return told;
}

export function joined({ events }: Told): string {
  return events.map(({ data }) => data.response ?? '').join('');
}
