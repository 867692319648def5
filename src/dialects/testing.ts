import { join } from 'node:path';
import { io, type ManagerOptions, type Socket as SocketIoSocket, type SocketOptions } from 'socket.io-client';
import { request as ask, type Dispatcher } from 'undici';
import { WebSocket } from 'ws';
import { createLocalBus } from '../base/events/index.ts';
import { systemClock, type Clock } from '../base/clock.ts';
import { newId } from '../base/ids.ts';
import { createJobs } from '../base/jobs/index.ts';
import { startAll, stopAll } from '../base/lifecycle.ts';
import { createLocalLimiter } from '../base/limits/index.ts';
import { createLogs, createMetrics, silentLog, Tracer, type Log } from '../base/observability/index.ts';
import { openSecrets } from '../base/secrets.ts';
import type { Engine } from '../base/storage/index.ts';
import { openTestStorage } from '../base/storage/testing.ts';
import { readConfig } from '../config.ts';
import { createOperations } from '../features/operations/index.ts';
import { switchableDialects } from '../modules.ts';
import { observeConversations, observeCore } from '../observed.ts';
import { createRunningSettings } from '../running-settings.ts';
import { createAccounts } from '../core/accounts/index.ts';
import { cheapPasswords } from '../core/accounts/testing.ts';
import { createAgent } from '../core/agent/index.ts';
import { createBudgets } from '../core/budgets/index.ts';
import { createConversations, createTransfers } from '../core/conversations/index.ts';
import { scriptedModels, type ScriptedModels } from '../core/conversations/testing.ts';
import { createLangchain } from '../core/langchain/index.ts';
import { createPresence } from '../core/presence/index.ts';
import { createModelStore, createOllamaPool, type ModelInfo, type Models } from '../core/models/index.ts';
import type { Agents } from '../features/agents/index.ts';
import { createChecks, type HandingOver, type Ledger } from '../features/ledger/index.ts';
import { createPipelines } from '../features/pipelines/index.ts';
import { createMonitoring, type Monitoring } from '../features/monitoring/index.ts';
import { createSessions } from '../session-transcripts.ts';
import { registerAgentChat } from './agent-chat/index.ts';
import { registerArketic } from './arketic/index.ts';
import { registerFriend } from './friend/index.ts';
import { ollamaFace, registerOllama } from './ollama/index.ts';
import { registerOpenai } from './openai/index.ts';
import { registerStudio } from './studio/index.ts';
import { registerUltimate } from './ultimate/index.ts';
import { createHttpServer, type DialectParts, type HttpServer } from './shared/index.ts';

/** JSON that a test looks into; what is not there fails the test. */
export type Json = ReturnType<typeof JSON.parse>;

/** A user of the test server, with what it needs to ask. */
export interface TestUser {
  username: string;
  password: string;
  userId: string;
  token: string;
  /** `Authorization` with the token. */
  headers: Record<string, string>;
}

export interface TestServer {
  url: string;
  port: number;
  parts: DialectParts;
  dataDir: string;
  agents: Agents;
  ledger: Ledger;
  handingOver: HandingOver;
  monitoring: Monitoring;
  http: HttpServer;
  /** The second app, for clients of Ollama; null unless the test sets OLLAMA_API_PORT. */
  ollama: HttpServer | null;
  /** Its address; empty where it has no port. */
  ollamaUrl: string;
  models: ScriptedModels;
  /** A user with this name; made the first time it is asked for. */
  user(name: string): Promise<TestUser>;
  /** A request with a JSON body, when there is one. */
  request(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  stop(): Promise<void>;
}

export interface RequestOptions {
  as?: TestUser;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in place of `body`. */
  raw?: string | Uint8Array;
}

export interface TestResponse {
  status: number;
  headers: Headers;
  text: string;
  /** The body, parsed; undefined when it is no JSON. */
  json: Json;
}

export interface ServerOptions {
  engine?: Engine;
  /** Settings by the names of the table in src/config.ts. */
  settings?: Record<string, string>;
  clock?: Clock;
  log?: Log;
  webDir?: string;
  /** Models in place of the scripted one. */
  models?: Models;
}

/** What the scripted model says it is. */
export const scriptedModel: ModelInfo = {
  id: 'scripted/one', provider: 'scripted', model: 'one', label: 'One', kinds: ['chat'], location: 'local', contextLength: 100_000, sizeBytes: null, createdAt: null,
};

/**
 * A server with real storage, accounts and conversations on a port of its own; only the model is the test's. The first
 * user registered becomes the owner.
 */
export async function startTestServer(options: ServerOptions = {}): Promise<TestServer> {
  const database = await openTestStorage(options.engine ?? 'sqlite');
  const settings = readConfig({ PORT: '0', DATA_DIR: database.dataDir, OLLAMA_URLS: 'off', DRAIN_SECONDS: '0', ...(options.log && options.log.level !== 'info' ? { LOG_LEVEL: options.log.level } : {}), LIMIT_LOGINS_PER_MINUTE: '100000', LIMIT_SOCKETS_PER_ADDRESS: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000', ...options.settings });
  const base = { storage: database.storage, clock: options.clock ?? systemClock, log: options.log ?? silentLog(), metrics: createMetrics(), instanceId: newId(), settings };
  const logs = createLogs(base.log);
  const tracer = new Tracer({ clock: base.clock, logs });
  const limiter = createLocalLimiter(base.clock);
  const bus = createLocalBus((error) => { throw error; });
  const secrets = openSecrets(database.dataDir);
  const accounts = createAccounts({ ...base, bus, secrets, limiter, passwords: cheapPasswords() });
  const jobs = createJobs(base);
  const scripted = scriptedModels();
  scripted.list = async () => [scriptedModel];
  const models = options.models ?? scripted;
  const budgets = createBudgets({ ...base, models, bus, settings: settings.budgets });
  const conversations = createConversations({ ...base, log: logs.of('chat'), tracer, models, jobs, bus, budgets });
  const modelStore = createModelStore({ ...base, folder: settings.modelsDir, jobs });
  const transfers = createTransfers({ ...base, jobs, folder: join(database.dataDir, 'imports'), maxBytes: settings.importMaxBytes });
  const { agents, ledger, handingOver, transcripts } = createSessions({ ...base, secrets, conversations, accounts, jobs });
  const presence = createPresence({ ...base, bus, several: false });
  const langchain = createLangchain({ ...base, models, conversations, provider: null, features: settings.langchain, isWatched: (id) => presence.isWatched(id) });
  const operations = createOperations({
    ...base, jobs, bus, logs, tracer, dataDir: database.storage.engine === 'sqlite' ? database.dataDir : null, settings: createRunningSettings(settings),
    modules: async () => [], dialects: switchableDialects(settings), restarter: null,
  });
  observeCore(tracer, { storage: database.storage, accounts, jobs, models });
  observeConversations(tracer, conversations);
  const parts: DialectParts = { ...base, accounts, jobs, models, modelStore, budgets, conversations, transfers, presence, langchain, limiter, tracer, log: logs.of('http'), switches: operations.switches, version: '0.0.0-test', webDir: options.webDir ?? '/nonexistent' };
  const http = createHttpServer(parts);
  registerOpenai(http.app, parts);
  registerArketic(http.app, parts);
  registerFriend(http.app, parts);
  registerStudio(http.app, parts);
  const agent = createAgent({ ...parts, dataDir: database.dataDir });
  const monitoring = createMonitoring({ ...parts, instanceId: base.instanceId, bus, agent, providers: ['scripted'] });
  const pipelines = createPipelines({ ...base, conversations, models, accounts, jobs, bus, settings: {} });
  registerUltimate(http.app, { ...parts, operations, pipelines, monitoring, agent, ollama: createOllamaPool({ ...base, servers: null, jobs, bus }) });
  registerAgentChat(http.app, { ...parts, agents, transcripts, ledger, checks: createChecks() });
  const ollama = settings.ollamaApiPort === null ? null : createHttpServer(parts, ollamaFace(settings.ollamaApiPort));
  if (ollama) {
    registerOllama(ollama.app, parts);
    registerOpenai(ollama.app, parts);
  }
  const faces = ollama ? [http, ollama] : [http];
  const order = [operations, accounts, budgets, transfers, ledger, handingOver, jobs, pipelines, agent, monitoring, ...faces.map((face) => face.transport), conversations, ...faces.map((face) => face.listener)];
  try {
    await startAll(order);
  } catch (error) {
    await database.close();
    throw error;
  }
  const { port } = http.addresses()[0]!;
  const url = `http://127.0.0.1:${port}`;
  const ollamaPort = ollama?.addresses()[0]?.port;
  const users = new Map<string, Promise<TestUser>>();
  return {
    url, port, parts, dataDir: database.dataDir, agents, ledger, handingOver, monitoring, http, ollama, models: scripted,
    ollamaUrl: ollamaPort === undefined ? '' : `http://127.0.0.1:${ollamaPort}`,
    user(name) {
      const known = users.get(name) ?? registerUser(url, name);
      users.set(name, known);
      return known;
    },
    request: (method, path, requestOptions) => sendRequest(url, method, path, requestOptions),
    async stop() {
      await stopAll(order);
      await database.close();
    },
  };
}

/** Makes an account over HTTP. */
export async function registerUser(url: string, username: string): Promise<TestUser> {
  const password = `${username}-secret-1`;
  const answer = await sendRequest(url, 'POST', '/api/auth/register', { body: { username, password, email: `${username}@example.com`, name: username } });
  if (answer.status !== 201) throw new Error(`registration of ${username}: ${answer.status} ${answer.text}`);
  const token: string = answer.json.access_token;
  const headers = { authorization: `Bearer ${token}` };
  const session = await sendRequest(url, 'GET', '/api/auth/session', { headers });
  return { username, password, userId: session.json.user.id, token, headers };
}

/**
 * One request; the body is parsed where it is JSON. Fails when the server does not answer within ten seconds. Not by
 * `fetch`, which takes several times as long for it: some suites make ten thousand of them.
 */
export async function sendRequest(url: string, method: string, path: string, { as, headers, body, raw }: RequestOptions = {}): Promise<TestResponse> {
  const given = new Headers({ ...as?.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers });
  // As browsers say it of a text.
  if (typeof raw === 'string' && !given.has('content-type')) given.set('content-type', 'text/plain;charset=UTF-8');
  const answer = await ask(url + path, { method: method as Dispatcher.HttpMethod, headers: Object.fromEntries(given), body: raw ?? (body === undefined ? undefined : JSON.stringify(body)), signal: AbortSignal.timeout(10_000) });
  const text = await answer.body.text();
  const received = new Headers();
  for (const [name, values] of Object.entries(answer.headers)) for (const value of [values ?? []].flat()) received.append(name, value);
  return { status: answer.statusCode, headers: received, text, json: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One WebSocket of a client, with the frames it got. */
export interface TestSocket {
  frames: Json[];
  /** The next frame that fits and has not been given yet; waits for it. */
  next(type: string, fits?: (frame: Json) => boolean): Promise<Json>;
  send(frame: unknown): void;
  sendRaw(text: string | Buffer): void;
  close(): void;
  /** The code and reason it was closed with. */
  closed: Promise<{ code: number; reason: string }>;
  socket: WebSocket;
}

/** Opens the socket of a chat; it resolves when it is open, before any frame. */
export async function openSocket(server: { port: number }, path: string, headers: Record<string, string> = {}): Promise<TestSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { headers });
  const frames: Json[] = [];
  const given = new Set<unknown>();
  const waiting = new Set<() => void>();
  socket.on('message', (data: Buffer) => {
    frames.push(JSON.parse(data.toString()));
    for (const look of waiting) look();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  return {
    frames, closed, socket,
    next: (type, fits = () => true) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const frame = frames.find((candidate) => candidate.type === type && !given.has(candidate) && fits(candidate));
          if (!frame) return;
          given.add(frame);
          waiting.delete(look);
          resolve(frame);
        };
        void closed.then(({ code, reason }) => reject(new Error(`closed with ${code} ${reason} while waiting for ${type}`)));
        waiting.add(look);
        look();
      }),
    send: (frame) => socket.send(JSON.stringify(frame)),
    sendRaw: (text) => socket.send(text),
    close: () => socket.close(),
  };
}

/** One Socket.IO client, with the events it got. */
export interface TestSocketIo {
  socket: SocketIoSocket;
  events: { event: string; payload: Json }[];
  /** What every socket of the main namespace is told first, by the event `connected`; it is none of `events`. */
  greeting: Promise<Json>;
  /** The next event of this name that fits and has not been given yet; waits for it. */
  next(event: string, fits?: (payload: Json) => boolean): Promise<Json>;
  /** Sends an event and waits for its acknowledgement, five seconds at most. */
  ask(event: string, ...payload: unknown[]): Promise<Json>;
  /** Why the connection ended. */
  gone: Promise<string>;
  close(): void;
}

/** Connects a client of its own, without coming back by itself. Fails with the message of `connect_error`; its code stands in `data`. */
export async function openSocketIo(server: { port: number }, options: Partial<ManagerOptions & SocketOptions> & { namespace?: string } = {}): Promise<TestSocketIo> {
  const { namespace = '/', ...rest } = options;
  const socket = io(`http://127.0.0.1:${server.port}${namespace === '/' ? '' : namespace}`, { transports: ['websocket'], reconnection: false, forceNew: true, ...rest });
  const events: TestSocketIo['events'] = [];
  const given = new Set<unknown>();
  const waiting = new Set<() => void>();
  const { promise: greeting, resolve: greeted } = Promise.withResolvers<Json>();
  socket.onAny((event: string, payload: Json) => {
    if (event === 'connected') return greeted(payload);
    events.push({ event, payload });
    for (const look of waiting) look();
  });
  const gone = new Promise<string>((resolve) => socket.once('disconnect', (reason) => resolve(reason)));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('connect_error', (error) => {
      socket.close();
      reject(error);
    });
  });
  return {
    socket, events, greeting, gone,
    next: (event, fits = () => true) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = events.find((candidate) => candidate.event === event && !given.has(candidate) && fits(candidate.payload));
          if (!found) return;
          given.add(found);
          waiting.delete(look);
          resolve(found.payload);
        };
        void gone.then((reason) => reject(new Error(`gone (${reason}) while waiting for ${event}`)));
        waiting.add(look);
        look();
      }),
    ask: (event, ...payload) => socket.timeout(5000).emitWithAck(event, ...payload),
    close: () => void socket.close(),
  };
}
